"""A remote connection file is data from a stranger: known fields, types, ranges, a key."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.kernels.connection_file import RemoteKernel
from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import Fatal
from tests.support.fuzzing import assert_for_people, mutated_bytes, mutated_json, soon

WHERE = "kernel-1.json on gpu01"
TCP: dict[str, Any] = {
    "shell_port": 50001,
    "iopub_port": 50002,
    "stdin_port": 50003,
    "control_port": 50004,
    "hb_port": 50005,
    "ip": "127.0.0.1",
    "key": "a-key",
    "transport": "tcp",
    "signature_scheme": "hmac-sha256",
    "kernel_name": "python3",
}


def parse(**changes: Any) -> RemoteKernel:
    fields = {name: value for name, value in {**TCP, **changes}.items() if value is not ...}
    return RemoteKernel.parse(json.dumps(fields).encode(), WHERE)


def test_tcp() -> None:
    kernel = parse()
    assert kernel.addresses == tuple(TcpAddress("127.0.0.1", 50000 + n) for n in range(1, 6))
    assert (kernel.key, kernel.kernel_name) == ("a-key", "python3")


def test_ipc() -> None:
    ports = {f"{name}_port": n for n, name in enumerate(("shell", "iopub", "stdin", "control"), 1)}
    kernel = parse(transport="ipc", ip="/run/user/1/k", hb_port=5, **ports)
    assert kernel.addresses == tuple(UnixAddress(f"/run/user/1/k-{n}") for n in range(1, 6))


def test_a_kernel_on_every_interface_is_reached_on_loopback() -> None:
    assert parse(ip="0.0.0.0").addresses[0] == TcpAddress("127.0.0.1", 50001)
    assert parse(ip="*").addresses[0] == TcpAddress("127.0.0.1", 50001)


def test_what_older_kernels_leave_out() -> None:
    kernel = parse(transport=..., signature_scheme=..., kernel_name=...)
    assert kernel.signature_scheme == "hmac-sha256"


def test_the_local_file_holds_known_fields_only() -> None:
    kernel = parse(jupyter_session="x", evil={"a": 1})
    assert kernel.local_fields("/run/jrt-1/kernel-1") == {
        **TCP,
        "transport": "ipc",
        "ip": "/run/jrt-1/kernel-1",
        **{
            f"{name}_port": n
            for n, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)
        },
    }


@pytest.mark.parametrize("key", ["", ...])
def test_an_empty_key_is_refused(key: object) -> None:
    with pytest.raises(Fatal, match="empty key") as caught:
        parse(key=key)
    assert caught.value.code == "not_allowed"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shell_port": 0}, "shell_port"),
        ({"shell_port": 65536}, "shell_port"),
        ({"shell_port": "50001"}, "shell_port"),
        ({"shell_port": True}, "shell_port"),
        ({"hb_port": ...}, "hb_port"),
        ({"hb_port": 50001}, "same port"),
        ({"ip": 7}, "“ip”"),
        ({"ip": "host;rm"}, "address"),
        ({"ip": "-oProxyCommand=x"}, "address"),
        ({"ip": "a\u202eb"}, "“ip”"),
        ({"transport": "udp"}, "neither tcp nor ipc"),
        ({"transport": "ipc", "ip": "kernel"}, "relative"),
        ({"transport": "ipc", "ip": "/" + "x" * 120}, "address"),
        ({"key": 5}, "“key”"),
        ({"key": "x" * 2000}, "“key”"),
        ({"signature_scheme": "md5 or so"}, "signature_scheme"),
        ({"kernel_name": "../x"}, "kernel_name"),
    ],
)
def test_what_no_kernel_writes_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(Fatal, match="not the connection file") as caught:
        parse(**changes)
    assert problem in caught.value.message
    assert WHERE in caught.value.message


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"nope", b"\xff\xfe", b"[" * 50_000, b'{"a": "' + b"x" * 70_000 + b'"}']
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(Fatal, match="not the connection file"):
        RemoteKernel.parse(data, WHERE)


@given(
    st.binary(max_size=200)
    | mutated_json(TCP, most=1).map(json.dumps).map(str.encode)
    | mutated_json(TCP).map(json.dumps).map(str.encode)
    | mutated_bytes(json.dumps(TCP).encode())
)
def test_whatever_stands_in_it_it_is_checked_or_refused(data: bytes) -> None:
    with soon():
        try:
            kernel = RemoteKernel.parse(data, WHERE)
        except Fatal as error:
            assert_for_people(error)
            return
    assert kernel.key
    assert len({str(address) for address in kernel.addresses}) == 5
    json.dumps(kernel.local_fields("/run/k"), ensure_ascii=False).encode()
