"""What the extension adds to the start of a Jupyter Server, in processor time (budget: 50 ms).

python -m benchmarks.start_cost                  starts servers in turn, and prints the difference
python -m benchmarks.start_cost with|without     one start, as JSON: {"cpu": seconds until it
                                                 served, "modules": [what was imported by then]}
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp


def start(extension: bool) -> None:
    """Measure one start, up to the end of the extensions' start hooks."""
    begin = time.process_time()
    server = ServerApp.instance(
        jpserver_extensions={"jupyter_remote_tunnel": extension},
        open_browser=False,
        allow_root=True,
        port=0,
    )
    server.initialize(argv=[], find_extensions=False)
    took: dict[str, Any] = {}

    async def served() -> None:
        await server.extension_manager.start_all_extensions()  # type: ignore[no-untyped-call]
        took["cpu"] = time.process_time() - begin
        took["modules"] = sorted(sys.modules)
        server.stop()

    server.io_loop.add_callback(served)
    server.io_loop.start()
    sys.stdout.write(json.dumps(took))


def compare(rounds: int = 10) -> None:
    """Start servers with and without in turn, in folders of their own."""
    cpu: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        places = {f"JUPYTER_{n}_DIR": str(Path(folder, n)) for n in ("CONFIG", "DATA", "RUNTIME")}
        env = {**os.environ, **places, "HOME": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for number in range(rounds + 1):
            for extension, found in cpu.items():
                argv = [sys.executable, "-m", "benchmarks.start_cost", extension]
                done = subprocess.run(argv, env=env, capture_output=True, check=True)
                if number:  # the first round writes the bytecode
                    found.append(json.loads(done.stdout)["cpu"] * 1e3)
    for extension, found in cpu.items():
        print(
            f"{extension:8} {statistics.median(found):6.0f} ms  ({min(found):.0f}-{max(found):.0f})"
        )
    added = statistics.median(cpu["with"]) - statistics.median(cpu["without"])
    print(f"{'added':8} {added:6.0f} ms")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        start(sys.argv[1] == "with")
    else:
        compare()
