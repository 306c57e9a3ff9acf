"""What every start of a Jupyter Server loads for this extension, tunnels or not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.process import environment

ROOT = Path(__file__).parents[2]
# They are the engine's, or are needed for the first request or the first application only.
HEAVY = {"asyncssh", "aiohttp", "cryptography", "msgspec", "psutil", "rich", "IPython"}


def _start(folder: Path, extension: str) -> dict[str, Any]:
    """One start, as `benchmarks.start_cost` measures it; bytecode is cached as in an install."""
    env = environment(
        {
            "HOME": str(folder),
            **{f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")},
            "PYTHONDONTWRITEBYTECODE": "",
        }
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.start_cost", extension],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    without = set(_start(tmp_path, "without")["modules"])
    more = set(_start(tmp_path, "with")["modules"]) - without
    assert "jupyter_remote_tunnel.server.app" in more
    assert not {name.partition(".")[0] for name in more} & HEAVY
