"""The description of the REST interface: current, complete, and true of a running server."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_remote_tunnel.server.openapi import describe
from jupyter_remote_tunnel.server.routes import ROUTES
from tests.support.process import environment, program

ROOT = Path(__file__).parents[2]


def test_the_file_is_current() -> None:
    render = runpy.run_path(str(ROOT / "scripts" / "generate_api.py"))["render"]
    assert (ROOT / "docs" / "openapi.json").read_text() == render(), "scripts/generate_api.py"


def test_every_method_of_every_route_is_described() -> None:
    described = describe()["paths"]
    for path, handler in ROUTES.items():
        methods = {
            name for name in ("get", "post", "put", "patch", "delete") if name in vars(handler)
        }
        assert methods == handler.operations().keys()
        assert methods == described[f"/{path}"].keys() - {"parameters"}


def test_every_reference_leads_somewhere() -> None:
    description = describe()
    text = json.dumps(description)
    for kind, parts in description["components"].items():
        if kind != "securitySchemes":
            assert parts
            for name in parts:
                assert f'"#/components/{kind}/{name}"' in text, name


def _fuzz(*arguments: str) -> None:
    done = subprocess.run(
        [program("unshare"), "--net", "--", sys.executable, "-m", "tests.server.fuzz", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


@pytest.mark.timeout(300)  # some of what it asks for waits for hosts that do not answer
def test_the_server_does_as_described() -> None:
    # The two thousand requests of its phase `coverage` are for long.
    _fuzz("--phases", "examples,fuzzing,stateful", "--max-examples", "8")


@pytest.mark.long
@pytest.mark.fuzz
def test_the_server_does_as_described_for_long() -> None:
    _fuzz("--max-examples", "100")
