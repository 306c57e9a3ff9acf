"""Imports go one way, down; asyncssh, tornado, jupyter_client and IPython each have one place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jupyter_remote_tunnel"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each layer, and the layers (or modules) of ours that it may import beside itself.
ALLOWED = {
    "_version": set(),
    "model": set(),
    "peer_uid": set(),
    "port_holder": {"model"},
    "ssh": {"model", "peer_uid", "port_holder"},
    "tunnels": {"model", "ssh"},
    # `ssh.aliases` needs no asyncssh: a test says so.
    "engine": {"model", "_version", "ssh.aliases"},
    "apps": {"model", "engine"},
    "kernels": {"model", "engine"},
    "publish": {"model", "engine"},
    "server": {
        "model",
        "engine",
        "apps",
        "kernels",
        "publish",
        "peer_uid",
        "port_holder",
        "_version",
    },
    "commands": {"model", "engine", "apps", "kernels", "publish", "_version"},
    "shell": {"model", "engine", "commands", "demo", "_version"},
    "cli": {"shell"},
    "magic": {"model", "engine", "commands", "_version"},
    "demo": {"model", "engine", "commands", "apps", "kernels", "_version"},
    "context": {"model", "engine", "commands"},
    "__init__": {"context", "magic", "server", "_version"},
}
# The engine's process stands on everything below it; its client and holder do not.
ENGINE_PROCESS = {"service", "control", "__main__"}
HOME = {
    "asyncssh": {"ssh", "demo"},
    "tornado": {"server"},
    "jupyter_server": {"server"},
    "jupyter_client": {"kernels"},
    "IPython": {"magic"},
}


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, in functions too; ours from the package's top."""
    here = ("jupyter_remote_tunnel", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: -node.level]) if node.level else []
            module = ".".join([*base, node.module or ""]).rstrip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    mine = layer(path)
    allowed = ALLOWED[mine] | {mine}
    if mine == "engine" and path.stem in ENGINE_PROCESS:
        allowed |= {"ssh", "tunnels"}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "jupyter_remote_tunnel":
            # `from .. import __version__` names the package itself.
            target = parts[1] if len(parts) > 1 else "__init__"
            found = {target, ".".join(parts[1:3])} & {*allowed, "__version__"}
            assert found, f"{path.name} imports {name}"
        elif parts[0] in HOME:
            assert mine in HOME[parts[0]], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500, "a module has one purpose; split it"


def test_aliases_are_listed_without_asyncssh() -> None:
    """A Jupyter server lists them without an engine, and a kernel's environment may lack it."""
    script = (
        "import sys, jupyter_remote_tunnel.engine.hosts;"
        "print({'asyncssh', 'msgspec', 'typing_extensions'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
