"""A web server in front of Jupyter that hands on pages and no websockets: the page tells so."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.nginx import nginx
from tests.ui.lab import Lab, Scene, picture


def test_where_they_do_not_come_through_it_is_told(
    page: Page, lab_scene: Scene, pictures: Path
) -> None:
    told = page.locator(".Toastify__toast")
    with nginx("localhost", upstream=f"127.0.0.1:{lab_scene.server.port}") as web:
        lab = Lab(page, lab_scene.server)
        lab.url = f"https://127.0.0.1:{web.port}/"
        web.use(without="Upgrade")
        lab.open()
        expect(told).to_contain_text("Add “127.0.0.1” to “No proxy for” in the proxy settings")
        told.get_by_role("button", name="Copy “127.0.0.1”").click()
        page.wait_for_function("navigator.clipboard.readText().then(text => text === '127.0.0.1')")
        told.get_by_role("button", name="More…").click()
        expect(lab.dialog).to_contain_text("does not hand on “Upgrade”")
        picture(page, pictures, "no-websockets")
        lab.dialog.get_by_role("button", name="Close").click()

        web.use()
        with page.expect_websocket(lambda socket: "api/events/subscribe" in socket.url) as first:
            lab.reopen()
        assert not first.value.is_closed()
        expect(told).to_have_count(0)
