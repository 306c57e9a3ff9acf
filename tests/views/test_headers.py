"""What passes between browser and application, decided without any I/O: the corners.

What a real server and a real client see is in `test_origin` and `test_path`.
"""

import pytest

from jupyter_remote_tunnel.model.address import Address, TcpAddress, UnixAddress
from jupyter_remote_tunnel.server.views import cookies, headers
from jupyter_remote_tunnel.server.views.headers import Manner
from jupyter_remote_tunnel.server.views.upstream import Upstream

OWN = "http://a.localhost:8888"


def upstream(destination: Address) -> Upstream:
    return Upstream("app", "name", "gpu01", destination, None, "open")


APP = upstream(TcpAddress("localhost", 5006))
ORIGIN = Manner(OWN, "/", "own", "secret", ())
PATH = Manner("http://localhost:8888", "/app/x/", "none", "secret", ())


@pytest.mark.parametrize(
    ("destination", "authority"),
    [
        (TcpAddress("localhost", 5006), "localhost:5006"),
        (TcpAddress("node7", 80), "node7"),
        (TcpAddress("::1", 5006), "[::1]:5006"),
        (TcpAddress("::1", 80), "[::1]"),
        (UnixAddress("/run/app.sock"), "localhost"),
    ],
)
def test_what_the_application_expects_as_host(destination: Address, authority: str) -> None:
    assert upstream(destination).authority == authority
    sent = dict(headers.for_remote([("Host", "x"), ("Origin", OWN)], upstream(destination), ORIGIN))
    assert sent == {"Host": authority, "Origin": f"http://{authority}"}


@pytest.mark.parametrize(
    ("manner", "referer", "sent"),
    [
        (ORIGIN, f"{OWN}/a?b", "http://localhost:5006/a?b"),
        (ORIGIN, "http://a.localhost:88881/a", None),
        (ORIGIN, "http://localhost:8888/lab", None),
        (PATH, "http://localhost:8888/app/x/a", "http://localhost:5006/app/x/a"),
        (PATH, "http://localhost:8888/lab/tree/x.ipynb", None),
    ],
)
def test_referer(manner: Manner, referer: str, sent: str | None) -> None:
    assert dict(headers.for_remote([("Referer", referer)], APP, manner)).get("Referer") == sent


@pytest.mark.parametrize(
    ("value", "manner", "sent"),
    [
        ("Bearer own", ORIGIN, "Bearer own"),
        ("token secret", ORIGIN, None),
        ("Bearer secret", ORIGIN, None),
        ("Bearer not-the-secret", ORIGIN, "Bearer not-the-secret"),
        ("Bearer own", PATH, None),
    ],
)
def test_authorization(value: str, manner: Manner, sent: str | None) -> None:
    passed = dict(headers.for_remote([("Authorization", value)], APP, manner))
    assert passed.get("Authorization") == sent


def test_the_form_check_of_jupyter_stays_with_it() -> None:
    sent = [("X-XSRFToken", "2|abc")]
    assert "X-XSRFToken" not in dict(headers.for_remote(sent, APP, PATH))
    assert dict(headers.for_remote(sent, APP, ORIGIN))["X-XSRFToken"] == "2|abc"


@pytest.mark.parametrize(
    "name",
    [
        "Accept-CH",
        "Critical-CH",
        "Set-Login",
        "Secure-Session-Registration",
        "Sec-Session-Registration",
        "Use-As-Dictionary",
    ],
)
def test_an_application_does_not_speak_for_jupyters_origin(name: str) -> None:
    assert name not in dict(headers.for_browser([(name, "x")], APP, PATH))
    assert dict(headers.for_browser([(name, "x")], APP, ORIGIN))[name] == "x"


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("/a%2Fb?x=1", "/a%2Fb?x=1"),
        ("/?token=secret", "/"),
        ("/?a=1&token=secret&b=2", "/?a=1&b=2"),
        ("/?token=own", "/?token=own"),
        ("/?mytoken=secret", "/?mytoken=secret"),
        ("/?token=%73ecret", "/"),
        ("/?%74oken=secret&a", "/?a"),
        ("/\xe9", "/%E9"),
        ("/a#b", "/a%23b"),
    ],
)
def test_target(uri: str, target: str) -> None:
    assert headers.target(uri, "secret") == target


def test_header_values_keep_their_bytes() -> None:
    as_tornado_reads_it = "grüße".encode().decode("latin1")
    sent = dict(headers.for_remote([("X-Text", as_tornado_reads_it)], APP, ORIGIN))
    assert sent["X-Text"].encode() == "grüße".encode()


@pytest.mark.parametrize(
    ("sent", "browser_gets"),
    [
        ("http://localhost:5006/a", "/a"),
        ("http://localhost:5006?x", "/?x"),
        ("http://localhost:5006", "/"),
        ("//localhost:5006//evil.example/", "/.//evil.example/"),
        ("//evil.example/", "//evil.example/"),
        ("https://localhost:5006/", "https://localhost:5006/"),
        ("http://[::1", "http://[::1"),
        ("", ""),
    ],
)
def test_location(sent: str, browser_gets: str) -> None:
    assert headers.location(sent, APP) == browser_gets


@pytest.mark.parametrize("name", [cookies.of_view(8888, "http"), cookies.of_view(443, "https")])
def test_cookies_that_let_in_pass_neither_way(name: str) -> None:
    """Also those of another Jupyter of the user, which shows the application at the same name."""
    assert cookies.for_remote(f"a=1; {name}=2;b=3") == "a=1; b=3"
    assert cookies.for_browser(f" {name} = 2; Path=/", framed=False) is None
    assert cookies.for_browser(f"{name}", framed=False) is None
    # Browsers send the value of a cookie without a name alone.
    assert cookies.for_browser(f"={name}=2", framed=False) is None
    assert cookies.for_browser(f" = {name}", framed=True) is None


@pytest.mark.parametrize("name", ["_xsrf", "username-localhost-8888", "remote-tunnel-x"])
def test_other_names_are_the_applications(name: str) -> None:
    assert cookies.for_remote(f"{name}=2") == f"{name}=2"
    assert cookies.for_browser(f"{name}=2", framed=False) == f"{name}=2"


@pytest.mark.parametrize(
    ("set_cookie", "browser_gets"),
    [
        ("a=1", "a=1; SameSite=None; Secure; Partitioned"),
        ("a=1; PARTITIONED;secure ;SameSite=None", "a=1; SameSite=None; Secure; Partitioned"),
        (
            "a=1; Max-Age=0; HttpOnly",
            "a=1; Max-Age=0; HttpOnly; SameSite=None; Secure; Partitioned",
        ),
        ("a=1; domain=", None),
        ("a=1;Domain = .localhost", None),
        ("a=1;\tDOMAIN\t=localhost; Path=/", None),
        ('a="1; Domain=localhost"', None),  # quotes mean nothing to browsers
        ("__Host-a=1; Path=/", "__Host-a=1; Path=/; SameSite=None; Secure; Partitioned"),
        ("a=1, b=2; Path=/", "a=1, b=2; Path=/; SameSite=None; Secure; Partitioned"),
        ("=b=2", "=b=2; SameSite=None; Secure; Partitioned"),
    ],
)
def test_cookies_in_a_frame(set_cookie: str, browser_gets: str | None) -> None:
    assert cookies.for_browser(set_cookie, framed=True) == browser_gets


@pytest.mark.parametrize(
    ("sent", "browser_gets"),
    [
        ("frame-ancestors 'self'; report-uri /x", "report-uri /x"),
        ("default-src 'self'; Frame-Ancestors 'none'", "default-src 'self'"),
        ("frame-ancestors 'none', script-src 'self';", "script-src 'self'"),
        ("frame-ancestors", None),
        ("frame-src x;", "frame-src x"),
    ],
)
@pytest.mark.parametrize("manner", [ORIGIN, PATH])
def test_who_may_frame_it_is_not_for_the_application_to_say(
    sent: str, browser_gets: str | None, manner: Manner
) -> None:
    told = [("Content-Security-Policy", sent), ("X-Frame-Options", "DENY")]
    passed = dict(headers.for_browser(told, APP, manner))
    assert passed.get("Content-Security-Policy") == browser_gets
    assert "X-Frame-Options" not in passed


@pytest.mark.parametrize(
    "location",
    ["", "/", "/a?b#c", "a", "?a", "#a", "./a", f"{OWN}", f"{OWN}/a", "/.//evil.example", "/a:b"],
)
def test_redirects_that_stay(location: str) -> None:
    assert headers.stays(location, "/page", ORIGIN)


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:8888/logout",
        "//localhost:8888/logout",
        "///localhost:8888/logout",
        "\\\\localhost:8888/logout",
        "/\\localhost:8888/logout",
        " //localhost:8888/logout",
        "/\t/localhost:8888/logout",
        "http:/\\localhost:8888",
        "http:logout",
        f"{OWN}.evil.example/",
        f"{OWN}0/",
        "javascript:alert()",
    ],
)
def test_redirects_that_do_not(location: str) -> None:
    assert not headers.stays(location, "/page", ORIGIN)


@pytest.mark.parametrize(
    ("location", "stays"),
    [
        ("/app/x/", True),
        ("next", True),
        ("../b", True),
        ("../../logout", False),
        ("%2e%2e/%2E%2e/logout", False),
        ("/app/x/../../logout", False),
        ("/app/y/", False),
        ("/logout", False),
        ("http://localhost:8888/logout", False),
        ("http://localhost:8888/app/x/a", True),
    ],
)
def test_redirects_in_the_path_view(location: str, stays: bool) -> None:
    assert headers.stays(location, "/app/x/a/page", PATH) == stays


@pytest.mark.parametrize(
    "value",
    [
        "multipart/x-mixed-replace; boundary=x",
        "Multipart/X-Mixed-Replace",
        "text/html, multipart/x-mixed-replace; boundary=x",  # the last one counts
    ],
)
def test_no_parts_with_headers_of_their_own_in_the_path_view(value: str) -> None:
    sent = [("Content-Type", value)]
    assert "Content-Type" not in dict(headers.for_browser(sent, APP, PATH))
    assert dict(headers.for_browser(sent, APP, ORIGIN))["Content-Type"] == value


def test_what_an_application_would_have_kept_is_not_kept_at_its_name() -> None:
    """At a path there is nothing to fear: no other application ever has it."""
    sent = [("Cache-Control", "max-age=31536000"), ("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")]
    assert headers.for_browser(sent, APP, ORIGIN) == [("Cache-Control", "no-store")]
    assert headers.for_browser(sent, APP, PATH)[:-1] == sent


def test_headers_that_connection_names_stay_on_their_hop() -> None:
    hop = [("Connection", "close, X-Hop"), ("X-Hop", "1"), ("TE", "trailers"), ("X-End", "2")]
    assert dict(headers.for_remote(hop, APP, ORIGIN)) == {"Host": "localhost:5006", "X-End": "2"}
    assert dict(headers.for_browser(hop, APP, PATH))["Access-Control-Expose-Headers"] == "X-End"


def test_of_several_locations_the_one_that_is_looked_at_passes() -> None:
    told = [("Location", "/a"), ("location", "http://localhost:8888/logout"), ("X", "1")]
    assert headers.for_browser(told, APP, ORIGIN)[:2] == [("Location", "/a"), ("X", "1")]
