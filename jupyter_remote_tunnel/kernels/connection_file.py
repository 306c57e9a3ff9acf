"""The connection file of a kernel: the remote one, checked, and the local one that stands for it.

`RemoteKernel.parse` takes the bytes that came from the remote host and trusts none of them: only
the known fields are kept, each of its type and in its range. `RemoteKernel.local_fields` is what
the file holds that Jupyter's clients on this side open.
"""

import re
from dataclasses import dataclass
from typing import Any

from ..model.address import (
    Address,
    TcpAddress,
    UnixAddress,
    check_host,
    check_path,
)
from ..model.errors import BadInput, Fatal
from ..model.remote_file import Fields, FileKind

# In the order of the ports 1 to 5 of the local file.
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
SIZE_LIMIT = 64 * 1024
_FILE = FileKind(
    "the connection file of a kernel",
    writer="kernel",
    hint="A kernel writes kernel-….json where `jupyter --runtime-dir` says on that host.",
    largest=SIZE_LIMIT,
    longest=1000,
)

_KERNEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")
_SCHEME = re.compile(r"hmac-[a-z0-9-]{1,20}\Z")
# A kernel that listens on every interface is reached on the remote's own loopback.
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared)


@dataclass(frozen=True)
class RemoteKernel:
    """A kernel as its connection file describes it; `addresses` in the order of `CHANNELS`."""

    addresses: tuple[Address, ...]
    key: str
    signature_scheme: str
    kernel_name: str

    @classmethod
    def parse(cls, data: bytes, where: str) -> "RemoteKernel":
        """Read a connection file; `where` names it in errors ("kernel-1.json on gpu01").

        :raises Fatal: it is not one, or its messages would not be signed.
        """
        fields = Fields(data, where, _FILE)
        transport = fields.text("transport", default="tcp")
        ip = fields.text("ip")
        ports = [fields.number(f"{channel}_port", 1, 65535) for channel in CHANNELS]
        if len(set(ports)) != len(ports):
            fields.refuse("two of its channels have the same port")
        key = fields.text("key", default="")
        if not key:
            raise Fatal(
                f"{where} has an empty key: the messages of this kernel are not signed.",
                code="not_allowed",
                hint="Anyone on that host could run code in it. Start it with a key.",
            )
        return cls(
            addresses=tuple(_address(fields, transport, ip, port) for port in ports),
            key=key,
            signature_scheme=fields.matching("signature_scheme", _SCHEME, default="hmac-sha256"),
            kernel_name=fields.matching("kernel_name", _KERNEL_NAME, default=""),
        )

    def local_fields(self, prefix: str) -> dict[str, Any]:
        """The local connection file: the channels stand at `{prefix}-1` to `{prefix}-5`."""
        ports = {f"{channel}_port": number for number, channel in enumerate(CHANNELS, 1)}
        return {
            **ports,
            "transport": "ipc",
            "ip": prefix,
            "key": self.key,
            "signature_scheme": self.signature_scheme,
            "kernel_name": self.kernel_name,
        }


def _address(fields: Fields, transport: str, ip: str, port: int) -> Address:
    try:
        if transport == "tcp":
            host = _EVERY_INTERFACE.get(ip, ip)
            return TcpAddress(check_host(host, host, 0), port)
        if transport == "ipc":
            return _socket(fields, f"{ip}-{port}")
        fields.refuse("its transport is neither tcp nor ipc")
    except BadInput as error:
        fields.refuse(f"its address is wrong ({error.message.rstrip('.')})")


def _socket(fields: Fields, path: str) -> UnixAddress:
    if not path.startswith("/"):
        fields.refuse("its sockets are relative to a folder that it does not name")
    return UnixAddress(check_path(path, path, 0))
