"""What the extension adds to the start of JupyterLab's page, in a headless Chromium.

Two JupyterLabs run, alike but for this labextension. Their pages are opened in turn, from a warm
cache, in a fresh page each: the time from the navigation until JupyterLab says that it is restored,
and the processor time of the page's main thread until then. The former takes seconds and varies by
more than what is looked for: it needs many rounds, on a machine that does nothing else.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jupyter_core.paths import jupyter_path
from playwright.sync_api import BrowserContext, sync_playwright

from benchmarks.bench import Bench
from benchmarks.figures import Row, difference, interleave
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import PeerError, program

_OURS = "jupyter-remote-tunnel"
_RESTORED = "() => window.jupyterapp.restored.then(() => performance.now())"


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        playwright = stack.enter_context(sync_playwright())
        # Root's Chromium runs without its sandbox only.
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)
        contenders = {}
        for which in ("with", "without"):
            lab = stack.enter_context(_lab(Path(folder, which), extension=which == "with"))
            profile = browser.new_context()
            stack.callback(profile.close)
            contenders[which] = partial(_load, profile, f"{lab.url}lab?reset&token={lab.token}")
            contenders[which]()  # fills the cache
        found = interleave(bench.rounds * (1 if bench.quick else 8), contenders)
        what = "start of JupyterLab's page"
        passed, used = ([one[n] for one in found["with"]] for n in range(2))
        passed_without, used_without = ([one[n] for one in found["without"]] for n in range(2))
        yield Row(what, "ms", passed, passed_without, difference(20), "without us")
        yield Row(f"{what}, processor time", "ms", used, used_without, beside="without us")


@contextlib.contextmanager
def _lab(folder: Path, *, extension: bool) -> Iterator[Jupyter]:
    """JupyterLab with all labextensions of this environment, or with all but ours."""
    installed = {
        path.name: path
        for there in jupyter_path("labextensions")
        if Path(there).is_dir()
        for path in Path(there).iterdir()
    }
    if _OURS not in installed:
        raise PeerError(f"the labextension {_OURS} is not installed: `make install` does it")
    folder.mkdir()
    for name, path in installed.items():
        if extension or name != _OURS:
            (folder / name).symlink_to(path)
    traits = {"LabApp": {"labextensions_path": [str(folder)], "expose_app_in_browser": True}}
    with jupyter("lab", extension=extension, traits=traits) as server:
        yield server


def _load(profile: BrowserContext, url: str) -> tuple[float, float]:
    """Milliseconds: as the clock has it, and of the main thread's processor time."""
    page = profile.new_page()
    try:
        devtools = profile.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(url)
        page.wait_for_function("() => window.jupyterapp !== undefined")
        passed = float(page.evaluate(_RESTORED))
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        used = next(one["value"] for one in metrics if one["name"] == "TaskDuration")
        return passed, used * 1e3
    finally:
        page.close()
