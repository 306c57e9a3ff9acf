"""The certificate that somebody names for a gateway's web server: it is looked at before a site is
installed that shows it, on the gateway, over SSH or here.

Its key is a secret, and nothing of its file comes here: that it is there is looked at and, where we
may read it, openssl is asked over there for the public half of it. What the web server shows then,
`checking_certificates.check_presented` judges.
"""

import asyncio
from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from ..model.errors import Fatal
from ..model.publication import Check
from ..model.remote_shell import FENCE
from ..model.spec import TunnelRequest
from ..model.text import plain
from .checking_certificates import check_chain, is_of_key
from .gateway import Shell
from .sites import CertificateFiles

if TYPE_CHECKING:
    from ..engine.messages import Who

_LARGEST = 1 << 17  # bytes; of what is longer the beginning counts

# $1 is the certificate, $2 its key. Of each its path and what it is: a word, or what `ls` says
# about it; behind that what all others may do with the key, as `ls` shows it, its public half, and
# the certificate: a key may stand in the same file, or the two be named the wrong way round.
_LOOK = f"""
for file in "$1" "$2"; do
  printf '{FENCE}%s{FENCE}' "$file"
  if [ ! -f "$file" ]; then LC_ALL=C ls -dL "$file" 2>&1 >/dev/null | head -c 400
  elif [ -r "$file" ]; then printf open
  else printf closed; fi
done
printf '{FENCE}'
others() {{ LC_ALL=C ls -ldn "$1" 2>/dev/null | cut -c 8-10; }}
at=$(readlink -f "$2") && rights=$(others "$at")
while [ "${{at:-/}}" != / ]; do
  at=$(dirname "$at")
  case $(others "$at") in *[xt]) ;; *) rights=---;; esac
done
printf '%s{FENCE}' "$rights"
[ -f "$2" ] && [ -r "$2" ] && command -v openssl >/dev/null && {{
  openssl pkey -inform PEM -in "$2" -passin pass: -pubout ||
    {{ openssl x509 -in "$2" -noout && printf certificate; }} || printf nothing
}} </dev/null 2>/dev/null | head -c {_LARGEST}
printf '{FENCE}'
[ -f "$1" ] && head -c {_LARGEST} "$1" 2>/dev/null |
  awk '/-----BEGIN /{{on=/-----BEGIN CERTIFICATE-----/}} on; /-----END /{{on=0}}'
exit 0
"""
_CERTIFICATE = b"certificate"
_NOTHING = b"nothing"  # that openssl reads as one without a passphrase
_LACKING = ("No such file or directory", "Not a directory")
_ADVICE = "--certfile and --keyfile name files that are on the gateway."
_OTHERS = "Name two that belong together: --certfile FILE --keyfile FILE"
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
    _, *parts = answer.stdout.split(FENCE.encode(), 7)
    said = [part.decode(errors="replace") for part in parts[:5]]
    if len(parts) != 7 or said[:4:2] != [files.chain, files.key]:
        raise Fatal(
            f"{called} does not tell which files it has.",
            code="unsupported",
            hint="Does its login shell print something of its own?",
        )
    chain, chain_is, key, key_is, others = said
    if (lacking := _lacking("certificate", called, chain, chain_is)) is not None:
        return [lacking]
    if parts[5] == _CERTIFICATE:
        says = f"{key} is a certificate, and no key."
        advice = f"Are the two named the wrong way round? {_OTHERS}"
        return [Check("key", "failed", says, advice=advice, remedy="certificate")]
    if parts[5] == _NOTHING:
        says = f"{key} holds no key, or one that needs a passphrase."
        advice = f"The web server takes a key in PEM, and has nobody to ask. {_OTHERS}"
        return [Check("key", "failed", says, advice=advice, remedy="certificate")]
    fits: bool | None = None
    if chain_is == "open":
        public, certificate = parts[5:]
        checks = await asyncio.to_thread(check_chain, certificate, chain, names, insist=insist)
        if all(check.verdict != "failed" for check in checks):  # else another one is to come
            fits = await asyncio.to_thread(is_of_key, certificate, public)
    else:
        about = f"whether it is for {', '.join(names)}, and until when"
        checks = [_unknown("certificate", called, chain, f"{about}, is not known")]
    lacking = _lacking("key", called, key, key_is)
    if fits is False and lacking is None:
        says = f"{key} is not the key of {chain}."
        lacking = Check("key", "failed", says, advice=_OTHERS, remedy="certificate")
    return [*checks, lacking or _of_the_key(called, key, key_is, others, fits=fits)]


def _lacking(name: str, host: str, path: str, it_is: str) -> Check | None:
    """That it is not there, or no file."""
    if not it_is:
        says = f"{path} is no file on {host}."
    elif any(reason in it_is for reason in _LACKING):
        says = f"{host} has no {path}."
    else:
        return None
    return Check(name, "failed", says, advice=_ADVICE, remedy="certificate")


def _of_the_key(host: str, path: str, it_is: str, others: str, *, fits: bool | None) -> Check:
    """:param others: what everybody there may do with it, as `ls` shows it.
    :param fits: whether it is the certificate's; None where that is not known.
    """
    if it_is not in ("open", "closed"):
        return _unknown("key", host, path, "whether it is there is not known")
    if others.strip("-"):
        says = f"All users of {host} may reach {path} ({plain(others, 3)})."
        advice = f"sudo chmod o= {quote(path)} there and, where others log in, have a new one made."
        return Check("key", "failed", says, advice=advice, remedy="certificate")
    if fits:
        return Check("key", "ok", f"{path} on {host} is the certificate's key.")
    says = f"{host} has {path}, which was not read."
    advice = "Whether it is the certificate's key, the web server says when the site is installed."
    return Check("key", "ok", says, advice=advice)


def _unknown(name: str, host: str, path: str, says: str) -> Check:
    return Check(name, "note", f"You cannot read {path} on {host}: {says}.", advice=_SEEN_LATER)
