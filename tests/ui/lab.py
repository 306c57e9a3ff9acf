"""JupyterLab as a person uses it: what the tests click and read, and nothing else.

A `Scene` is what one Jupyter of a test shows: a bed with the host ``gpu01``, `bokeh serve` on it,
and the Jupyter server. `Lab` is a page of that Jupyter in a browser.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.support.bokeh_app import BokehApp
from tests.support.http import by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.sshd import SshBed, Sshd

_AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"

SIDEBAR = "#jp-remote-tunnel-sidebar"
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Scene:
    """A Jupyter, and a host with an application that it can reach."""

    bed: SshBed
    sshd: Sshd
    bokeh: BokehApp
    server: Jupyter

    @property
    def line(self) -> str:
        """A pasted command that leads to the application, from any free port."""
        return f"ssh -NfL 0:localhost:{self.bokeh.port} gpu01"

    def clear(self) -> None:
        """Close every tunnel, and start sshd again if a test has ended it."""
        if not self.sshd.running:
            self.sshd.start()
        login = by_cookie if self.server.password else by_token
        with login(self.server) as http:
            for tunnel in http.get("remote-tunnel/api/tunnels").json()["tunnels"]:
                answer = http.delete(f"remote-tunnel/api/tunnels/{tunnel['id']}")
                if answer.status_code != 404:  # else the page has just done so itself
                    answer.raise_for_status()


@contextlib.contextmanager
def scene(
    bokeh: BokehApp, kind: str = "lab", *, settings: Mapping[str, Any] | None = None, **knobs: Any
) -> Iterator[Scene]:
    """Start all of it but for the application, which the host of any scene can have.

    :param settings: traits of `TunnelManager`, beside or instead of those that are here.
    :param knobs: those of `tests.support.jupyter.jupyter`.
    """
    with SshBed() as bed:
        sshd = bed.host("gpu01")
        traits = {
            "ssh_config": str(bed.config_file),
            "backoff_first": 0.2,
            "backoff_max": 1.0,
            **(settings or {}),
        }
        with jupyter(kind, traits={"TunnelManager": traits}, **knobs) as server:
            yield Scene(bed, sshd, bokeh, server)


class Lab:
    """JupyterLab, or Notebook 7, in one page of the browser."""

    def __init__(self, page: Page, server: Jupyter, host: str = "127.0.0.1") -> None:
        self.page = page
        self.server = server
        self.url = server.url_on(host)

    def open(self) -> "Lab":
        """Log in as the server wants it, and come to JupyterLab with the sidebar in front."""
        self.log_in("lab?reset")
        return self._arrived()

    def reopen(self) -> "Lab":
        """Load JupyterLab again, as it was when it was opened."""
        self.page.goto(f"{self.url}lab?reset")
        return self._arrived()

    def _arrived(self) -> "Lab":
        # It comes last and takes the focus, which closes a palette that is open by then.
        expect(self.page.locator(".jp-Launcher")).to_be_visible(timeout=60_000)
        self.page.get_by_role("tab", name="SSH Tunnels").click()
        expect(self.sidebar).to_be_visible()
        return self

    def log_in(self, where: str) -> None:
        """Go to `where` by way of the login page's form."""
        self.page.goto(f"{self.url}login?next={self.server.base_url}{where}")
        self.page.get_by_role("textbox").first.fill(self.server.password or self.server.token)
        self.page.get_by_role("button", name="Log in", exact=True).click()

    @property
    def sidebar(self) -> Locator:
        """The sidebar."""
        return self.page.locator(SIDEBAR)

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    def refresh(self) -> None:
        """Have the sidebar look again, also at the hosts of the ssh configuration."""
        with self.page.expect_response(re.compile(r"/api/hosts\b")):
            self.sidebar.get_by_role("button", name="Refresh SSH Tunnels").click()

    def fill_in(self, **parts: str) -> None:
        """Choose to fill in the parts in the dialog, and fill them in: `host`, `far`, `near`,
        `jump`, `ssh_port`, and `what` to open.
        """
        self.dialog.get_by_label("Fill in the parts").check()
        if "what" in parts:
            self.dialog.get_by_label("What to open").select_option(parts["what"])
        for part in parts.keys() - {"what"}:
            self.field(part).fill(parts[part])

    def field(self, part: str) -> Locator:
        """The field of that part in the dialog, where the near end is on this machine."""
        label = {
            "host": "Remote host",
            "far": "Port on the remote host",
            "near": "Port on this machine (0: any free one)",
            "jump": "Through the host (optional)",
            "ssh_port": "Port of ssh",
        }[part]
        return self.dialog.get_by_label(label, exact=True)

    @property
    def open_button(self) -> Locator:
        """The button of the dialog that opens what was typed."""
        return self.dialog.get_by_role("button", name="Open")

    def row(self, name: str) -> Locator:
        """The row of a tunnel."""
        named = self.page.locator(
            ".jp-RemoteTunnel-name", has_text=re.compile(f"^{re.escape(name)}$")
        )
        return self.sidebar.locator(".jp-RemoteTunnel-tunnel").filter(has=named)

    def add(self, command: str, name: str) -> Locator:
        """Paste a command into the dialog and open it; its row, once the tunnel is open."""
        self.fill(command, name)
        self.open_button.click()
        self.expect_state(name, "Open")
        expect(self.dialog).to_be_hidden()
        return self.row(name)

    def ask(self) -> Locator:
        """Have the dialog that adds a tunnel; its first field."""
        self.sidebar.get_by_role("button", name="Add SSH Tunnel").click()
        first = self.dialog.get_by_label("A command of ssh")
        expect(first).to_be_focused()  # the dialog moves the focus there, at its own time
        return first

    def fill(self, command: str, name: str) -> Locator:
        """Have the dialog and fill it, and leave it there; the field with the command."""
        first = self.ask()
        first.fill(command)
        self.dialog.get_by_label("Name").fill(name)
        return first

    def expect_state(self, name: str, label: str) -> None:
        """Wait until the row says so."""
        expect(self.row(name).locator(".jp-RemoteTunnel-state")).to_have_text(label)

    def port(self, name: str) -> int:
        """The local port that the row shows."""
        found = ADDRESS.search(self.row(name).locator(".jp-RemoteTunnel-address").inner_text())
        assert found, "no address in the row"
        return int(found[1])

    def close(self, name: str) -> None:
        """Close a tunnel by its row; if it is in use, confirm that."""
        row = self.row(name)
        row.get_by_role("button", name=f"Close {name}").click()
        confirm = self.dialog.get_by_role("button", name="Close")
        expect(confirm.or_(self.sidebar.get_by_text("No tunnels yet."))).to_be_visible()
        if confirm.is_visible():
            confirm.click()
        expect(row).to_be_hidden()

    def show_application(self, name: str) -> FrameLocator:
        """Click "open in a tab" in the row; what the tab shows."""
        self.row(name).get_by_role("button", name=f"Open {name} in a tab").click()
        frame = f'iframe[title="{name}"]'
        expect(self.page.locator(frame)).to_be_visible()
        return self.page.frame_locator(frame)

    def close_applications(self) -> None:
        """Close the tabs that show one."""
        tabs = self.page.locator('.lm-TabBar-tab[data-id^="jp-remote-tunnel-app-"]')
        for left in range(tabs.count(), 0, -1):
            tabs.first.locator(".lm-TabBar-tabCloseIcon").click()
            expect(tabs).to_have_count(left - 1)

    def close_tab(self, name: str) -> None:
        """Close a tab of the main area, also behind a dialog."""
        tab = self.page.get_by_role("main").get_by_role("tab", name=name)
        icon = tab.locator(".lm-TabBar-tabCloseIcon")
        box = icon.bounding_box()
        assert box is not None
        place = {"button": 0, "clientX": box["x"] + 4, "clientY": box["y"] + 4}
        icon.dispatch_event("pointerdown", place)
        icon.dispatch_event("pointerup", place)

    def run_command(self, label: str) -> None:
        """Choose a command in the palette."""
        self.page.keyboard.press("Control+Shift+C")
        self.page.locator(".lm-CommandPalette-input").fill(label)
        item = self.page.locator(".lm-CommandPalette-item", has_text=label).first
        item.click()

    def is_dark(self, wanted: bool) -> None:
        """Choose JupyterLab's light or dark theme."""
        name = "JupyterLab Dark" if wanted else "JupyterLab Light"
        self.run_command(f"Use Theme: {name}")
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name)


def works(frame: FrameLocator | Page) -> None:
    """The application's plot is drawn, the server's patches arrive, and a click reaches it."""
    expect(frame.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
    points = frame.get_by_text(re.compile(r"^\d+ points$"))
    seen = points.inner_text()
    expect(points).not_to_have_text(seen)
    frame.get_by_role("button", name="press").click()
    expect(frame.get_by_text("pressed 1 times")).to_be_visible()


def picture(page: Page, folder: Path, name: str) -> Path:
    """A screenshot `name`.png in `folder`; fails if there is nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size > 5000
    return path


def complaints(page: Page, selector: str) -> list[str]:
    """What axe finds in that part of the page that keeps people from using it."""
    page.evaluate(_AXE.read_text())
    # Without the buttons of JupyterLab's own toolbars, which are not ours to mend.
    scope = {"include": [[selector]], "exclude": [["jp-button"]]}
    found = page.evaluate("scope => axe.run(scope)", scope)
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
