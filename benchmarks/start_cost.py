"""One start of a Jupyter Server, with or without the extension, in processor time.

``python -m benchmarks.start_cost with|without`` prints JSON: {"cpu": seconds until it served,
"modules": [what was imported by then]}. `benchmarks.start` compares both.
"""

import json
import sys
import time
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


if __name__ == "__main__":
    start(sys.argv[1] == "with")
