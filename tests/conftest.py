"""Fixtures over `tests.support`: one peer each, with default knobs; for others use the peer itself.

Nothing may be left at the end of the session: the last fixture to be torn down looks for processes.
"""

import gc
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.bokeh_app import BokehApp
from tests.support.bokeh_app import bokeh_app as run_bokeh
from tests.support.jupyter import Jupyter
from tests.support.jupyter import jupyter as run_jupyter
from tests.support.kernel import Kernel, ipykernel
from tests.support.leaks import no_new_processes
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

# A shell has what it runs in the background ignore Ctrl-C, and all that is started from there too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure of the code under test.
hypothesis.settings.register_profile("tests", deadline=None)
# For a round of `make test-long`, and for whoever looks for what nobody thought of.
hypothesis.settings.register_profile("long", deadline=None, max_examples=1_000, print_blob=True)
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the browser tests leave their screenshots in a folder (docs/images has those of docs)."""
    parser.addoption("--pictures", help="folder for the screenshots that the browser tests make")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What thousands of tests are made of stays: it is not looked through again and again for what
    could go, neither while they are collected nor while they run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show texts that are not Unicode, which fuzzing tries: xdist would break off at them."""
    report = yield
    if report.longrepr is not None and not isinstance(report.longrepr, tuple):
        said = str(report.longrepr)
        if _shown(said) != said:
            report.longrepr = _shown(said)
    report.sections = [(name, _shown(content)) for name, content in report.sections]
    return report


def _shown(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """No process that the tests started outlives them."""
    with no_new_processes():
        yield


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A private folder with a short path, for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="jrt-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ssh_bed() -> Iterator[SshBed]:
    """An `SshBed` without hosts; see `SshBed.host`."""
    with SshBed() as bed:
        yield bed


@pytest.fixture
def sshd(ssh_bed: SshBed) -> Sshd:
    """A running sshd with the alias ``gpu01`` in `ssh_bed`."""
    return ssh_bed.host("gpu01")


@pytest.fixture
def bokeh_app() -> Iterator[BokehApp]:
    """`bokeh serve` on a free loopback port, without any flag."""
    with run_bokeh() as app:
        yield app


@pytest.fixture(scope="session")
def shared_app() -> Iterator[BokehApp]:
    """The same for all tests that only look at its page: nobody changes or ends it."""
    with run_bokeh() as app:
        yield app


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """An ipykernel on TCP."""
    with ipykernel() as running:
        yield running


@pytest.fixture
def jupyter_server() -> Iterator[Jupyter]:
    """Jupyter Server with a token and this project's extension."""
    with run_jupyter() as server:
        yield server


@pytest.fixture
def user() -> Iterator[User]:
    """A person at a shell, with folders of their own."""
    with User() as person:
        yield person
