"""The certificate that somebody names for a gateway's web server: it is looked at before a site is
installed that shows it, on the gateway, over SSH or here.

Its key is a secret: that it is there is looked at, and nothing of it is read. What the web server
shows then, `checking_certificates.check_presented` judges.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..model.errors import Fatal
from ..model.publication import Check
from ..model.remote_shell import FENCE
from ..model.spec import TunnelRequest
from ..model.text import plain
from .checking_certificates import check_chain
from .gateway import Shell
from .sites import CertificateFiles

if TYPE_CHECKING:
    from ..engine.messages import Who

_LARGEST = 1 << 17  # bytes; of what is longer the beginning counts

# $1 is the certificate, $2 its key. Of each its path and what it is: a word, or what `ls` says
# about it; behind that the certificate.
_LOOK = f"""
for file in "$1" "$2"; do
  printf '{FENCE}%s{FENCE}' "$file"
  if [ ! -f "$file" ]; then LC_ALL=C ls -dL "$file" 2>&1 >/dev/null | head -c 400
  elif [ -r "$file" ]; then printf open
  else printf closed; fi
done
printf '{FENCE}'
[ -f "$1" ] && head -c {_LARGEST} "$1" 2>/dev/null
exit 0
"""
_LACKING = ("No such file or directory", "Not a directory")
_ADVICE = "--certfile and --keyfile name files that are on the gateway."
_SEEN_LATER = "The web server says so when the site is installed; look again then."


async def check_given(
    shell: Shell,
    host: TunnelRequest,
    files: CertificateFiles,
    names: Sequence[str],
    *,
    insist: bool = False,
    person: "Who | None" = None,
) -> list[Check]:
    """What is thought of them; a note says what cannot be known.

    :param host: the gateway and how to log in to it, no forwards.
    :param names: by which browsers reach it, as DNS has them.
    :param insist: take what no authority vouches for.
    :raises RemoteTunnelError: the gateway is out of reach, or runs no commands.
    """
    argv = ["sh", "-c", _LOOK, "sh", files.chain, files.key]
    answer = await shell.exec(host, argv, person=person)
    called = plain(host.host or "")
    _, *parts = answer.stdout.split(FENCE.encode(), 5)
    said = [part.decode(errors="replace") for part in parts[:4]]
    if len(parts) != 5 or said[::2] != [files.chain, files.key]:
        raise Fatal(
            f"{called} does not tell which files it has.",
            code="unsupported",
            hint="Does its login shell print something of its own?",
        )
    chain, chain_is, key, key_is = said
    if (lacking := _lacking("certificate", called, chain, chain_is)) is not None:
        return [lacking]
    if chain_is == "open":
        checks = await asyncio.to_thread(check_chain, parts[4], chain, names, insist=insist)
    else:
        about = f"whether it is for {', '.join(names)}, and until when"
        checks = [_unknown("certificate", called, chain, f"{about}, is not known")]
    return [*checks, _lacking("key", called, key, key_is) or _of_the_key(called, key, key_is)]


def _lacking(name: str, host: str, path: str, it_is: str) -> Check | None:
    """That it is not there, or no file."""
    if not it_is:
        says = f"{path} is no file on {host}."
    elif any(reason in it_is for reason in _LACKING):
        says = f"{host} has no {path}."
    else:
        return None
    return Check(name, "failed", says, advice=_ADVICE, remedy="certificate")


def _of_the_key(host: str, path: str, it_is: str) -> Check:
    if it_is not in ("open", "closed"):
        return _unknown("key", host, path, "whether it is there is not known")
    says = f"{host} has {path}, which was not read."
    advice = "Whether it is the certificate's key, the web server says when the site is installed."
    return Check("key", "ok", says, advice=advice)


def _unknown(name: str, host: str, path: str, says: str) -> Check:
    return Check(name, "note", f"You cannot read {path} on {host}: {says}.", advice=_SEEN_LATER)
