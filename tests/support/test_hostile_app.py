"""The hostile application answers on any path, tosses cookies and keeps what it is sent."""

import urllib.request

import pytest

from tests.support.hostile_app import hostile_app


def test_it_serves_its_page_anywhere_and_keeps_headers() -> None:
    with hostile_app() as app:
        app.targets = ["http://localhost:8888/"]
        request = urllib.request.Request(f"http://127.0.0.1:{app.port}/some/where/")
        request.add_header("Cookie", "secret=1")
        with urllib.request.urlopen(request) as page:
            assert b"attack.js" in page.read()
            assert page.headers.get_all("Set-Cookie") == app.tossed()
        with urllib.request.urlopen(f"http://127.0.0.1:{app.port}/x/targets.js") as script:
            assert b'"http://localhost:8888/"' in script.read()
        assert app.headers_seen("cookie") == ["secret=1"]


def test_an_attempt_that_was_not_made_is_no_refusal() -> None:
    with hostile_app() as app:
        app.targets = ["http://localhost:8888/"]
        with urllib.request.urlopen(f"http://127.0.0.1:{app.port}/report?name=x&got=&why=refused"):
            pass
        with pytest.raises(AssertionError, match="1 of 18 attempts"):
            app.gains()
