"""What a framed application opens in a tab of the browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.views.backend import serve_in_thread
from tests.views.lab import Lab
from tests.views.pages import application, fetched, show

VIEWS = ["origin", "path"]


def opens(frame: Frame, how: str) -> Page:
    """The tab that a framed page opens on another page of its own."""
    with frame.page.context.expect_page() as opened:
        if how == "script":
            frame.evaluate("() => { window.opened = window.open('deep/er?x=1&y=%20#there') }")
        else:
            frame.evaluate(
                """rel => {
                    const link = document.createElement("a");
                    Object.assign(link, {href: "deep/er?x=1&y=%20#there", target: "_blank", rel});
                    document.body.append(link);
                    link.click();
                }""",
                how.removeprefix("link").strip(),
            )
    return opened.value


@pytest.mark.parametrize(
    "how", ["script", pytest.param("link", marks=pytest.mark.long), "link noopener noreferrer"]
)
@pytest.mark.parametrize("view", VIEWS)
def test_a_framed_page_opens_another_one_in_a_tab(
    lab: Lab, host: Page, socket_path: Path, view: str, how: str
) -> None:
    with serve_in_thread(socket_path, application) as seen:
        frame = show(host, lab.add(socket_path), view)
        tab = opens(frame, how)
        expect(tab.get_by_role("heading", name="application")).to_be_visible()
        assert tab.url == f"{frame.url}deep/er?x=1&y=%20#there"
        assert any(request.path_qs.endswith("/deep/er?x=1&y=%20") for request in seen)
        # The tab is as good as any: it goes on by itself.
        assert fetched(tab.main_frame, "count") == 1
        tab.reload()
        expect(tab.get_by_role("heading", name="application")).to_be_visible()
        if (view, how) == ("origin", "script"):
            # They are of one origin, and know each other.
            assert frame.evaluate("() => window.opened.location.hash") == "#there"


def test_nothing_is_opened_after_the_log_out(lab: Lab, host: Page, socket_path: Path) -> None:
    with serve_in_thread(socket_path, application):
        frame = show(host, lab.add(socket_path), "origin")
        host.evaluate("() => fetch('/logout')")
        tab = opens(frame, "link")
        expect(tab.get_by_role("heading", name="Nothing is shown here")).to_be_visible()
