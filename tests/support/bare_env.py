"""A virtual environment with a few distributions and this package, and nothing that it needs.

As `pip install ipython` and `pip install --no-deps jupyter-remote-tunnel` leave it, but made in a
moment and without a network: the distributions are linked from the environment of the tests.
"""

import contextlib
import re
import shutil
import tempfile
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import jupyter_remote_tunnel


@contextlib.contextmanager
def bare_environment(*names: str) -> Iterator[Path]:
    """Make one with `names` and all that they require; gives the path of its Python."""
    folder = Path(tempfile.mkdtemp(prefix="jrt-venv-"))
    try:
        venv.create(folder, with_pip=False, symlinks=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        for found in _closure(names):
            _link(found, packages)
        source = Path(jupyter_remote_tunnel.__file__).parent
        (packages / source.name).symlink_to(source)
        yield folder / "bin" / "python"
    finally:
        shutil.rmtree(folder)


def _closure(names: tuple[str, ...]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub("[-_.]+", "-", waiting.pop()).lower()  # some are required by several names
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        for requirement in found[name].requires or ():
            if "extra ==" not in requirement:
                match = re.match(r"[A-Za-z0-9._-]+", requirement)
                assert match is not None
                waiting.append(match[0])
    return list(found.values())


def _link(found: Distribution, packages: Path) -> None:
    """Link every file or folder of the distribution that stands in site-packages itself."""
    tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        (packages / top).symlink_to(Path(str(found.locate_file(top))))
