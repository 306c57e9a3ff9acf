"""The password of a remote Jupyter, set from here by that Jupyter's own tool; and its hashes, for
who sees whether it is one of those that are tried first.

`jupyter server password` (of Notebook up to 6: `jupyter notebook password`) hashes it there as that
version likes it, and writes it where that version looks for it. Without a terminal it reads its
standard input, and there the password comes: it stands in no argv and in no file.

It leaves what the configuration holds by an older name, or by that of the class, and that counts in
its place. So the hashes there are read before and after: one that stayed gives way to the new one
in the file that the tool wrote, and other files are named.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..model.errors import Fatal
from ..model.password import names_here, refuse_weak
from ..model.remote_shell import FENCE, between_fences
from ..model.spec import TunnelRequest
from ..model.status import TunnelStatus
from ..model.text import plain

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who

# Prints for each tool that there is its name, and how it ended; not what it said, which may hold
# the password in one spelling or another. (Notebook up to 6 has a configuration of its own, and may
# have Jupyter Server beside it. What a shell prints by itself is in no list of processes.)
_SET = f"""
IFS= read -r password
command -v jupyter >/dev/null 2>&1 ||
  PATH=$("${{SHELL:-sh}}" -lc 'printf %s "$PATH"' 2>/dev/null </dev/null | tail -n 1)
tools=
jupyter server password --help >/dev/null 2>&1 </dev/null && tools=server
case $(jupyter notebook --version 2>/dev/null </dev/null) in
  [4-6].*) tools="$tools notebook" ;;
esac
for tool in $tools; do
  printf '%s\\n%s\\n' "$password" "$password" |
    PYTHONUTF8=1 jupyter "$tool" password >/dev/null 2>&1
  printf '{FENCE}%s{FENCE}%s' "$tool" "$?"
done
"""
_SECONDS = 120.0

_OWN = "jupyter_server_config.json"  # which the tool of Jupyter Server writes
# Alters that by the commands for sed that come by standard input.
_MEND = f"""
cd "${{JUPYTER_CONFIG_DIR:-$HOME/.jupyter}}" && [ ! -L {_OWN} ] && umask 077 &&
  new=$(mktemp "./{_OWN}.XXXXXX") || exit
sed -f /dev/stdin {_OWN} >"$new" && mv "$new" {_OWN} || rm -f "$new"
"""

# Prints FILE:HASH for what the files of a configuration hold: that of the process $1, where this
# host tells (Linux), or else the usual one. What is commented out does not count.
_HASHES = f"""
dir=$(tr '\\0' '\\n' 2>/dev/null <"/proc/$1/environ" | sed -n 's/^JUPYTER_CONFIG_DIR=//p')
cd "${{dir:-${{JUPYTER_CONFIG_DIR:-$HOME/.jupyter}}}}" 2>/dev/null || exit 0
printf '{FENCE}'
for name in server lab notebook; do
  for file in "jupyter_${{name}}_config.json" "jupyter_${{name}}_config.py"; do
    sed '/^[[:space:]]*#/d' "$file" 2>/dev/null | grep -oE '(argon2|sha[0-9]+):[^"'"'"' ]+' |
      head -c 2000 | sed "s/^/$file:/"
  done
done
"""
_HASH = re.compile(
    r"(jupyter_[a-z]+_config\.(?:json|py)):"
    r"(argon2:\$argon2id?\$v=19\$m=(\d{1,6}),t=(\d{1,3}),p=\d{1,2}\$[\w+/]{8,90}\$[\w+/]{8,90}"
    r"|sha(?:1|256|512):[\w]{0,64}:[0-9a-f]{40,128})",
    re.ASCII,
)
_MOST = 3
# KiB times rounds, of argon2: four times what Jupyter takes. It is tried here, with each word.
_MOST_WORK = 4 * 10240 * 10


@dataclass(frozen=True)
class PasswordHash:
    """The hash of a password, and the name of the file in which it stands there. It is never shown,
    and stays in memory.

    :param work: what it takes to try a password with it: KiB times rounds of argon2, else 0.
    """

    file: str
    hashed: str = field(repr=False)
    work: int = 0


class PasswordSet(NamedTuple):
    """How a password was set.

    :param tools: what did it: ["jupyter server password"].
    :param others: the files there that have another one, which may count in its place.
    """

    tools: list[str]
    others: list[str]


async def set_password(
    client: "EngineClient", host: TunnelRequest, password: str, *, person: "Who | None" = None
) -> PasswordSet:
    """Set the password of the Jupyter servers that the user starts on a host from now on.

    :param host: the host and how to log in to it, no forwards.
    :raises BadInput: it is none for a Jupyter that others can reach.
    :raises RemoteTunnelError: the host is out of reach, has no Jupyter, or its tool failed.
    """
    refuse_weak(password, (host.host or "", host.ssh.user or "", *names_here()))
    before = set(await _hashes(client, host, person=person))
    answer = await client.exec(
        host, ["sh", "-c", _SET], f"{password}\n".encode(), timeout=_SECONDS, person=person
    )
    parts = between_fences(answer.stdout)
    tools = []
    for tool, status in zip(parts[::2], parts[1::2], strict=False):
        if tool not in ("server", "notebook"):
            break
        tools.append(f"jupyter {tool} password")
        if status != "0":
            raise Fatal(
                f"`{tools[-1]}` failed on {host.host} (exit status {plain(status, 10)}).",
                code="unsupported",
                hint="Run it there by hand to see why.",
            )
    if not tools:
        raise Fatal(
            f"{host.host} has no Jupyter whose password could be set.",
            code="not_found",
            hint="`jupyter server password` must work in a login shell there.",
        )
    return PasswordSet(tools, await _others(client, host, before, person))


async def _others(
    client: "EngineClient", host: TunnelRequest, before: set[PasswordHash], person: "Who | None"
) -> list[str]:
    """The files that have kept another password; the tool's own is mended first."""
    after = await _hashes(client, host, person=person)
    kept = [one for one in after if one in before]
    old = [one.hashed for one in kept if one.file == _OWN]
    new = [one.hashed for one in after if one.file == _OWN and one not in before]
    if old and len(new) == 1:
        # No character of a hash is a special one, as they stand here.
        script = "".join(f"s|{one}|{new[0]}|g\n" for one in old)
        await client.exec(host, ["sh", "-c", _MEND], script.encode(), person=person)
        kept = [one for one in await _hashes(client, host, person=person) if one in before]
    return list(dict.fromkeys(one.file for one in kept))


async def read_hashes(
    client: "EngineClient", way: TunnelRequest | TunnelStatus, pid: int
) -> tuple[PasswordHash, ...]:
    """The hashes in the configuration of a Jupyter server, as far as they can be read and tried.

    :param way: the host and how to log in to it, no forwards; or a tunnel to it.
    :param pid: of that server.
    :raises RemoteTunnelError: the host is out of reach.
    """
    found = await _hashes(client, way, str(pid))
    return tuple(one for one in found if one.work <= _MOST_WORK)[:_MOST]


async def _hashes(
    client: "EngineClient",
    way: TunnelRequest | TunnelStatus,
    pid: str = "",
    *,
    person: "Who | None" = None,
) -> list[PasswordHash]:
    """All of them.

    :param pid: of a server; "" is what one that is started there would have.
    """
    argv = ["sh", "-c", _HASHES, "sh", pid]
    if isinstance(way, TunnelStatus):
        answer = await client.exec(None, argv, tunnel=way.id)
    else:
        answer = await client.exec(way, argv, person=person)
    lines = "".join(between_fences(answer.stdout)[:1]).splitlines()
    found = [match for line in lines if (match := _HASH.fullmatch(line))]
    return [PasswordHash(one[1], one[2], int(one[3] or 0) * int(one[4] or 0)) for one in found]
