"""A remote Bokeh application in JupyterLab: plot, websocket, its own cookie."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.ports import unused_port
from tests.ui.lab import Lab, Scene, works


def _line(scene: Scene) -> str:
    return f"ssh -NL 0:localhost:{scene.bokeh.port} gpu01"


def test_in_a_tab_at_an_address_of_its_own(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "plot")
    frame = lab.show_application("plot")
    works(frame)
    address = frame.locator("html").evaluate("() => location.href")
    assert re.fullmatch(rf"http://a[a-z2-7]{{20}}\.localhost:{lab.server.port}/app", address)


def test_its_own_cookie_works_in_the_frame(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "plot")
    frame = lab.show_application("plot")
    visit = frame.get_by_text(re.compile(r"^visit \d+$"))
    first = int(visit.inner_text(timeout=30_000).split()[1])
    lab.page.get_by_role("button", name="Reload this application").click()
    expect(visit).not_to_have_text(f"visit {first}")
    assert int(visit.inner_text().split()[1]) > first


def test_over_a_private_socket_in_a_tab_of_the_browser(lab: Lab, lab_scene: Scene) -> None:
    lab.add(f"ssh -NL private:localhost:{lab_scene.bokeh.port} gpu01", "plot")
    with lab.page.context.expect_page() as opened:
        lab.row("plot").get_by_role("button", name="Open plot in the browser").click()
    works(opened.value)
    assert opened.value.evaluate("() => window.opener") is None
    opened.value.close()


@pytest.mark.long
def test_the_tab_comes_back_after_a_reload_of_the_page(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "another")
    lab.add(f"{_line(lab_scene)} -C", "plot")
    works(lab.show_application("plot"))
    lab.page.goto(f"{lab.url}lab")
    works(lab.page.frame_locator('iframe[title="plot"]'))


def test_a_lost_connection_is_explained_and_the_page_comes_back(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "plot")
    lab_scene.sshd.kill()
    lab.expect_state("plot", "Reconnecting…")
    frame = lab.show_application("plot")
    expect(frame.get_by_role("heading")).to_contain_text("“plot” is not reachable now")
    expect(frame.locator("main")).to_contain_text("gpu01")
    lab_scene.sshd.start()
    works(frame)


def test_a_refused_destination_is_explained_in_the_page(lab: Lab) -> None:
    with unused_port() as nowhere:
        lab.add(f"ssh -NL 0:localhost:{nowhere} gpu01", "nowhere")
        frame = lab.show_application("nowhere")
        expect(frame.locator("main")).to_contain_text(f"localhost:{nowhere}")
        expect(frame.locator("main")).to_contain_text("refused")
        expect(lab.row("nowhere").get_by_role("status")).to_contain_text("refused")


def test_a_closed_tunnel_shows_nothing_any_more(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "plot")
    frame = lab.show_application("plot")
    works(frame)
    address = frame.locator("html").evaluate("() => location.href")
    lab.close("plot")
    later = lab.page.context.new_page()
    answer = later.goto(address)
    assert answer is not None
    assert answer.status == 404
    later.close()


@pytest.mark.long
def test_the_tab_of_a_closed_tunnel_says_so_and_leads_back(lab: Lab, lab_scene: Scene) -> None:
    lab.add(_line(lab_scene), "plot")
    works(lab.show_application("plot"))
    lab.close("plot")
    tab = lab.page.locator(".jp-RemoteTunnel-application")
    expect(tab.get_by_role("heading")).to_have_text("The tunnel to “plot” was closed")
    expect(tab.locator("iframe")).to_have_count(0)
    tab.get_by_role("button", name="Open It Again").click()
    expect(lab.field("host")).to_have_value("gpu01")
    expect(lab.field("far")).to_have_value(f"localhost:{lab_scene.bokeh.port}")
    expect(lab.dialog.get_by_label("Name")).to_have_value("plot")
    lab.open_button.click()
    works(lab.page.frame_locator('iframe[title="plot"]'))
    expect(tab).to_have_count(1)
    lab.close("plot")
    tab.get_by_role("button", name="Close This Tab").click()
    expect(tab).to_have_count(0)
