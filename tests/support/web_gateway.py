"""A gateway as its owner has it: sshd for ``ann``, nginx or Caddy on ports 80 and 443, ``bob``.

It is a network of its own with processes of its own, in which folders of ours stand in the place of
``/etc``, ``/home``, ``/run`` and ``/var``: the web servers have the configuration that Debian gives
them, and run as its users. What is typed there by someone who may use sudo is typed with `type`::

    with Namespace() as network, SshBed() as bed:
        gateway = WebGateway(bed, "gw", network)
        bed.add(gateway)
        gateway.start()
        with gateway.nginx():
            gateway.type(["sudo nginx -t"])
            gateway.run("id", "-un", user="bob").stdout

Needs root.
"""

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from typing_extensions import override

from tests.support.netns import Namespace
from tests.support.process import PeerError, child, descendants, environment, program, wait_until
from tests.support.sshd import SshBed, Sshd

_USERS = {"www-data": 33, "ann": 64900, "bob": 64901, "caddy": 64902}
# Caddy's is that of its unit. With the other one ann runs our Python, which may stand in a private
# home; to write and to connect she has no more rights than others.
_RIGHTS = {"caddy": "net_bind_service", "ann": "dac_read_search"}
_FROM_THE_MACHINE = (
    *("alternatives", "caddy", "hosts", "ld.so.cache", "login.defs", "nginx", "pam.conf"),
    *("pam.d", "security", "ssl"),
)
_FOLDERS = (
    *("run/sshd", "run/bin", "home/ann"),
    *("var/lib/nginx", "var/lib/caddy", "var/log/nginx", "var/www", "var/empty"),
)
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files\n"
_PATH = "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Whether the machine has certbot, and its plugin for nginx, is not for the gateway.
_CERTBOT = "/usr/bin/certbot"
_PACKAGES = "/usr/lib/python3/dist-packages"
_HIDE_PLUGIN = (
    "mkdir -p /run/packages/all /run/packages/most"
    f" && mount --bind {_PACKAGES} /run/packages/all"
    " && ln -sf /run/packages/all/* /run/packages/most"
    " && rm -f /run/packages/most/certbot_nginx*"
    f" && mount --bind /run/packages/most {_PACKAGES}"
)
_HIDE_CERTBOT = (
    f"{{ [ ! -e {_CERTBOT} ] || mount --bind /dev/null {_CERTBOT}; }}"
    f" && {{ [ ! -e {_PACKAGES}/certbot_nginx ] || {{ {_HIDE_PLUGIN}; }}; }}"
)

# Who types there is root already.
_SUDO = """#!/bin/sh
if [ "$1" = -u ]; then
  user=${2#\\#}
  shift 2
  exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"
fi
exec "$@"
"""


class WebGateway(Sshd):
    """See the module's docstring. `root` holds the folders that stand for the machine's."""

    def __init__(self, bed: SshBed, alias: str, network: Namespace) -> None:
        super().__init__(bed, alias, namespace=network)
        self.user = "ann"
        self.root = self.folder / "root"
        self._make_root()
        self.authorized_keys = self.authorized_keys.rename(self.root / "etc" / "authorized_keys")
        self.authorized_keys.chmod(0o644)
        self.configure(["AuthorizedKeysFile /etc/authorized_keys"])

    def _make_root(self) -> None:
        for name in _FOLDERS:
            (self.root / name).mkdir(mode=0o755, parents=True)
        etc = self.root / "etc"
        etc.mkdir()
        for name in _FROM_THE_MACHINE:
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, etc / name, symlinks=True)
            elif source.exists():
                shutil.copy(source, etc / name)
        passwd = ["root:*:0:0::/root:/bin/sh", "sshd:x:65533:65534::/run/sshd:/bin/false"]
        passwd += [f"{name}:*:{uid}:{uid}::/home/{name}:/bin/sh" for name, uid in _USERS.items()]
        group = ["root:x:0:", "nogroup:x:65534:"]
        group += [f"{name}:x:{uid}:" for name, uid in _USERS.items()]
        (etc / "passwd").write_text("\n".join([*passwd, ""]))
        (etc / "group").write_text("\n".join([*group, ""]))
        (etc / "nsswitch.conf").write_text(_NSSWITCH)
        for folder, name in (("home/ann", "ann"), ("var/lib/caddy", "caddy")):
            shutil.chown(self.root / folder, _USERS[name], _USERS[name])
        sudo = self.root / "run" / "bin" / "sudo"
        sudo.write_text(_SUDO)
        sudo.chmod(0o755)

    @property
    @override
    def user_home(self) -> Path:
        return Path("/home/ann")

    @override
    def command(self) -> list[str]:
        mounts = [
            shlex.join([program("mount"), "--bind", str(self.root / name), f"/{name}"])
            for name in ("home", "run", "var", "etc")
        ]
        script = " && ".join([*mounts, _HIDE_CERTBOT, f"exec {shlex.join(super().command())}"])
        own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [program("unshare"), *own, "--", "/bin/sh", "-c", script]

    @contextlib.contextmanager
    def certbot(self, *, plugin: bool) -> Iterator[None]:
        """The machine's certbot is there, with or without its plugin for nginx."""
        hidden = [_CERTBOT, _PACKAGES] if plugin else [_CERTBOT]
        self.type([f"umount {path}" for path in hidden])
        try:
            yield
        finally:
            self.type([_HIDE_CERTBOT])

    @property
    def _first(self) -> int:
        """Our number of the gateway's first process."""
        assert self._child is not None
        family = descendants(self._child.pid)
        return min(family, key=lambda process: process.create_time()).pid

    def processes(self, name: str, user: str) -> list[psutil.Process]:
        """What runs there of that name, as that user."""
        here = Path(f"/proc/{self._first}/ns/pid").readlink()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                is_theirs = process.uids().effective == _USERS[user]
                has_ended = process.status() == psutil.STATUS_ZOMBIE
                if process.name() == name and is_theirs and not has_ended:
                    is_there = Path(f"/proc/{process.pid}/ns/pid").readlink() == here
                    found += [process] if is_there else []
        return found

    def inside(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """The command line that runs `argv` on the gateway, as a user of its."""
        into = [program("nsenter"), f"--target={self._first}", "--mount", "--pid", "--net", "--"]
        home = f"/var/lib/{user}" if user == "caddy" else f"/home/{user}"
        into += [program("env"), f"PATH={_PATH}", f"HOME={home}"]
        if user != "root":
            uid, right = _USERS[user], _RIGHTS.get(user)
            rights = [f"--ambient-caps=+{right}", f"--inh-caps=+{right}"] if right else []
            into += [program("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
            into += [*rights, "--"]
        return [*into, *argv]

    def run(self, *argv: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            self.inside(argv, user),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    def type(self, lines: Sequence[str]) -> str:
        """Run lines of a shell as root; what they print. One that fails is an error."""
        done = self.run("sh", "-ec", "\n".join(lines))
        if done.returncode != 0:
            raise PeerError(f"{lines} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def nginx(self) -> Iterator[None]:
        """nginx runs, as Debian starts it."""
        self.type(["nginx"])
        try:
            # It listens before that; a reload in between would be lost.
            wait_until(lambda: self.processes("nginx", "www-data"), "nginx's first worker")
            yield
        finally:
            self.type(["nginx -s stop", "while [ -e /run/nginx.pid ]; do sleep 0.01; done"])

    @contextlib.contextmanager
    def caddy(self) -> Iterator[None]:
        """Caddy runs, as Debian starts it."""
        argv = ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]
        with child(self.inside(argv, "caddy")) as caddy:
            caddy.wait_for_line("serving initial configuration")
            yield

    def path(self, path: str) -> Path:
        """Where we find the file that has this path there."""
        return self.root / path.lstrip("/")
