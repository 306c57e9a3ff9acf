"""What is on a gateway, asked in one command, over SSH or here: its web servers and their sites,
the folder of the socket, certbot, who listens on the web's ports, its addresses.

All of it is data of that host: capped, checked, and never part of a command unless it is a plain
name or path. What is thought of it stands in `gateway_checks`.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol

from ..model.errors import BadInput, Fatal
from ..model.host_name import published_name
from ..model.remote_shell import FENCE, between_fences
from ..model.spec import TunnelRequest
from ..model.text import plain
from .installing import CADDYFILE, Places
from .sites import FOLDER, WEBROOT, Site, WebServer, is_plain_path

if TYPE_CHECKING:
    from ..engine.client import Output
    from ..engine.messages import Who

Ip = IPv4Address | IPv6Address

_LARGEST_SITE = 65536  # bytes; ours have some thousands
_MOST = 200
_SHOWN = 10

# $1 is how the file of the site is called, $2 the name for a regular expression, $3 how that is
# called which only answers Let's Encrypt. Each record is a fence, its name and a line break, and
# then what was found. (Caddy makes the folder STEPPATH, or ~/.step, wherever it is not there.)
# Of what runs the system's comes first: it is not pushed out by what users call so.
_LOOK = f"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/snap/bin
record() {{ printf '{FENCE}%s\\n' "$1"; }}
file() {{ [ -e "$2" ] || return; record "$1 $2"; [ -r "$2" ] && head -c {_LARGEST_SITE + 1} "$2"; }}
record account; id -un; id -u
record kernel; uname -s; cat /sys/fs/selinux/enforce 2>/dev/null
record nginx; command -v nginx >/dev/null && nginx -v 2>&1 | head -c 200
record caddy; command -v caddy >/dev/null && STEPPATH=/ caddy version 2>&1 | head -c 200
record running
found=$(grep -lxE 'nginx|caddy' /proc/[0-9]*/comm 2>/dev/null | sed 's/comm$/status/')
[ -z "$found" ] || awk '/^Name:/ {{ n = $2 }} /^State:/ {{ s = $2 }} /^Uid:/ {{ u = $2 }}
  /^Gid:/ && s != "Z" {{ print n, u, $3 }}' $found 2>/dev/null |
  sort -u | sort -n -k 2 | head -n {_MOST} | while read -r name uid gid; do
  echo "$name $uid $(getent group "$gid" | cut -d: -f1)"
done
record user
sed -n 's/^[[:space:]]*user[[:space:]][[:space:]]*\\([^;]*\\);.*/nginx \\1/p' \\
  /etc/nginx/nginx.conf 2>/dev/null | head -n 1
getent group caddy >/dev/null && echo caddy caddy
record folders; ls -d /etc/nginx/sites-available /etc/nginx/sites-enabled /etc/nginx/conf.d \\
  /etc/nginx/http.d 2>/dev/null
record imports; grep -E '^import[[:space:]]' {CADDYFILE} 2>/dev/null | head -n 50
record enabled; for file in /etc/nginx/sites-enabled/"$1".conf; do
  [ "$file" -ef /etc/nginx/sites-available/"$1".conf ] && echo yes
done
record answers; for name in "$1" "$3"; do
  grep -qsF 'root {WEBROOT};' /etc/nginx/sites-enabled/"$name".conf \
    /etc/nginx/conf.d/"$name".conf /etc/nginx/http.d/"$name".conf && echo yes
done
record claimed; grep -lsE "^[^#]*server_name[^;]*[[:space:]]$2[[:space:];]" \\
  /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf /etc/nginx/http.d/*.conf |
  grep -vF -e "/$1.conf" -e "/$3.conf" | head -n {_MOST}
record listeners; awk '$4 == "0A" {{ print $2 }}' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
  grep -E ':(0050|01BB|07E3)$' | head -n {_MOST}
record addresses; ip -o addr show 2>/dev/null | awk '{{ print $4 }}' | head -n {_MOST}
echo "$SSH_CONNECTION" | awk '{{ print $3 }}'
record parent; stat -c '%a %u %u' {FOLDER} 2>/dev/null
name=$(id -un)
for folder in {FOLDER}/"$name" {FOLDER}/"$(id -u)"; do
  record "folder $folder"; stat -c '%a %u %G' "$folder" 2>/dev/null
  gid=$(stat -c %g "$folder" 2>/dev/null) || continue
  record "members $folder"
  {{ getent group "$gid" | cut -d: -f4 | tr , '\n'
    awk -F: -v gid="$gid" '$4 == gid {{ print $1 }}' /etc/passwd; }} | sort -u |
    head -n {_MOST} | while read -r member; do
    [ -z "$member" ] || echo "$member $(id -u "$member" 2>/dev/null)"
  done
done
record certbot; command -v certbot
for plugin in /usr/lib/python3*/*-packages/certbot_nginx \\
  /snap/certbot/current/lib/python3*/site-packages/certbot_nginx; do
  [ -d "$plugin" ] && echo nginx && break
done
for site in /etc/nginx/*/"$1".conf /etc/caddy/*/"$1"*; do file site "$site"; done
record end
"""
_KEPT = 10
_DIGITS = 12

# $1 is how the file of the site is called, $2 what tells its text from others, $3 the web server.
_LEAVE = f"""
umask 077
folder=$HOME/.jupyter-remote-tunnel; file=$folder/$1-$2.$3
mkdir -p "$folder" && cat >"$file.new" && mv -f "$file.new" "$file" || exit
ls -t "$folder/$1"-{"?" * _DIGITS}."$3" | tail -n +{_KEPT + 1} | while read -r old; do
  rm -f "$old"
done
printf '{FENCE}%s' "$file"
"""
_SECONDS = 30.0
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
# In time that grows as the line does: it is the gateway's.
_IMPORT = re.compile(rf"import\s+(/?{_NAME}(?:/{_NAME})*)/\*((?:\.[A-Za-z0-9_-]+)?)\s*")
_PORTS = {"0050": 80, "01BB": 443, "07E3": 2019}
_WILDCARDS = {"00000000", 32 * "0"}
_FIRST_PERSON = 1000
"""Uids below are of root and of what the system brings (login.defs)."""


class Shell(Protocol):
    """Who runs commands on a gateway: `EngineClient` over SSH, `here.ThisMachine` where it is this
    machine.
    """

    async def exec(
        self,
        request: TunnelRequest | None,
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        timeout: float = ...,
        person: "Who | None" = ...,
    ) -> "Output":
        """Run `argv` there; `timeout` in seconds."""


@dataclass(frozen=True)
class FolderRights:
    """Of a folder: its mode, the uid of its owner and the name of its group."""

    mode: int
    uid: int
    group: str


@dataclass(frozen=True)
class ServerThere:
    """A web server that is installed on a gateway.

    :param running: whether it runs.
    :param group: of the processes that answer requests, as far as it is known: as its
        configuration says, or else as they run.
    :param user: of these processes, as its configuration says.
    :param uids: as which they run, those of the system alone.
    """

    kind: WebServer
    version: tuple[int, int] = (0, 0)
    running: bool = False
    group: str = ""
    user: str = ""
    uids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Gateway:
    """What was found.

    :param host: as it was typed.
    :param account: as a folder of it is called: the user's name, or their uid.
    :param sites: the path and the text of each file that is called as the site is; the text is None
        where it cannot be read or is larger than a site of ours.
    :param answers: whether a site of ours answers Let's Encrypt for that name, by nginx.
    :param claimed: files that show another site of that name.
    :param listening: which of the ports 80, 443 and 2019 somebody listens on.
    :param addresses: those of its interfaces that are not its loopback's.
    :param members: who is in the group of `folder`, and their uids.
    """

    host: str
    account: str
    uid: int
    kernel: str = ""
    selinux: bool = False
    servers: Mapping[WebServer, ServerThere] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    imports: tuple[tuple[str, str], ...] = ()
    sites: Mapping[str, str | None] = field(default_factory=dict)
    enabled: bool = False
    answers: bool = False
    claimed: tuple[str, ...] = ()
    listening: frozenset[int] = frozenset()
    addresses: tuple[Ip, ...] = ()
    parent: FolderRights | None = None
    folder: FolderRights | None = None
    members: Mapping[str, int | None] = field(default_factory=dict)
    certbot: bool = False
    certbot_nginx: bool = False

    @property
    def has_ipv6(self) -> bool:
        """Whether nginx can listen there."""
        return any(address.version == 6 for address in self.addresses)

    def choose(self, wanted: WebServer | None = None) -> ServerThere | None:
        """The web server to use: the one that is wanted, or that runs, or that is there."""
        among = [self.servers[kind] for kind in ("nginx", "caddy") if kind in self.servers]
        if wanted is not None:
            among = [server for server in among if server.kind == wanted]
        return next(iter(sorted(among, key=lambda server: not server.running)), None)

    def places(self, server: ServerThere) -> Places:
        """Where that server's sites belong.

        :raises BadInput: what the gateway says of it is not understood.
        """
        if server.kind == "caddy":
            folder, suffix = (self.imports or (("/etc/caddy/sites", ".caddy"),))[0]
            return Places(
                "caddy",
                server.group or "caddy",
                folder,
                suffix,
                imported=bool(self.imports),
                takes_orders=2019 in self.listening,
            )
        group = server.group or "www-data"
        available, enabled = "/etc/nginx/sites-available", "/etc/nginx/sites-enabled"
        if {available, enabled} <= set(self.folders):
            return Places("nginx", group, available, enabled=enabled)
        own = "/etc/nginx/http.d"
        return Places("nginx", group, own if own in self.folders else "/etc/nginx/conf.d")


async def look(
    shell: Shell, host: TunnelRequest, name: str, *, person: "Who | None" = None
) -> Gateway:
    """Ask a gateway.

    :param host: the gateway and how to log in to it, no forwards.
    :param name: of what is to be shown there.
    :raises RemoteTunnelError: it is out of reach, or runs no commands.
    """
    name = published_name(name)
    site = Site(name, "any")
    argv = ["sh", "-c", _LOOK, "sh", site.file_name, name.replace(".", r"\."), site.challenge_name]
    answer = await shell.exec(host, argv, timeout=_SECONDS, person=person)
    return parse(answer.stdout, host.host or name)


async def leave_site(
    shell: Shell,
    host: TunnelRequest,
    site: Site,
    server: WebServer,
    *,
    person: "Who | None" = None,
) -> str:
    """Leave the site's text in the user's home on the gateway, from where it is installed.

    That is for users who may use sudo: for an administrator, it would be a file of somebody else.
    Each text has a file of its own, so that what was printed for one never installs another; the
    latest ones stay.

    :returns: the path there.
    :raises RemoteTunnelError: the gateway is out of reach, or the file could not be written.
    """
    text = site.text(server).encode()
    digest = hashlib.sha256(text).hexdigest()[:_DIGITS]
    argv = ["sh", "-c", _LEAVE, "sh", site.file_name, digest, server]
    answer = await shell.exec(host, argv, text, person=person)
    path = next(iter(between_fences(answer.stdout)), "")
    if answer.status != 0 or not is_plain_path(path):
        said = plain(answer.stderr.decode(errors="replace"), 200)
        raise Fatal(
            f"The site could not be left in your home on {host.host}"
            f" ({said or 'no reason was given'}).",
            code="not_allowed",
            hint="Copy its text by hand.",
        )
    return path


def parse(output: bytes, host: str) -> Gateway:
    """What the command found; the first record of a name counts.

    :raises Fatal: it is no answer of ours.
    """
    records: dict[str, str] = {}
    for record in between_fences(output):
        key, newline, value = record.partition("\n")
        if newline:
            records.setdefault(key, value)
    who = records.get("account", "").splitlines()
    uid = _number(who[1]) if len(who) == 2 else None
    if uid is None or "end" not in records:
        raise Fatal(
            f"{host} does not tell what is there.",
            code="not_found",
            hint="Does it run commands? `sh -c id` there prints who you are.",
        )
    account = _account(who[0], uid)
    kernel = records.get("kernel", "").splitlines()
    certbot = records.get("certbot", "").splitlines()
    return Gateway(
        host=host,
        account=account,
        uid=uid,
        kernel=plain(kernel[0], 40) if kernel else "",
        selinux=kernel[1:] == ["1"],
        servers=_servers(records),
        folders=tuple(records.get("folders", "").splitlines()[:_MOST]),
        imports=tuple(_imports(records.get("imports", ""))),
        sites=dict(_sites(records)),
        enabled=records.get("enabled", "").strip() == "yes",
        answers="yes" in records.get("answers", ""),
        claimed=tuple(dict.fromkeys(_claimed(records.get("claimed", "")))),
        listening=frozenset(_listening(records.get("listeners", ""))),
        addresses=tuple(dict.fromkeys(_addresses(records.get("addresses", "")))),
        parent=_rights(records.get("parent", "")),
        folder=_rights(records.get(f"folder {FOLDER}/{account}", "")),
        members=dict(_members(records.get(f"members {FOLDER}/{account}", ""))),
        certbot=bool(certbot),
        certbot_nginx="nginx" in certbot,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def _account(name: str, uid: int) -> str:
    try:
        return Site("localhost", name).account
    except BadInput:
        return str(uid)


def _servers(records: Mapping[str, str]) -> dict[WebServer, ServerThere]:
    running = [line.split() for line in records.get("running", "").splitlines()]
    named = [line.split() for line in records.get("user", "").splitlines()]
    # A user, and perhaps a group.
    configured = {words[0]: (words[1], words[-1]) for words in named if len(words) > 1}
    found: dict[WebServer, ServerThere] = {}
    kinds: tuple[WebServer, ...] = ("nginx", "caddy")
    for kind in kinds:
        user, group = configured.get(kind, ("", ""))
        processes = [
            words for words in running if words[:1] == [kind] and _is_of_system(words[1:], group)
        ]
        said = records.get(kind, "").strip()
        if not said and not processes:
            continue
        # nginx's first process is root's, and only starts the others.
        groups = [words[2] for words in processes if len(words) == 3 and words[1] != "0"]
        uids = [_number(words[1]) for words in processes if words[1] != "0"]
        version = _VERSION.search(said)
        found[kind] = ServerThere(
            kind,
            (int(version[1]), int(version[2])) if version else (0, 0),
            running=bool(processes),
            group=plain(group or next(iter(groups), ""), 40),
            user=plain(user, 40),
            uids=frozenset(uid for uid in uids if uid is not None and uid < _FIRST_PERSON),
        )
    return found


def _is_of_system(words: list[str], group: str) -> bool:
    """Whether a process of [real uid, group] is root's, or of an account of the system, or of the
    web server's own group: every user can call a process as they like.
    """
    uid = _number(words[0]) if words else None
    return words[1:] == [group] or (uid is not None and uid < _FIRST_PERSON)


def _imports(text: str) -> Iterator[tuple[str, str]]:
    """The folders that a Caddyfile takes all files of, and how these end."""
    for line in text.splitlines():
        if found := _IMPORT.fullmatch(line):
            folder = found[1] if found[1].startswith("/") else f"/etc/caddy/{found[1]}"
            if is_plain_path(folder):
                yield folder, found[2]


def _sites(records: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for key, value in records.items():
        kind, _, path = key.partition(" ")
        if kind == "site" and is_plain_path(path):
            yield path, value if value and len(value.encode()) <= _LARGEST_SITE else None


def _claimed(text: str) -> Iterator[str]:
    """The files; that one is there counts, however it is called."""
    for path in text.splitlines()[:_SHOWN]:
        yield path if is_plain_path(path) else "a file whose path is no plain one"


def _listening(text: str) -> Iterator[int]:
    for line in text.splitlines():
        address, _, port = line.partition(":")
        # On 2019 Caddy takes orders, and that on its loopback.
        if port in _PORTS and (port != "07E3" or address not in _WILDCARDS):
            yield _PORTS[port]


def _addresses(text: str) -> Iterator[Ip]:
    for line in text.splitlines()[: _MOST + 1]:
        with contextlib.suppress(ValueError):
            # Without its zone, which may be any text.
            address = ip_address(line.strip().partition("/")[0].partition("%")[0])
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                yield address


def _members(text: str) -> Iterator[tuple[str, int | None]]:
    for line in text.splitlines()[:_MOST]:
        name, _, uid = line.rpartition(" ")
        if name:
            yield plain(name, 40), _number(uid)


def _rights(text: str) -> FolderRights | None:
    words = text.split()
    if len(words) != 3 or not re.fullmatch("[0-7]{1,4}", words[0]):
        return None
    uid = _number(words[1])
    return None if uid is None else FolderRights(int(words[0], 8), uid, plain(words[2], 40))
