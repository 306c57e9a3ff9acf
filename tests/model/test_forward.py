"""The grammar of -L, -R and -D: what it reads, what it writes, and where it points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.forward import (
    ForwardKind,
    ForwardSpec,
    PrivateSocket,
    TcpBind,
)
from tests.support.fuzzing import assert_for_people, mutated_text, soon, texts

LOCAL, REMOTE, DYNAMIC = ForwardKind


@pytest.mark.parametrize(
    ("text", "kind", "bind", "destination"),
    [
        ("-L 5006:localhost:5006", LOCAL, TcpBind(None, 5006), TcpAddress("localhost", 5006)),
        ("-L5006:localhost:5006", LOCAL, TcpBind(None, 5006), TcpAddress("localhost", 5006)),
        ("-L 0:db.internal:5432", LOCAL, TcpBind(None, 0), TcpAddress("db.internal", 5432)),
        ("-L 127.0.0.1:1:h:2", LOCAL, TcpBind("127.0.0.1", 1), TcpAddress("h", 2)),
        ("-L :1:h:2", LOCAL, TcpBind("", 1), TcpAddress("h", 2)),
        ("-L *:1:h:2", LOCAL, TcpBind("*", 1), TcpAddress("h", 2)),
        ("-L [::1]:1:[fe80::1%eth0]:2", LOCAL, TcpBind("::1", 1), TcpAddress("fe80::1%eth0", 2)),
        ("-L 1:/run/x.sock", LOCAL, TcpBind(None, 1), UnixAddress("/run/x.sock")),
        ("-L h:1:/run/x.sock", LOCAL, TcpBind("h", 1), UnixAddress("/run/x.sock")),
        ("-L /tmp/a:h:2", LOCAL, UnixAddress("/tmp/a"), TcpAddress("h", 2)),
        ("-L ./a:/tmp/b", LOCAL, UnixAddress("./a"), UnixAddress("/tmp/b")),
        ("-L /tmp/a\\:b:/c", LOCAL, UnixAddress("/tmp/a:b"), UnixAddress("/c")),
        ("-L private:localhost:5006", LOCAL, PrivateSocket(None), TcpAddress("localhost", 5006)),
        ("-L private/k-1:/r/k-1", LOCAL, PrivateSocket("k-1"), UnixAddress("/r/k-1")),
        ("-L private:5006:h:80", LOCAL, TcpBind("private", 5006), TcpAddress("h", 80)),
        ("-R 8888:localhost:8888", REMOTE, TcpBind(None, 8888), TcpAddress("localhost", 8888)),
        ("-R :8888:localhost:8888", REMOTE, TcpBind("", 8888), TcpAddress("localhost", 8888)),
        ("-R 0:localhost:80", REMOTE, TcpBind(None, 0), TcpAddress("localhost", 80)),
        ("-R /run/s:/tmp/l", REMOTE, UnixAddress("/run/s"), UnixAddress("/tmp/l")),
        ("-R 1080", REMOTE, TcpBind(None, 1080), None),
        ("-R *:1080", REMOTE, TcpBind("*", 1080), None),
        ("-R 80:/tmp/l", REMOTE, TcpBind(None, 80), UnixAddress("/tmp/l")),
        ("-D 1080", DYNAMIC, TcpBind(None, 1080), None),
        ("-D [::1]:1080", DYNAMIC, TcpBind("::1", 1080), None),
    ],
)
def test_reads_what_ssh_reads(
    text: str, kind: ForwardKind, bind: object, destination: object
) -> None:
    spec = ForwardSpec.parse(text)
    assert spec == ForwardSpec(kind, bind, destination)  # type: ignore[arg-type]  # any of the binds
    assert ForwardSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("5006:localhost:5006", "50"),
        ("-L", ""),
        ("-L 5006", "5006"),
        ("-L 5006:localhost", "5006:localhost"),
        ("-L 5006:localhost:x", "x"),
        ("-L 5006:localhost:", ""),
        ("-L 70000:localhost:1", "70000"),
        ("-L 1:localhost:99999999999999999999", "99999999999999999999"),
        ("-L 1:localhost:0", "0"),
        ("-L ٣:localhost:1", "٣"),
        ("-L 1::2", ""),
        ("-L 1:-oProxyCommand=x:2", "-oProxyCommand=x"),
        ("-L 1:a b:2", " "),
        ("-L 1:$(id):2", "$"),
        ("-L 1:fe80::1:2", "fe80"),
        ("-L [::1:1:h:2", "["),
        ("-L [::1]x:1:h:2", "x"),
        ("-L a:b:c:d:e", "b"),
        ("-L h:1:a:2:3", "3"),
        ("-L /" + "x" * 110 + ":h:2", "/" + "x" * 110),
        ("-L /\ud800:h:2", "/\ud800"),
        ("-L /tmp/\x1b[2Ja:h:2", "/tmp/\x1b[2Ja"),
        ("-L 1:/tmp/\u202ea", "/tmp/\u202ea"),
        ("-R /run/s", "/run/s"),
        ("-R private:h:1", "private"),
        ("-D 1080:h:2", "h"),
        ("-D /tmp/s", "/tmp/s"),
        ("-X 1:h:2", "-X"),
    ],
)
def test_points_at_what_is_wrong(text: str, wrong: str) -> None:
    with pytest.raises(BadInput) as caught:
        ForwardSpec.parse(text)
    error = caught.value
    assert error.text[error.start : error.end] == wrong
    assert error.message.endswith((".", "?"))
    assert "^" in error.pointer() or not text.isprintable()


def ports(low: int) -> st.SearchStrategy[int]:
    return st.integers(low, 65535)


hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
    st.ip_addresses().map(str),
)
paths = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]),
    min_size=0,
    max_size=20,
).map(lambda text: f"/{text}")
tcp_binds = st.builds(TcpBind, st.one_of(st.none(), st.sampled_from(["", "*"]), hosts), ports(0))
private = st.builds(
    PrivateSocket, st.one_of(st.none(), st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True))
)
destinations = st.one_of(st.builds(TcpAddress, hosts, ports(1)), st.builds(UnixAddress, paths))
forwards = st.one_of(
    st.builds(
        ForwardSpec,
        st.just(LOCAL),
        st.one_of(tcp_binds, st.builds(UnixAddress, paths), private),
        destinations,
    ),
    st.builds(
        ForwardSpec,
        st.just(REMOTE),
        st.one_of(tcp_binds, st.builds(UnixAddress, paths)),
        destinations,
    ),
    st.builds(ForwardSpec, st.sampled_from([REMOTE, DYNAMIC]), tcp_binds, st.none()),
)


@given(forwards)
def test_every_forward_round_trips(spec: ForwardSpec) -> None:
    assert ForwardSpec.parse(str(spec)) == spec


typed_forwards = st.one_of(
    st.builds(str.__add__, st.sampled_from(["", "-L ", "-R ", "-D "]), st.text(max_size=60)),
    st.builds(str.__add__, st.sampled_from(["-L ", "-R ", "-D "]), texts),
    forwards.map(str).flatmap(mutated_text),
)


@given(typed_forwards)
def test_any_text_is_read_or_refused_at_a_place_in_it(typed: str) -> None:
    with soon():
        try:
            spec = ForwardSpec.parse(typed)
        except BadInput as caught:
            error = caught
        else:
            assert ForwardSpec.parse(str(spec)) == spec
            return
    assert_for_people(error)
    assert error.text == typed
    assert 0 <= error.start <= error.end <= len(typed)


@pytest.mark.parametrize("text", ["-L 1:::1:80", "-D ::1:"])
def test_an_address_without_brackets_is_told_of_them(text: str) -> None:
    with pytest.raises(BadInput, match=r"^A port number is missing here\.") as caught:
        ForwardSpec.parse(text)
    assert "stands in brackets: -" in caught.value.hint
