"""The folder of a socket that a site names which is not ours: who can reach the socket there, or
put another one in its place. It is looked at on the gateway, over SSH or here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..model.listeners import uid_in
from ..model.publication import Check
from ..model.remote_shell import FENCE, between_fences
from ..model.spec import TunnelRequest
from ..model.text import plain
from .gateway import Shell

if TYPE_CHECKING:
    from ..engine.messages import Who

# $1 is the folder. Who we are, and then it and all above it, without links and as it was written:
# of each its path, a line break, and its rights.
_LOOK = f"""
printf '{FENCE}'; id -u; id -g
there=$(cd -P "$1" 2>/dev/null && pwd -P) || exit 0
for folder in "$there" "$1"; do
  while :; do
    printf '{FENCE}%s\\n' "$folder"; LC_ALL=C ls -ldLn "$folder"
    case $folder in /|.) break ;; esac
    folder=$(dirname "$folder")
  done
done
printf '{FENCE}'
"""
_LISTED = re.compile(r"(d[-rwxsStT]{9}\S?) +\d+ +(\d{1,10}) +(\d{1,10}) ", re.ASCII)
_ROOT = 0


@dataclass(frozen=True)
class _Folder:
    """Its rights as `ls` writes them: "drwxr-x--x"; "+" behind them is a list of more."""

    path: str
    rights: str
    uid: int
    gid: int

    def gives(self, right: str, at: int) -> bool:
        """Whether it gives that right to its group (`at` 3) or to others (6)."""
        found = self.rights[1 + at : 4 + at].replace("t", "x").replace("s", "x")
        return right in found

    @property
    def is_sticky(self) -> bool:
        """Whether what stands in it can be renamed by its owner alone."""
        return self.rights[9:10] in ("t", "T")


@dataclass(frozen=True)
class _Us:
    uid: int
    gid: int

    def own(self, folder: _Folder) -> bool:
        """Whether it is ours, or root's."""
        return folder.uid in (self.uid, _ROOT)

    def share(self, folder: _Folder) -> bool:
        """Whether a group that is neither ours nor root's can write to it."""
        return folder.gives("w", 3) and folder.gid not in (self.gid, _ROOT)


async def check_own_folder(
    shell: Shell, host: TunnelRequest, called: str, socket: str, *, person: "Who | None" = None
) -> Check:
    """Whether none but us and the folder's group reach the socket, and none else replaces it.

    :param host: the gateway and how to log in to it, no forwards.
    :param called: what it is called.
    :raises RemoteTunnelError: it is out of reach, or runs no commands.
    """
    folder = str(PurePosixPath(socket).parent)
    answer = await shell.exec(host, ["sh", "-c", _LOOK, "sh", folder], person=person)
    return _judge(answer.stdout, folder, plain(called))


def _judge(output: bytes, folder: str, host: str) -> Check:
    """What is thought of what the gateway has printed."""
    who, *said = between_fences(output) or [""]
    ids = [uid_in(line) for line in who.splitlines()]
    found = list(_folders(said))
    shown = plain(folder, 300)
    if len(ids) != 2 or ids[0] is None or ids[1] is None:
        return Check("folder", "failed", f"{host} does not tell who can enter {shown}.")
    if not found or len(found) != len(said) - 1:
        return Check(
            "folder", "failed", f"{shown} cannot be used: it is not there, or closed to you."
        )
    return _judged(_Us(ids[0], ids[1]), found, shown, host)


def _judged(us: _Us, found: list[_Folder], shown: str, host: str) -> Check:
    itself, *above = found
    if not us.own(itself):
        return Check("folder", "failed", f"{shown} is not yours.", advice="Take one of your own.")
    if itself.gives("x", 6):
        rights = "g-w,o-rwx" if us.share(itself) else "o-rwx"
        return Check(
            "folder",
            "failed",
            f"Every user of {host} can go into {shown}, and would reach the socket.",
            (f"chmod {rights} {shown}",),
            "Only you and the web server's group may.",
        )
    if us.share(itself):
        says = f"The group of {shown} could put another socket in the place of ours."
        return Check("folder", "failed", says, (f"chmod g-w {shown}",))
    for folder in above:
        is_shared = us.share(folder) or folder.gives("w", 6)
        if not us.own(folder) or (is_shared and not folder.is_sticky):
            path = plain(folder.path, 300)
            says = f"Other users of {host} could put another folder in the place of {shown}."
            return Check(
                "folder",
                "failed",
                says,
                advice=f"{path} is theirs, or they may write to it: take a folder elsewhere.",
            )
    if itself.rights.endswith("+"):
        says = f"A list of its own says who else can enter {shown} (getfacl)."
        return Check("folder", "note", says)
    return Check("folder", "ok", f"Only you and its group reach {shown}.")


def _folders(said: list[str]) -> Iterator[_Folder]:
    """Those that are understood."""
    for record in said:
        path, _, line = record.partition("\n")
        if words := _LISTED.match(line):
            yield _Folder(path, words[1], int(words[2]), int(words[3]))
