"""A tunnel whose other leg, from the gateway on, is down."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.lab import SIDEBAR, Lab, Scene, complaints, picture, works


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_seen_wherever_the_tunnel_is(
    lab: Lab, lab_scene: Scene, pictures: Path, theme: str
) -> None:
    lab.is_dark(theme == "dark")
    lab.add(f"ssh -NR offer/5006:localhost:{lab_scene.bokeh.port} gpu01", "offering")
    row = lab.add("ssh -NL 0:localhost:5006 gpu01", "plot")
    expect(row.locator('[data-far="up"]')).to_be_visible()
    works(lab.show_application("plot"))
    lab.close("offering")
    lab.expect_state("plot", "Far leg down")
    expect(row).to_have_attribute("data-state", "leg_down")
    status = lab.page.locator(".jp-RemoteTunnel-status")
    expect(status).to_have_text("1 SSH tunnel, 1 with its far leg down")
    lab.page.locator(".jp-RemoteTunnel-application").get_by_role("button", name="Reload").click()
    page = lab.page.frame_locator('iframe[title="plot"]')
    expect(page.get_by_text("has ended it")).to_be_visible()
    expect(row.get_by_text("has ended it")).to_have_count(1)
    assert complaints(lab.page, SIDEBAR) == []
    picture(lab.page, pictures, f"far-leg-{theme}")
    lab.is_dark(False)
