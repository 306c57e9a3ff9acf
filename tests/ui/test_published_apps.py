"""Applications in a published JupyterLab that a browser on another machine opens: at names of their
own below a domain in DNS, with a real sshd and a real nginx as the gateway."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.bokeh_app import BokehApp
from tests.support.dns import resolver
from tests.support.http import by_token
from tests.support.nginx import Nginx, nginx
from tests.support.ports import ReservedPort
from tests.ui.conftest import APPS, faultless, profile
from tests.ui.conftest import PUBLISHED_NAME as NAME
from tests.ui.lab import Lab, Scene, picture, scene, works
from tests.ui.test_hostile import (
    attacked,
    has_seen_no_secret,
    hostile_on,
    jupyters_cookies,
    open_tunnel,
    state_of,
)

UNREACHED = "apps.unknown.invalid"
"""Only the Jupyter's DNS knows names below it."""


@dataclass
class Shown:
    """The Jupyter, its gateway's nginx, and the port of the gateway that leads from there here."""

    scene: Scene
    web: Nginx
    port: int

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"https://{NAME}:{self.web.port}/"

    def publish(self, **more: Any) -> dict[str, dict[str, Any]]:
        """Publish it; the checks."""
        wanted = {"gateway": "gw", "name": NAME, "port": self.web.port, "loopback_port": self.port}
        with by_token(self.scene.server) as api:
            answer = api.post("remote-tunnel/api/publish", json=wanted | more)
            assert answer.status_code == 201, answer.text
            return {check["name"]: check for check in answer.json()["checks"]}


@contextlib.contextmanager
def shown(
    bokeh: BokehApp, *names: str, apps: str = APPS, is_trusted: bool = True
) -> Iterator[Shown]:
    """One, whose nginx has a certificate for these names beside Jupyter's.

    :param apps: below which its applications have names.
    :param is_trusted: whether the Jupyter's machine trusts that.
    """
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(ReservedPort()).number
        web = stack.enter_context(nginx(NAME, *names, upstream=f"127.0.0.1:{port}"))
        running = stack.enter_context(
            scene(
                bokeh,
                settings={"app_domain": f"{{id}}.{apps}"},
                env={"SSL_CERT_FILE": str(web.certificate)} if is_trusted else {},
                hosts={NAME: "127.0.0.1"},
                dns=stack.enter_context(resolver({f"*.{apps}": ["A 127.0.0.1"]})),
            )
        )
        running.bed.host("gw")
        yield Shown(running, web, port)


@pytest.fixture(scope="module")
def published(shared_app: BokehApp) -> Iterator[Shown]:
    with shown(shared_app, f"*.{APPS}") as it:
        assert it.publish()["applications"]["verdict"] == "ok"
        yield it


@contextlib.contextmanager
def outside(browser: Browser, published: Shown) -> Iterator[Lab]:
    """JupyterLab of somebody who logs in from outside."""
    with profile(browser) as context, faultless(context) as page:
        lab = Lab(page, published.scene.server)
        lab.url = published.url
        yield lab.open()


@pytest.fixture
def lab(browser: Browser, published: Shown) -> Iterator[Lab]:
    with outside(browser, published) as there:
        yield there
    with by_token(published.scene.server) as api:
        for tunnel in api.get("remote-tunnel/api/tunnels").json()["tunnels"]:
            if tunnel["kind"] != "publish":
                api.delete(f"remote-tunnel/api/tunnels/{tunnel['id']}")


@pytest.mark.long
def test_bokeh_with_no_flag(lab: Lab, published: Shown) -> None:
    """In a tab of JupyterLab, and in one of the browser."""
    open_tunnel(published.scene, published.scene.line, "plot")
    frame = lab.show_application("plot")
    works(frame)
    address = frame.locator("html").evaluate("() => location.href")
    own = rf"https://a[a-z2-7]{{20}}\.{re.escape(APPS)}:{published.web.port}/app"
    assert re.fullmatch(own, address)
    with lab.page.context.expect_page() as opened:
        lab.row("plot").get_by_role("button", name="Open plot in the browser").click()
    works(opened.value)
    assert opened.value.url == address
    opened.value.close()


@pytest.mark.parametrize("where", ["frame", pytest.param("tab", marks=pytest.mark.long)])
def test_a_hostile_one_gets_nothing(lab: Lab, published: Shown, where: str) -> None:
    context, scene, url = lab.page.context, published.scene, published.url
    with hostile_on(scene, url) as hostile:
        status = open_tunnel(scene, f"ssh -NL private:localhost:{hostile.port} gpu01", "hostile")
        before, cookies = state_of(scene), jupyters_cookies(context, [url])
        assert any("username-" in name for name in cookies)
        lab.page.evaluate("window.isStillHere = true")
        if where == "tab":
            with context.expect_page() as opened:
                there = f"{url}remote-tunnel/open/{status['id']}?view=origin"
                lab.page.evaluate("url => void window.open(url, '_blank')", there)
            attacked(opened.value)
            assert APPS in opened.value.url
            opened.value.close()
        else:
            frame = lab.show_application("hostile")
            attacked(frame)
            assert APPS in frame.locator("html").evaluate("() => location.host")
        assert hostile.gains() == {}
        assert state_of(scene) == before
        assert jupyters_cookies(context, [url]) == cookies
        has_seen_no_secret(hostile, scene, cookies)
        assert lab.page.evaluate("window.isStillHere") is True
        expect(lab.sidebar).to_be_visible()
        status_of = "url => fetch(url).then(answer => answer.status)"
        assert lab.page.evaluate(status_of, f"{url}api/status") == 200


@pytest.mark.long
def test_where_the_names_lead_nowhere_it_is_the_path(
    browser: Browser, shared_app: BokehApp
) -> None:
    """Their certificate is lacking: it is said, and JupyterLab shows what it can."""
    with shown(shared_app) as it:
        assert it.publish()["applications"]["verdict"] == "note"
        open_tunnel(it.scene, it.scene.line, "plot")
        with outside(browser, it) as lab:
            frame = lab.show_application("plot")
            expect(frame.locator("main")).to_contain_text("--prefix /remote-tunnel/app/")


@pytest.mark.long
def test_a_certificate_that_browsers_do_not_trust(
    browser: Browser, shared_app: BokehApp, pictures: Path
) -> None:
    """It is said that others see none of the names; a browser that trusts it does."""
    with shown(shared_app, f"*.{APPS}", is_trusted=False) as it:
        said = it.publish(self_signed=True)["applications"]
        assert (said["verdict"], said["remedy"]) == ("note", "")
        assert "only in browsers that trust this certificate" in said["says"]
        open_tunnel(it.scene, it.scene.line, "plot")
        with outside(browser, it) as lab:
            works(lab.show_application("plot"))


@pytest.mark.long
def test_names_that_the_browser_does_not_reach(
    browser: Browser, shared_app: BokehApp, pictures: Path
) -> None:
    """They are there, and lead to Jupyter: the page in the tab says what is lacking here."""
    with shown(shared_app, f"*.{UNREACHED}", apps=UNREACHED) as it:
        assert it.publish()["applications"]["verdict"] == "ok"
        open_tunnel(it.scene, it.scene.line, "plot")
        with outside(browser, it) as lab:
            for theme in ("dark", "light"):
                lab.page.emulate_media(color_scheme=theme)
                main = lab.show_application("plot").locator("main")
                expect(main).to_contain_text(f"({UNREACHED}), but this browser does not reach")
                expect(main).to_contain_text(f"https://….{UNREACHED}:{it.web.port}: does it trust")
                expect(main).to_contain_text("--prefix /remote-tunnel/app/")
                picture(lab.page, pictures, f"names-unreached-{theme}")
