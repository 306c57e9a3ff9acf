"""Whether what a view gave is a well-formed answer in which nothing passed that must not.

It shares no code with the views, and is stricter than browsers are.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
START = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
ALWAYS_DROPPED = {
    *(b"service-worker-allowed", b"clear-site-data", b"strict-transport-security", b"alt-svc"),
    *(b"nel", b"report-to", b"reporting-endpoints", b"x-frame-options", b"set-cookie2"),
}  # fmt: skip
DROPPED_IN_SANDBOX = {
    *(b"set-cookie", b"www-authenticate", b"accept-ch", b"critical-ch", b"set-login"),
    *(b"secure-session-registration", b"use-as-dictionary", b"cross-origin-opener-policy"),
}  # fmt: skip
HOP_BY_HOP = {b"keep-alive", b"proxy-authenticate", b"trailer", b"te"}
COOKIE_OF_OURS = re.compile(rb"remote-tunnel-[0-9]+")
SANDBOX = b"sandbox allow-scripts allow-forms allow-downloads allow-popups"


@dataclass
class Judge:
    """Of the view at `url`.

    :param framed: its cookies are for a frame.
    :param head_only: what it is asked for is the head of the answer.
    :param websocket: it is asked for a websocket.
    """

    url: str
    framed: bool
    head_only: bool = False
    websocket: bool = False
    named: dict[bytes, list[bytes]] = field(default_factory=dict)

    @property
    def sandboxed(self) -> bool:
        return "/remote-tunnel/app/" in self.url

    def judge(self, answer: bytes) -> None:
        """Look at all the bytes that it gave."""
        if not answer:
            return  # it hung up
        head, end, body = answer.partition(b"\r\n\r\n")
        assert end, "the head has an end"
        start, *lines = head.split(b"\r\n")
        matched = START.fullmatch(start)
        assert matched, start
        status = int(matched[1])
        for line in lines:
            name, colon, value = line.partition(b":")
            assert colon, line
            assert TOKEN.fullmatch(name), line
            assert VALUE.fullmatch(value), line
            self.named.setdefault(name.lower(), []).append(value.strip(b" \t"))
        assert status != 500, "the remote never says 500"
        self._body(status, body)
        self._headers()
        self._cookies()
        self._redirect(status)

    def _body(self, status: int, body: bytes) -> None:
        lengths = self.named.get(b"content-length", [])
        codings = self.named.get(b"transfer-encoding", [])
        if status == 101:
            assert self.websocket
            assert self.named[b"upgrade"] == [b"websocket"]
            assert self.named[b"connection"] == [b"Upgrade"]
            assert not lengths
            assert not codings
            return
        assert status >= 200
        assert b"upgrade" not in self.named
        assert len(lengths) + len(codings) <= 1
        assert all(length.isdigit() for length in lengths)
        assert codings in ([], [b"chunked"])
        if self.head_only or status in (204, 304):
            assert body == b""
        elif lengths:
            assert len(body) <= int(lengths[0])
        elif codings:
            assert _is_chunked(body), body
        if status == 204:
            assert not lengths
            assert not codings

    def _headers(self) -> None:
        dropped = ALWAYS_DROPPED | HOP_BY_HOP
        if self.sandboxed:
            dropped |= DROPPED_IN_SANDBOX
        assert not dropped & self.named.keys()
        assert set(self.named[b"referrer-policy"]) == {b"no-referrer"}
        policies = self.named[b"content-security-policy"]
        if self.sandboxed:
            assert any(policy.startswith(SANDBOX + b";") for policy in policies)
            assert set(self.named[b"access-control-allow-origin"]) == {b"null"}
            assert set(self.named[b"access-control-allow-credentials"]) == {b"true"}
            assert len(self.named.get(b"access-control-expose-headers", [])) <= 1
        ours = rb"(sandbox [^,]*; )?frame-ancestors 'self'( http://localhost:[0-9]+)?"
        for policy in b",".join(policies).split(b","):
            names = [text.split()[0].lower() for text in policy.split(b";") if text.split()]
            assert b"frame-ancestors" not in names or re.fullmatch(ours, policy.strip()), policies

    def _cookies(self) -> None:
        for line in self.named.get(b"set-cookie", []):
            pair, *attributes = line.split(b";")
            names = [text.partition(b"=")[0].strip(b" \t").lower() for text in attributes]
            assert b"domain" not in names
            name, equals, value = pair.partition(b"=")
            name, value = name.strip(b" \t"), value.strip(b" \t")
            # What the browser sends: of a cookie without a name, its value alone.
            sent = name + b"=" + value if name and equals else value if equals else name
            assert not COOKIE_OF_OURS.fullmatch(sent.partition(b"=")[0].strip(b" \t"))
            if self.framed:
                assert names.count(b"samesite") == 1
                assert b" SameSite=None" in attributes
                assert {b"secure", b"partitioned"} <= set(names)

    def _redirect(self, status: int) -> None:
        """As browsers read it: https://url.spec.whatwg.org/."""
        found = self.named.get(b"location", [])
        assert len(found) <= 1
        if self.websocket:
            return  # browsers follow none then
        if status not in (301, 302, 303, 307, 308) or not found or not found[0]:
            return
        text = found[0].decode("latin1").strip("".join(map(chr, range(33)))).replace("\t", "")
        there = urlsplit(urljoin(self.url, text.replace("\\", "/")))
        own = urlsplit(self.url)
        assert (there.scheme, there.netloc) == (own.scheme, own.netloc)
        path = urljoin("/", unquote(there.path))
        assert path.startswith(own.path)


def _is_chunked(body: bytes) -> bool:
    """Whether `body` is in chunks, with nothing behind the last; it may be cut off."""
    while matched := re.match(rb"([0-9a-f]+)\r\n", body):
        size, rest = int(matched[1], 16), body[matched.end() :]
        if size == 0:
            return b"\r\n".startswith(rest)
        if not b"\r\n".startswith(rest[size : size + 2]):
            return False
        body = rest[size + 2 :]
    return re.fullmatch(rb"[0-9a-f]*\r?", body) is not None
