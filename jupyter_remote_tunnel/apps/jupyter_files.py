"""What a remote Jupyter server says of itself: its file in the runtime directory, checked.

`jpserver-PID.json` (Jupyter Server) and `nbserver-PID.json` (Notebook up to 6) are what `jupyter
server list --json` and `jupyter notebook list --json` print there. Nothing of it is trusted: only
the known fields are kept, each of its type and in its range.
"""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from ..model.address import Address, TcpAddress, UnixAddress, check_host, check_path
from ..model.errors import BadInput
from ..model.remote_file import Fields, FileKind
from ..model.remote_shell import is_keeper
from ..model.text import plain
from .listeners import Listeners

SIZE_LIMIT = 16 * 1024
_FILE = FileKind(
    "the file of a Jupyter server",
    writer="Jupyter",
    hint="Start that server again: it writes the file anew.",
    largest=SIZE_LIMIT,
    longest=4000,
)

# A password that is not in the old place of the configuration is not in that file.
Protection = Literal["token", "password", "unknown"]

# Paths as they stand in a request, in full: what begins and ends with a slash, and climbs nowhere.
_BASE_URL = re.compile(r"(?=.{1,300}\Z)/(?:(?!\.{1,2}/)[A-Za-z0-9._~!$&'()*+,;=:@%-]+/){0,50}\Z")
# It goes into a header.
_TOKEN = re.compile(r"[!-~](?:[ -~]{0,998}[!-~])?\Z")


@dataclass(frozen=True)
class JupyterServer:
    """A Jupyter server that runs on a remote host; nothing of it is secret.

    :param url: as seen from that host.
    :param destination: "127.0.0.1:8888" or the path of its socket, as seen from that host.
    :param protection: what it asks of those who come: a token, a password, or one of it or nothing.
    :param started: when (ISO 8601, UTC), if the host tells.
    :param ends_with_tunnel: it was started for a tunnel, and ends with the last one that leads
        there.
    """

    url: str
    destination: str
    root_dir: str
    version: str
    pid: int
    protection: Protection
    started: str | None = None
    ends_with_tunnel: bool = False


@dataclass(frozen=True)
class FoundJupyter:
    """The same, and what leads into it. Its token is never shown. `keeper` is the folder of what
    ends it when no tunnel holds it, if anything does.
    """

    server: JupyterServer
    address: Address
    base_url: str
    secure: bool
    token: str = field(repr=False)
    keeper: str | None = None


def parse(
    data: str, where: str, listeners: Listeners, started: str | None = None, keeper: str = ""
) -> FoundJupyter | None:
    """Read the file of a server; None if nobody listens where it says.

    :param where: names it in errors ("jpserver-1.json on gpu01").
    :raises Fatal: it is not one.
    """
    fields = Fields(data, where, _FILE)
    address = _address(fields, listeners)
    if address is None:
        return None
    base_url = fields.matching("base_url", _BASE_URL)
    secure = fields.flag("secure")
    token = fields.text("token", default="")
    if token and not _TOKEN.match(token):
        fields.refuse("its token is none that could be sent")
    server = JupyterServer(
        url=_url(address, base_url, secure=secure),
        destination=str(address),
        # Notebook up to 6 has another name for it.
        root_dir=plain(fields.text("root_dir", default=fields.text("notebook_dir", default="?"))),
        version=plain(fields.text("version", default="?"), 40),
        pid=fields.number("pid", 1, 1 << 31),
        protection="token" if token else "password" if fields.flag("password") else "unknown",
        started=started,
        ends_with_tunnel=is_keeper(keeper),
    )
    folder = keeper if is_keeper(keeper) else None
    return FoundJupyter(server, address, base_url, secure, token, folder)


def _url(address: Address, base_url: str, *, secure: bool) -> str:
    """Where it is, as Jupyter writes it."""
    scheme = "https" if secure else "http"
    if isinstance(address, UnixAddress):
        return f"{scheme}+unix://{quote(address.path, safe='')}{base_url}"
    return f"{scheme}://{address}{base_url}"


def _address(fields: Fields, listeners: Listeners) -> Address | None:
    try:
        if sock := fields.text("sock", default=""):
            if not sock.startswith("/"):
                fields.refuse("its socket is relative to a folder that it does not name")
            return UnixAddress(check_path(sock, sock, 0))
        name = fields.text("hostname", default="localhost")
        if not name.isascii():
            fields.refuse("“hostname” has a value that no Jupyter writes")
        port = fields.number("port", 1, 65535)
        found = listeners.reach(name, port)
        return found and TcpAddress(check_host(found.host, found.host, 0), port)
    except BadInput as error:
        fields.refuse(f"its address is wrong ({error.message.rstrip('.')})")
