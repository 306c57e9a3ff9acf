"""A remote Jupyter in JupyterLab: found, opened logged in, worked in; its token seen by nobody."""

import contextlib
import json
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth.security import passwd_check
from playwright.sync_api import FrameLocator, Page, Request, WebSocket, expect

from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.jupyter_there import jupyter_there
from tests.support.lab_page import runs_a_cell, uses_a_terminal
from tests.support.process import wait_until
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.ui.lab import Lab, Scene, complaints, picture

API = "remote-tunnel/api/"


def host_of(bed: SshBed, folder: Path) -> Path:
    """Start the host `gpu02`, on which Jupyters may run; the runtime directory there."""
    runtime = folder / "runtime"
    runtime.mkdir()
    bed.host("gpu02", env={"JUPYTER_RUNTIME_DIR": runtime})
    return runtime


@pytest.fixture
def runtime(lab: Lab, lab_scene: Scene, tmp_path: Path) -> Path:
    """That of `gpu02`, which stands in the sidebar."""
    folder = host_of(lab_scene.bed, tmp_path)
    lab.refresh()
    return folder


@contextlib.contextmanager
def remote(runtime: Path, **knobs: Any) -> Iterator[Jupyter]:
    """A Jupyter of that host."""
    env = {"JUPYTER_RUNTIME_DIR": str(runtime)}
    with jupyter("lab", extension=False, env=env, **knobs) as server:
        yield server


def look_for_it(lab: Lab) -> FrameLocator:
    """Open the only Jupyter of the host from the sidebar; what its tab shows."""
    lab.sidebar.get_by_role("button", name="Look for a Jupyter on gpu02").click()
    frame = lab.page.locator('iframe[title^="gpu02:"]')
    expect(frame).to_be_visible()
    return lab.page.frame_locator('iframe[title^="gpu02:"]')


@contextlib.contextmanager
def sent_by(page: Page) -> Iterator[list[str]]:
    """All that a page sends in the block."""
    said: list[str] = []

    def request(sent: Request) -> None:
        said.extend([sent.url, str(sent.headers), sent.post_data or ""])

    def websocket(opened: WebSocket) -> None:
        said.append(opened.url)

    page.on("request", request)
    page.on("websocket", websocket)
    yield said
    page.remove_listener("request", request)
    page.remove_listener("websocket", websocket)


def choose(lab: Lab, host: str, item: str) -> None:
    """Choose something in the menu of a host."""
    lab.sidebar.get_by_role("button", name=f"More for {host}").click()
    lab.page.get_by_role("menuitem", name=item).click()


def has_it_at_a_port(lab: Lab, there: Jupyter) -> str:
    """Open the only Jupyter of the host at a port; where that is."""
    choose(lab, "gpu02", "Open a Jupyter There at a Port…")
    port = lab.dialog.get_by_label("Port on this machine")
    expect(port).to_have_value(str(there.port))
    port.fill("0")
    lab.dialog.get_by_role("button", name="Open").click()
    address = lab.dialog.get_by_role("link").get_attribute("href") or ""
    assert complaints(lab.page, ".jp-Dialog-content") == []
    lab.dialog.get_by_role("button", name="Done").click()
    return address


def contents(folder: Path) -> Iterator[bytes]:
    """Those of all files below a folder; of what a server writes, a draft may just be gone."""
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                yield path.read_bytes()


@pytest.mark.parametrize(
    "knobs",
    [
        # By plain HTTP one works in the next test as well.
        pytest.param({}, id="plain", marks=pytest.mark.long),
        pytest.param({"https": True, "base_url": "/hub/x/"}, id="https and a base URL"),
    ],
)
def test_a_person_works_in_it_and_the_token_is_nowhere(
    lab: Lab, runtime: Path, knobs: dict[str, Any]
) -> None:
    here = lab.server
    with remote(runtime, **knobs) as there, sent_by(lab.page) as sent:
        frame = look_for_it(lab)
        runs_a_cell(lab.page, frame)
        address = frame.locator("html").evaluate("() => location.href")
        assert re.match(rf"http://a[a-z2-7]{{20}}\.localhost:{here.port}{there.base_url}", address)
        assert any("/channels" in url for url in sent), "the kernel's websocket"
        at_port = has_it_at_a_port(lab, there)
        assert re.fullmatch(
            rf"{there.url.partition(':')[0]}://127\.[\d.]+:\d+{there.base_url}", at_port
        )
        login = httpx.get(f"{at_port}login", verify=False, trust_env=False)
        assert "Token authentication is enabled" in login.text
        config = frame.locator("#jupyter-config-data").text_content() or ""
        assert '"token": ""' in config
        with by_token(here) as api:
            told = [api.get(f"{API}{route}").text for route in ("tunnels", "apps", "hosts")]
        kept = list(contents(here.folder))
        cookies = str(lab.page.context.cookies())
        said = "".join([*sent, *told, cookies, config, here.process.output])
        assert there.token not in said
        assert not any(there.token.encode() in content for content in kept)


@pytest.mark.long
def test_the_password_of_those_there_is_set(
    lab: Lab, lab_scene: Scene, tmp_path: Path, pictures: Path
) -> None:
    """By the keyboard, and it goes nowhere else."""
    password, config = "a näw 'word' for $HOME", tmp_path / "config"
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    lab_scene.bed.host("gpu02", env={"JUPYTER_CONFIG_DIR": config, "PATH": path})
    lab.refresh()
    keyboard, page = lab.page.keyboard, lab.page
    more = lab.sidebar.get_by_role("button", name="More for gpu02")
    more.press("Enter")
    item = page.get_by_role("menuitem", name="Set the Password of the Jupyters There…")
    expect(item).to_be_visible()
    picture(page, pictures, "host-menu")
    keyboard.press("ArrowUp")
    keyboard.press("ArrowUp")
    keyboard.press("Enter")
    with sent_by(page) as sent:
        for again in ("another one", password):
            first = lab.dialog.get_by_label("New password")
            expect(first).to_be_focused()
            expect(lab.dialog.get_by_role("button", name="Set the Password")).to_be_disabled()
            assert complaints(page, ".jp-Dialog-content") == []
            keyboard.type(password)
            keyboard.press("Tab")
            keyboard.type(again)
            keyboard.press("Enter")
            if again != password:
                expect(lab.dialog.get_by_role("alert")).to_have_text("The two differ.")
                picture(page, pictures, "jupyter-password")
        done = page.get_by_text("The password is set on gpu02, by jupyter server password there.")
        expect(done).to_be_visible()
        expect(more).to_be_focused()
    told = [text for text in sent if "word' for $HOME" in text]
    assert len(told) == 1, "the body of a request"
    assert json.loads(told[0]) == {"host": "gpu02", "password": password}
    [file] = config.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    hashed = json.loads(file.read_text())["IdentityProvider"]["hashed_password"]
    assert passwd_check(hashed, password)  # type: ignore[no-untyped-call]
    kept = contents(lab.server.folder)
    assert not any(password.encode() in content for content in kept)
    assert password not in lab.server.process.output
    page.get_by_role("button", name="Hide notification").first.click()


@pytest.mark.long
def test_one_that_has_another_token_by_now(lab: Lab, runtime: Path) -> None:
    reload = lab.page.get_by_role("button", name="Reload this application")
    with remote(runtime) as there:
        frame = look_for_it(lab)
        expect(frame.locator(".jp-Launcher")).to_be_visible(timeout=60_000)
        port = there.port
    with remote(runtime, port=port):
        # Its token is looked up before the page goes: until then the old one is there.
        frame.locator("body").evaluate("body => body.classList.add('before')")
        reload.click()
        expect(frame.locator("body.before")).to_have_count(0)
        runs_a_cell(lab.page, frame)
    reload.click()
    expect(frame.get_by_role("heading", name="does not let you in")).to_be_visible()
    expect(frame.get_by_text(f"runs on gpu02 at 127.0.0.1:{port}")).to_be_visible()


@pytest.mark.long
def test_one_with_a_password_asks_for_it(lab: Lab, runtime: Path) -> None:
    with remote(runtime, password="of the remote host") as there:
        frame = look_for_it(lab)
        frame.locator("#password_input").fill("of the remote host")
        frame.get_by_role("button", name="Log in").click()
        runs_a_cell(lab.page, frame)
        uses_a_terminal(lab.page, frame, there.root_dir / "made in a terminal")


def test_there_is_none_and_one_is_started(
    page: Page, ssh_bed: SshBed, short_dir: Path, pictures: Path
) -> None:
    traits = {"TunnelManager": {"ssh_config": str(ssh_bed.config_file)}}
    with (
        jupyter_there(ssh_bed, short_dir, lab=True) as there,
        jupyter("lab", traits=traits) as here,
    ):
        (there.folder / "work").mkdir()
        lab = Lab(page, here).open()
        lab.sidebar.get_by_role("button", name="Look for a Jupyter on gpu01").click()
        expect(lab.dialog.get_by_text("No Jupyter server of yours runs on gpu01")).to_be_visible()
        lab.dialog.get_by_label("Its folder there").fill(str(there.folder / "work"))
        assert complaints(page, ".jp-Dialog-content") == []
        picture(page, pictures, "jupyter-start")
        lab.dialog.get_by_role("button", name="Start").click()
        expect(page.get_by_text("Starting a Jupyter on gpu01…")).to_be_visible()
        frame = page.frame_locator('iframe[title^="gpu01:"]')
        runs_a_cell(page, frame)
        expect(page.get_by_text("Starting a Jupyter on gpu01…")).to_have_count(0)
        assert list((there.folder / "work").glob("*.ipynb"))

        lab.sidebar.get_by_role("button", name="Close gpu01:jupyter").click()
        expect(lab.dialog.get_by_text("that was started there ends with it")).to_be_visible()
        picture(page, pictures, "jupyter-close")
        lab.dialog.get_by_role("button", name="Close").click()
        wait_until(lambda: not there.is_left, "its end")


@pytest.mark.long
def test_at_a_port_here_it_and_a_jupyter_on_the_same_port_are_two(
    page: Page, ssh_bed: SshBed, tmp_path: Path, user: User
) -> None:
    runtime = host_of(ssh_bed, tmp_path)
    program, shown = user.folder / "browser", user.folder / "shown.html"
    copied = f'cp "${{1#file://}}" {shown}.new && mv {shown}.new {shown}'
    program.write_text(f"#!/bin/sh\n{copied}\n")
    program.chmod(0o700)
    user.environment["BROWSER"] = f"{program} %s"
    with jupyter() as here:
        page.goto(f"{here.url}login?next=/api/me")
        page.get_by_role("textbox").first.fill(here.token)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url("**/api/me")
        with remote(runtime, ip="127.0.0.2", port=here.port) as there:
            # The command waits until the browser has come.
            calling = user.start("jupyter", "-F", ssh_bed.config_file, "gpu02")
            with calling as command, sent_by(page) as sent:
                wait_until(shown.exists, "the page that the browser is sent to")
                page.goto(shown.as_uri())
                page.wait_for_url(re.compile(rf"http://127\.[\d.]+:{here.port}/lab"))
                expect(page.locator(".jp-Launcher")).to_be_visible(timeout=60_000)
                assert command.wait() == 0, command.output
            assert there.token not in page.url
            told = [text for text in sent if there.token in text]
            assert len({text for text in told if text.startswith("http")}) == 1, "the login page"
            logins = [c for c in page.context.cookies() if "username" in str(c.get("name"))]
            assert len({cookie.get("domain") for cookie in logins}) == 2
            urls = [f"http://{cookie.get('domain')}:{here.port}/" for cookie in logins]
            jars = [{str(c.get("value")) for c in page.context.cookies(url)} for url in urls]
            assert not jars[0] & jars[1], "neither is sent what is the other's"
            page.goto(f"{here.url}api/me")
            assert "identity" in page.content(), "still logged in here"
