"""The sidebar and the other places where tunnels are shown, by pointer and by keyboard."""

import contextlib
import re
import socket
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect

from tests.support.echo import serve
from tests.support.http import by_token
from tests.support.ports import unused_port
from tests.ui.lab import SIDEBAR, Lab, Scene, complaints

OURS = "/remote-tunnel/api/"


def _page_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/app", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def _is_reset(port: int) -> None:
    # The reset may come before `connect` returns.
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", port), timeout=10) as stream,
    ):
        stream.recv(1)


def test_a_pasted_line_becomes_a_row_with_state_and_address(lab: Lab, lab_scene: Scene) -> None:
    expect(lab.sidebar).to_contain_text("No tunnels yet.")
    row = lab.add(lab_scene.line, "plot")
    lab.expect_state("plot", "Open")
    expect(row).to_contain_text(f"localhost:{lab_scene.bokeh.port}")
    expect(lab.sidebar.get_by_role("list", name="Tunnels to gpu01")).to_be_visible()
    assert "remote plot" in _page_of(lab.port("plot"))
    lab.sidebar.get_by_role("button", name="Refresh SSH Tunnels").click()
    expect(row.locator(".jp-RemoteTunnel-traffic")).to_contain_text(
        re.compile(r"of 1 stream.*↓\s[1-9].*↑\s[1-9]")
    )


def test_restart_keeps_the_port_and_close_gives_it_up(lab: Lab, lab_scene: Scene) -> None:
    row = lab.add(lab_scene.line, "plot")
    port = lab.port("plot")
    with lab.page.expect_response(re.compile(r"/restart\b")):
        row.get_by_role("button", name="Restart plot").click()
    lab.expect_state("plot", "Open")
    assert lab.port("plot") == port
    assert "remote plot" in _page_of(port)
    row.get_by_role("button", name="Close plot").click()
    expect(row).to_be_hidden()
    expect(lab.sidebar).to_contain_text("No tunnels yet.")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("hosts", [1, 3, 12])
def test_every_host_is_as_high_as_its_rows_and_one_scroll_reaches_all(
    lab: Lab, lab_scene: Scene, hosts: int
) -> None:
    long = "compute-node-0123.internal.cluster.example-university.edu"
    with by_token(lab_scene.server) as http, unused_port() as nowhere:
        for number in range(hosts):
            wanted = {
                "host": f"user{number}@127.0.0.1" if number else "gpu01",
                "forwards": [f"-L 0:{long}:{port}" for port in range(1, 3)],
                "name": f"t{number}",
                # All but the first fail and say why.
                "ssh": {"port": nowhere} if number else {},
            }
            status = http.post("remote-tunnel/api/tunnels", json=wanted).status_code
            assert status == (502 if number else 201)
    expect(lab.sidebar.locator(".jp-RemoteTunnel-tunnel")).to_have_count(hosts)
    for row in lab.sidebar.locator(".jp-RemoteTunnel-tunnel").all():
        assert row.evaluate("node => node.scrollWidth <= node.clientWidth")
    for rows in lab.sidebar.locator(".jp-RemoteTunnel-list").all():
        assert rows.evaluate("node => node.scrollHeight === node.clientHeight")
    last = f"t{hosts - 1}"
    lab.sidebar.locator(".jp-RemoteTunnel-list").first.hover()
    lab.page.mouse.wheel(0, 10_000)
    expect(lab.row(last)).to_be_in_viewport()
    label = f"Close {last}" if hosts == 1 else f"Dismiss {last}"
    lab.row(last).get_by_role("button", name=label).click()
    expect(lab.row(last)).to_be_hidden()


def test_a_host_is_folded_by_the_keyboard_and_stays_so(lab: Lab, lab_scene: Scene) -> None:
    row = lab.add(lab_scene.line, "plot")
    heading = lab.sidebar.get_by_role("heading", name="gpu01").get_by_role("button")
    expect(heading).to_have_attribute("aria-expanded", "true")
    heading.focus()
    lab.page.keyboard.press("Enter")
    expect(row).to_be_hidden()
    expect(heading).to_have_attribute("aria-expanded", "false")
    expect(heading).to_contain_text("1 SSH tunnel")
    with by_token(lab_scene.server) as http:
        wanted = {"host": "gpu01", "forwards": ["-L 0:localhost:1"], "name": "second"}
        http.post("remote-tunnel/api/tunnels", json=wanted).raise_for_status()
    expect(heading).to_contain_text("2 SSH tunnels")
    expect(row).to_be_hidden()
    lab.page.keyboard.press("Space")
    expect(row).to_be_visible()


def test_a_row_with_open_streams_asks_before_it_closes(lab: Lab, lab_scene: Scene) -> None:
    row = lab.add(lab_scene.line, "plot")
    with socket.create_connection(("127.0.0.1", lab.port("plot")), timeout=10) as stream:
        stream.sendall(b"GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(4) == b"HTTP"
        lab.sidebar.get_by_role("button", name="Refresh SSH Tunnels").click()
        expect(row.locator(".jp-RemoteTunnel-traffic")).to_contain_text("1 of 1 stream")
        row.get_by_role("button", name="Close plot").click()
        expect(lab.dialog).to_contain_text("Close the tunnel plot?")
        expect(lab.dialog).to_contain_text("1 stream is open")
        lab.dialog.get_by_role("button", name="Cancel").click()
        expect(row).to_be_visible()


def test_sshd_goes_and_comes_back_and_the_same_port_serves(lab: Lab, lab_scene: Scene) -> None:
    lab.add(lab_scene.line, "plot")
    port = lab.port("plot")
    lab_scene.sshd.kill()
    lab.expect_state("plot", "Reconnecting…")
    expect(lab.row("plot").get_by_role("alert")).to_contain_text("gpu01")
    lab_scene.sshd.start()
    lab.expect_state("plot", "Open")
    expect(lab.row("plot").get_by_role("alert")).to_be_hidden()
    assert lab.port("plot") == port
    assert "remote plot" in _page_of(port)


def test_the_reason_of_a_refused_destination_reaches_the_row(lab: Lab) -> None:
    with unused_port() as nowhere:
        row = lab.add(f"ssh -NL 0:localhost:{nowhere} gpu01", "nowhere")
        _is_reset(lab.port("nowhere"))
        problem = row.get_by_role("status")
        expect(problem).to_contain_text(re.compile(r"^Last problem, \d.*:\d\d"))
        expect(problem).to_contain_text(f"localhost:{nowhere}")
        expect(problem).to_contain_text("refused")
        # It is past, and the tunnel is open.
        expect(row.get_by_role("alert")).to_be_hidden()
        lab.expect_state("nowhere", "Open")
        dismiss = row.get_by_role("button", name="Dismiss the last problem")
        dismiss.click()
        expect(problem).to_be_empty()
        expect(row).to_be_focused()
        _is_reset(lab.port("nowhere"))
        expect(problem).to_contain_text("refused")


def test_the_last_problem_goes_with_the_next_success(lab: Lab) -> None:
    with serve("echo") as echo:
        port = echo.port
    row = lab.add(f"ssh -NL 0:localhost:{port} gpu01", "echo")
    _is_reset(lab.port("echo"))
    expect(row.get_by_role("status")).to_contain_text("Last problem")
    with (
        serve("echo", port=port),
        socket.create_connection(("127.0.0.1", lab.port("echo")), timeout=10) as stream,
    ):
        stream.sendall(b"x")
        assert stream.recv(1) == b"x"
        expect(row.get_by_role("status")).to_be_empty()


def test_one_reason_is_enough_while_a_tunnel_is_down(lab: Lab, lab_scene: Scene) -> None:
    with unused_port() as nowhere:
        row = lab.add(f"ssh -NL 0:localhost:{nowhere} gpu01", "nowhere")
        _is_reset(lab.port("nowhere"))
        expect(row.get_by_role("status")).to_contain_text("refused")
        lab_scene.sshd.kill()
        lab.expect_state("nowhere", "Reconnecting…")
        expect(row.get_by_role("alert")).to_have_count(1)
        expect(row.get_by_role("status")).to_be_hidden()
        lab_scene.sshd.start()
        lab.expect_state("nowhere", "Open")
        expect(row.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("dark", [pytest.param(False, marks=pytest.mark.long), True])
def test_axe_finds_nothing_to_complain_of(lab: Lab, lab_scene: Scene, dark: bool) -> None:
    lab.is_dark(dark)
    lab.add(lab_scene.line, "plot")
    with unused_port() as nowhere:
        row = lab.add(f"ssh -NL 0:localhost:{nowhere} gpu01", "nowhere")
        _is_reset(lab.port("nowhere"))
        expect(row.get_by_role("status")).to_contain_text("Last problem")
    assert complaints(lab.page, SIDEBAR) == []
    heading = lab.sidebar.get_by_role("heading", name="gpu01").get_by_role("button")
    heading.click()
    expect(heading).to_contain_text("2 SSH tunnels")
    assert complaints(lab.page, SIDEBAR) == []
    lab.fill("ssh -NL 0:localhost:99999 gpu01", "wrong")
    assert complaints(lab.page, ".jp-RemoteTunnel-form") == []
    lab.open_button.click()
    expect(lab.dialog.locator("mark")).to_have_text("99999")
    assert complaints(lab.page, ".jp-RemoteTunnel-form") == []
    lab.dialog.get_by_label("Fill in the parts").check()
    assert complaints(lab.page, ".jp-RemoteTunnel-form") == []
    lab.dialog.get_by_role("button", name="Cancel").click()
    heading.click()
    lab.is_dark(False)


def test_status_bar_running_panel_and_palette(lab: Lab, lab_scene: Scene) -> None:
    lab.add(lab_scene.line, "plot")
    status = lab.page.locator(".jp-RemoteTunnel-status")
    expect(status).to_contain_text("1 SSH tunnel")
    lab_scene.sshd.kill()
    expect(status).to_contain_text("1 reconnecting")
    lab_scene.sshd.start()
    expect(status).not_to_contain_text("reconnecting")

    lab.page.get_by_role("tab", name="Running Terminals and Kernels").click()
    expect(lab.sidebar).to_be_hidden()
    running = lab.page.locator("#jp-running-sessions")
    expect(running).to_contain_text("SSH tunnels")
    expect(running.get_by_text("plot", exact=True)).to_be_visible()
    status.get_by_role("button").press("Enter")
    expect(lab.sidebar).to_be_visible()
    expect(lab.sidebar).to_be_focused()

    lab.run_command("Close SSH Tunnel")
    expect(lab.row("plot")).to_be_hidden()
    expect(status).to_be_hidden()


def test_tunnels_are_closed_in_the_running_panel(lab: Lab, lab_scene: Scene) -> None:
    ports = []
    for name in ("plot", "second", "third"):
        lab.add(lab_scene.line, name)
        ports.append(lab.port(name))
    lab.page.get_by_role("tab", name="Running Terminals and Kernels").click()
    running = lab.page.locator("#jp-running-sessions")
    tunnels = running.get_by_role("region", name="SSH tunnels").get_by_role("treeitem")
    expect(tunnels).to_have_count(3)
    plot = tunnels.filter(has=lab.page.get_by_text("plot", exact=True))
    plot.hover()
    plot.get_by_title("Close").click()
    expect(plot).to_be_hidden()
    expect(tunnels).to_have_count(2)
    running.get_by_label("SSH tunnels toolbar").get_by_text("Close All").click()
    expect(lab.dialog).to_contain_text("Close all SSH tunnels?")
    lab.dialog.get_by_role("button", name="Close All").click()
    expect(tunnels).to_have_count(0)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    lab.page.get_by_role("tab", name="SSH Tunnels").click()
    expect(lab.sidebar).to_contain_text("No tunnels yet.")


@contextlib.contextmanager
def _asks_us_alone(page: Page) -> Iterator[None]:
    """Whatever else the page asks the server for waits until the end of the block."""

    def is_other(url: str) -> bool:
        return OURS not in url

    page.route(is_other, lambda route: None)
    try:
        yield
    finally:
        page.unroute(is_other)  # which lets them go


def _polls(page: Page, times: int) -> list[str]:
    """What the page asks us until it has had everything so many times."""
    asked: list[str] = []

    def is_enough(request: Request) -> bool:
        _, _, path = request.url.partition(OURS)
        asked.append(path)
        polled = ("tunnels?", "apps?", "prompts?", "publish?")
        return all(sum(path.startswith(one) for path in asked) >= times for one in polled)

    with page.expect_event("requestfinished", is_enough):
        pass
    return asked


def test_who_only_looks_is_no_activity(lab: Lab, lab_scene: Scene) -> None:
    """An idle server is still culled while the sidebar is in view."""
    lab.add(lab_scene.line, "plot")
    with by_token(lab_scene.server) as http, _asks_us_alone(lab.page):

        def last_activity() -> str:
            return str(http.get("api/status").json()["last_activity"])

        _polls(lab.page, 1)
        before = last_activity()
        asked = _polls(lab.page, 2)
        assert [path for path in asked if "?no_track_activity=1" not in path] == []
        assert last_activity() == before


def test_an_event_tells_at_once_what_others_do(lab: Lab, lab_scene: Scene) -> None:
    """While nobody looks at the sidebar, the list is asked for every ten seconds only."""
    lab.page.get_by_role("tab", name="SSH Tunnels").click()
    expect(lab.sidebar).to_be_hidden()
    status = lab.page.locator(".jp-RemoteTunnel-status")
    with by_token(lab_scene.server) as http:
        wanted = {"command": lab_scene.line, "name": "plot"}
        opened = http.post("remote-tunnel/api/tunnels", json=wanted).raise_for_status().json()
        expect(status).to_contain_text("1 SSH tunnel")  # the page may just begin to hear of events
        http.delete(f"remote-tunnel/api/tunnels/{opened['tunnel']['id']}").raise_for_status()
        expect(status).to_be_hidden(timeout=5000)
    lab.page.get_by_role("tab", name="SSH Tunnels").click()
    expect(lab.sidebar).to_be_visible()
