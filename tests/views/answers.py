"""What an application may answer, from the usual to what no server says, as strategies."""

from hypothesis import strategies as st

from tests.support.fuzzing import mutated_bytes

CRLF = b"\r\n"
WORDS = st.sampled_from([b"", b"a", b"x y", b"\xff", b"\xc3\xa9", b"\0", b"<b>", b"\x7f", b"'\";,"])
ALIEN = b"http://evil.example/"
PLACES = [
    *(b"/", b"/a", b"a", b"", b"?", b"#x", b"//evil.example/", b"/\\evil.example", b"\\\\evil/"),
    *(ALIEN, b"HTTP:evil", b"http:/logout", b"http:///evil.example", b"http://[::1", b"../.."),
    *(b"/%2e%2e/logout", b"/.%2E/", b"\t//evil.example", b"/\t/evil.example", b" /a", b"a\nb"),
    *(b"http://localhost:5006/x", b"http://localhost:5006//evil.example/", b"//localhost:5006/"),
    *(b"http://localhost:5006@evil.example/", b"javascript:alert(1)", b"data:text/html,x", b"//"),
    *(b"http://evil.example/\xff", b"/\xff", b"/\xc3\xa9", b"//\xff/", b"http://\xff@[/"),
    *(b"/x" * 2000, b"\xe2\x80\xae", b"http://LOCALHOST:5006", b"https://localhost:5006/", b"///"),
]  # fmt: skip
LENGTHS = [
    *(b"0", b"2", b"5", b"+5", b"-1", b"5, 5", b"5,6", b"0x5", b" 5 ", b"", b"5;", b"05"),
    *(b"9" * 30, b"9" * 5000, b"\xd9\xa5", b"5\0"),
]  # fmt: skip
CODINGS = [
    *(b"chunked", b"Chunked", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked"),
    *(b"identity", b"x", b"", b"\x0bchunked"),
]  # fmt: skip
BEYOND = [
    *(b"Service-Worker-Allowed", b"Clear-Site-Data", b"Strict-Transport-Security", b"Alt-Svc"),
    *(b"NEL", b"Report-To", b"Reporting-Endpoints", b"Referrer-Policy", b"X-Frame-Options"),
    *(b"Set-Cookie2", b"WWW-Authenticate", b"Accept-CH", b"Critical-CH", b"Set-Login"),
    *(b"Secure-Session-Registration", b"Use-As-Dictionary", b"Access-Control-Allow-Origin"),
    *(b"Access-Control-Allow-Credentials", b"Access-Control-Expose-Headers", b"Keep-Alive"),
    *(b"Cross-Origin-Opener-Policy", b"Proxy-Authenticate", b"Trailer", b"Upgrade", b"TE"),
]  # fmt: skip
POLICIES = [
    *(b"frame-ancestors *", b"FRAME-ANCESTORS\t*", b"default-src 'self'; frame-ancestors 'none'"),
    *(b"sandbox allow-same-origin", b"a; b, frame-ancestors *,", b";;frame-ancestors", b",", b""),
]  # fmt: skip
COOKIE_NAMES = [
    b"a",
    b"_xsrf",
    b"",
    b"remote-tunnel-8888",
    b"=remote-tunnel-8888",
    b" a ",
    b"__Host-a",
]
ATTRIBUTES = [
    *(b"Path=/", b"Domain=localhost", b"domain = localhost", b"DOMAIN", b"\tDomain=.x", b"Domain="),
    *(b"SameSite=None", b"SameSite=Strict", b"samesite", b"Secure", b"Partitioned", b"HttpOnly"),
    *(b"Max-Age=0", b"Expires=x", b"", b"=", b"\xff", b"Domain\x0b=localhost"),
]  # fmt: skip


@st.composite
def cookies(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(COOKIE_NAMES) | WORDS)
    pair = draw(st.sampled_from([name, name + b"=" + draw(WORDS)]))
    return b";".join([pair, *draw(st.lists(st.sampled_from(ATTRIBUTES), max_size=3))])


def _field(names: list[bytes], values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    name = st.sampled_from(names).flatmap(lambda n: st.sampled_from([n, n.lower(), n.upper()]))
    colon = st.sampled_from([b": "] * 15 + [b":", b" : ", b":\t", b"", b"\0: "])
    return st.tuples(name, colon, values).map(b"".join)


fields = st.one_of(
    _field([b"Set-Cookie"], cookies()),
    _field([b"Location"], st.sampled_from(PLACES)),
    _field([b"Content-Security-Policy"], st.sampled_from(POLICIES)),
    _field(BEYOND, WORDS | st.sampled_from([b"*", b"/"])),
    _field([b"Connection"], st.sampled_from([b"close", b"keep-alive", b"upgrade", *BEYOND])),
    _field([b"Connection"], st.sampled_from([b"Content-Length", b"Transfer-Encoding", b",;,"])),
    _field([b"Content-Type", b"Content-Encoding", b"Link", b"Refresh", b"Date", b"ETag"], WORDS),
    _field(
        [b"X-A", b"", b"a b", b"\xff", b"a(b)", b"Content-Length\0"], WORDS | st.binary(max_size=9)
    ),
    st.sampled_from([b" folded: 1", b"\tfolded", b"no colon", b":", b"a: b\rSet-Cookie: c=1"]),
    st.sampled_from([b"X-A: " + b"a" * 70_000, CRLF.join([b"X-A: 1"] * 3000)]),
)
framing = st.one_of(
    st.just(b"Content-Length: 5"),
    st.just(b"Transfer-Encoding: chunked"),
    _field([b"Content-Length"], st.sampled_from(LENGTHS)),
    _field([b"Transfer-Encoding"], st.sampled_from(CODINGS)),
)
STATUSES = [
    *[b"200"] * 4,
    *[b"204", b"205", b"206", b"304", b"404", b"503"] * 2,
    *(b"301", b"302", b"303", b"307", b"308", b"300", b"305", b"100", b"101", b"102", b"103"),
    *(b"000", b"099", b"199", b"600", b"999", b"1000", b"20", b"2OO", b"-200", b"", b"+200"),
]  # fmt: skip
VERSIONS = [b"HTTP/1.1"] * 12 + [
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2",
    b"HTTP/1.9",
    b"ICY",
    b"http/1.1",
]
BODIES = [
    *(b"hello", b"", b"he", b"hello, and more", b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n"),
    *(b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0;c\r\nX-Trailer: 1\r\n\r\n", b"5\r\nhel"),
    *(b"5\r\nhello\r\n", b"5\r\nhello0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\nx", b"-5\r\nhello\r\n"),
    *(b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n"),
    *(b"5\nhello\n0\n\n", b"5;" + b"a" * 70_000 + b"\r\nhello\r\n0\r\n\r\n", b"x" * 200_000),
    b"0\r\nSet-Cookie: a=b; Domain=localhost\r\n\r\n",
]  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    reason = draw(
        st.sampled_from([b" OK", b" OK", b"", b" "]) | WORDS.map(lambda word: b" " + word)
    )
    start = draw(st.sampled_from(VERSIONS)) + b" " + draw(st.sampled_from(STATUSES)) + reason
    lines = draw(st.lists(fields, max_size=5)) + draw(st.lists(framing, max_size=2))
    end = draw(st.sampled_from([CRLF] * 10 + [b"\n", b"\r"]))
    return end.join([start, *draw(st.permutations(lines)), b"", b""])


INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int]:
    """An answer, and where it is cut in two packets."""
    interim = draw(st.sampled_from([b""] * 8 + INTERIM + [b"".join(INTERIM) * 20]))
    whole = interim + draw(heads()) + draw(st.sampled_from(BODIES))
    whole = draw(
        st.sampled_from([whole] * 3 + [b""]) if draw(st.booleans()) else mutated_bytes(whole)
    )
    return whole, draw(st.integers(0, len(whole)))


ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"


@st.composite
def accepted(draw: st.DrawFn) -> tuple[bytes, int]:
    """A handshake that may be accepted, and where it is cut."""
    lines = draw(st.lists(fields, max_size=4)) + draw(st.lists(framing, max_size=1))
    whole = draw(mutated_bytes(CRLF.join([ACCEPTED, *lines, b"", b""]) + b"\x81\0", 1))
    return whole, draw(st.integers(0, len(whole)))
