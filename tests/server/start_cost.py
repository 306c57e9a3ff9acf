"""Starts a Jupyter Server in this process, stops it when it serves, and writes as JSON what that
took: {"cpu": seconds of processor time until it served, "modules": [what was imported by then]}.

    python -m tests.server.start_cost with|without
"""

import json
import sys
import time
from typing import Any

from jupyter_server.serverapp import ServerApp


def main(extension: bool) -> None:
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
    main(sys.argv[1] == "with")
