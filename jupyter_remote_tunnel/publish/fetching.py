"""The certificate that a gateway keeps renewed, brought here, where TLS ends.

certbot's files are root's alone. So root leaves a copy after each renewal that the user can read
(`installing.copy_commands`), and that is read over SSH. Here certificate and key lie in one file:
they change together, whoever opens it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.folders import make_folder, write_private
from ..model.errors import Fatal
from ..model.publication import Check
from ..model.remote_shell import FENCE, between_fences
from ..model.spec import TunnelRequest
from ..model.text import plain
from .checking_certificates import check_files
from .installing import readable_chain, readable_key
from .sites import CertificateFiles, Site

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who

_LARGEST = 1 << 17  # bytes of each file

# $1, $3 … are the paths of certificates, $2, $4 … those of their keys: the first pair that is there
# counts. A pair that changes meanwhile does not fit, which is seen here.
_READ = f"""
while [ $# -gt 1 ]; do
  if [ -e "$1" ] || [ -e "$2" ]; then
    for file in "$1" "$2"; do
      printf '{FENCE}%s{FENCE}' "$file"
      said=$(head -c 1 "$file" 2>&1 >/dev/null) || printf '%s' "$said" >&2
      head -c {_LARGEST + 1} "$file" 2>/dev/null
    done
    exit 0
  fi
  shift 2
done
"""


@dataclass(frozen=True)
class Fetched:
    """What is here after a look at the gateway.

    :param file: the certificate with its chain, and the key (PEM, 0600).
    :param changed: whether it is another one than before.
    :param checks: what is thought of it.
    """

    file: Path
    changed: bool
    checks: tuple[Check, ...]


async def fetch(
    client: "EngineClient",
    host: TunnelRequest,
    site: Site,
    folder: Path,
    *,
    insist: bool = False,
    person: "Who | None" = None,
) -> Fetched:
    """Read the certificate of the site on its gateway, and write it here if it is another one.

    :param host: the gateway and how to log in to it, no forwards.
    :param site: whose `certificate`, where it has one, says where that is.
    :param folder: for the file; it is made where it is not there.
    :param insist: take what no authority vouches for that this machine trusts.
    :raises Fatal: `not_found` or `not_allowed`, there is none that we may read; `unsupported`, it
        (or the answer) cannot be used, and what was here is as it was.
    :raises RemoteTunnelError: the gateway is out of reach.
    """
    there, data = await _read(client, host, site, person)
    file = folder / f"{site.name}.pem"

    def judge(path: Path) -> list[Check]:
        called = (there.chain, there.key)
        return check_files(path, path, [site.name], insist=insist, called=called)

    return await asyncio.to_thread(_keep, file, data, judge, host.host or "")


async def _read(
    client: "EngineClient", host: TunnelRequest, site: Site, person: "Who | None"
) -> tuple[CertificateFiles, bytes]:
    """Where it is there, and key and certificate as one file has them."""
    places = [CertificateFiles(readable_chain(site), readable_key(site))]
    if site.certificate is not None:
        places.insert(0, site.certificate)
    paths = [path for place in places for path in (place.chain, place.key)]
    answer = await client.exec(host, ["sh", "-c", _READ, "sh", *paths], person=person)
    parts = between_fences(answer.stdout)
    if len(parts) != 4:
        raise Fatal(
            f"{host.host} has no certificate of {site.name} that you can read.",
            code="not_found",
            hint="Publish it again: what fails then says what to type there.",
        )
    place = next((one for one in places if [one.chain, one.key] == parts[::2]), None)
    if place is None:
        raise Fatal(
            f"{host.host} answers about other files than it was asked for.",
            code="unsupported",
            hint="Does its login shell print something of its own?",
        )
    contents = []
    for path, content in zip((place.chain, place.key), parts[1::2], strict=True):
        data = content.encode()
        if not 0 < len(data) <= _LARGEST:
            said = plain(answer.stderr.decode(errors="replace"), 200)
            why = "it is too large" if data else f"“{said}”" if said else "it is empty"
            raise Fatal(
                f"{path} cannot be read on {host.host}: {why}.",
                code="not_allowed",
                hint="Have someone who may use sudo there leave you a copy that is yours, and give"
                " that: --certfile FILE --keyfile FILE",
            )
        contents.append(data)
    chain, key = contents
    return place, key.rstrip(b"\n") + b"\n" + chain


def _keep(file: Path, data: bytes, judge: Callable[[Path], list[Check]], host: str) -> Fetched:
    """Write it if it is another one, and only if it can be used.

    :raises Fatal: it cannot.
    """
    with contextlib.suppress(OSError):
        if file.read_bytes() == data:
            return Fetched(file, False, tuple(judge(file)))
    candidate = file.with_name(f".{file.name}-new")
    try:
        make_folder(file.parent)
        write_private(candidate, data)
        try:
            checks = judge(candidate)
            failed = [check for check in checks if check.verdict == "failed"]
            if not failed:
                candidate.replace(file)
        finally:
            candidate.unlink(missing_ok=True)
    except OSError as error:
        raise Fatal(
            f"{plain(str(file), 300)} cannot be written: {error.strerror}.", code="not_allowed"
        ) from None
    if failed:
        raise Fatal(
            f"The certificate that {host} has cannot be used here: {failed[0].says}",
            code="unsupported",
            hint=failed[0].advice,
        )
    return Fetched(file, True, tuple(checks))
