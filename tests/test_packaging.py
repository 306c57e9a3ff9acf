"""The package as users get it: built without Node on the PATH, installed, enabled in both worlds.

What takes minutes (the whole build, from source distribution to wheel to a new environment) is
`long`; the cheap tests look at the editable install that the other tests run in.
"""

import json
import os
import runpy
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import jupyter_remote_tunnel
from tests.support.process import environment, only

ROOT = Path(__file__).parent.parent
NAME = "jupyter-remote-tunnel"
LABEXTENSION = f"share/jupyter/labextensions/{NAME}/"


def run(*argv: str | Path, env: dict[str, str] | None = None) -> str:
    """What a command says, both ways, once it has ended well."""
    done = subprocess.run(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def assert_both_enabled(bin_folder: Path, env: dict[str, str]) -> None:
    """Jupyter Server and JupyterLab of this environment both know the extension."""
    server = run(bin_folder / "jupyter", "server", "extension", "list", env=env)
    assert "jupyter_remote_tunnel enabled" in plain(server)
    assert f"jupyter_remote_tunnel {jupyter_remote_tunnel.__version__} OK" in plain(server)
    lab = plain(run(bin_folder / "jupyter", "labextension", "list", env=env))
    assert f"{NAME} v{jupyter_remote_tunnel.__version__} enabled OK" in lab


def plain(text: str) -> str:
    """Without colours and runs of spaces."""
    for colour in ("\x1b[32m", "\x1b[0m"):
        text = text.replace(colour, "")
    return " ".join(text.split())


def home(folder: Path) -> dict[str, str]:
    """An environment whose Jupyter folders are private."""
    return environment(
        {
            "HOME": str(folder),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        }
    )


def test_both_extensions_are_enabled(tmp_path: Path) -> None:
    assert_both_enabled(Path(sys.executable).parent, home(tmp_path))


def test_the_shell_has_the_command(tmp_path: Path) -> None:
    said = run(Path(sys.executable).parent / "jupyter", "tunnel", "--help", env=home(tmp_path))
    assert "open" in said


def test_versions_agree() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert package["version"] == jupyter_remote_tunnel.__version__
    assert package["name"] == NAME


def test_typescript_types_are_those_of_the_messages() -> None:
    script = ROOT / "labextension" / "make_types.py"
    rendered = runpy.run_path(str(script))["render"]()
    assert (ROOT / "labextension" / "src" / "api.ts").read_text() == rendered, "run: make types"


def test_the_lock_file_names_no_registry() -> None:
    assert "://" not in (ROOT / "labextension" / "yarn.lock").read_text()


@pytest.mark.long
def test_source_distribution_to_wheel_to_environment(tmp_path: Path) -> None:
    """`python -m build` makes the wheel from the source distribution. No Node is on the PATH."""
    env = home(tmp_path) | {"PATH": only(tmp_path, *_TO_BUILD)}
    env |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT, env=env)
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "labextension/yarn.lock" in names
    assert not [name for name in names if "node_modules" in name or "/lib/" in name]
    with zipfile.ZipFile(wheel) as built:
        assert_complete(built)
    run(sys.executable, "-m", "venv", tmp_path / "venv", env=env)
    bin_folder = tmp_path / "venv" / "bin"
    run(bin_folder / "pip", "install", "--quiet", wheel, "jupyterlab", env=env)
    env["PATH"] = f"{bin_folder}:{env['PATH']}"
    assert_both_enabled(bin_folder, env)
    assert "open" in run(bin_folder / "jupyter", "tunnel", "--help", env=env)


def assert_complete(wheel: zipfile.ZipFile) -> None:
    """The wheel carries the front end built from these sources, and the server configuration."""
    names = wheel.namelist()
    (package_json,) = [name for name in names if name.endswith(f"{LABEXTENSION}package.json")]
    entry = json.loads(wheel.read(package_json))["jupyterlab"]["_build"]["load"]
    shared = package_json.removesuffix("package.json")
    assert f"{shared}{entry}" in names
    assert f"{shared}install.json" in names
    assert f"{shared}schemas/{NAME}/plugin.json" in names
    assert any(
        name.endswith("jupyter_server_config.d/jupyter_remote_tunnel.json") for name in names
    )
    assert not [name for name in names if name.startswith("jupyter_remote_tunnel/labextension")]


# What the build may use: no `node`, `npm` or `jlpm`.
_TO_BUILD = ("sh", "git", "env", "uname", "cat", "tar", "gzip")
