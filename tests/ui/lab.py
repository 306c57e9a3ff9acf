"""JupyterLab as a person uses it: what the tests click and read, and nothing else.

A `Scene` is what one Jupyter of a test shows: a bed with the host ``gpu01``, `bokeh serve` on it,
and the Jupyter server. `Lab` is a page of that Jupyter in a browser.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.http import by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.sshd import SshBed, Sshd

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
                http.delete(f"remote-tunnel/api/tunnels/{tunnel['id']}").raise_for_status()


@contextlib.contextmanager
def scene(
    kind: str = "lab", *, tunnels: Sequence[str] = (), backoff: float = 0.2, **knobs: Any
) -> Iterator[Scene]:
    """Start all of it.

    :param tunnels: those that the server's configuration declares.
    :param backoff: seconds before the first try to reconnect.
    :param knobs: those of `tests.support.jupyter.jupyter`.
    """
    with SshBed() as bed, bokeh_app() as bokeh:
        sshd = bed.host("gpu01")
        traits = {
            "ssh_config": str(bed.config_file),
            "backoff_first": backoff,
            "backoff_max": max(backoff, 1.0),
            "tunnels": list(tunnels),
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
        return self.dialog.get_by_role("textbox", name=label, exact=True)

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


def picture(page: Page, folder: Path, name: str) -> Path:
    """A screenshot `name`.png in `folder`; fails if there is nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size > 5000
    return path
