"""OpenSSH's own sshd on loopback or in a network namespace, and all its client needs.

An `SshBed` is a private folder with one user key, one known_hosts file and one client
configuration; `bed.host("gpu01")` starts a real sshd and writes an alias for it::

    with SshBed() as bed:
        gateway = bed.host("gw")
        bed.host("gpu01", client=["ProxyJump gw"], server=["AllowTcpForwarding no"])
        bed.ssh("gpu01", "echo hello")          # OpenSSH's client, for comparison
        gateway.kill()                          # with all its connections
        gateway.start()                         # the same port and host key

Clients are pointed to `bed.config_file` (ssh -F), which names the keys and known_hosts of the bed;
``~/.ssh`` plays no part.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh
import psutil

from tests.support.netns import Namespace
from tests.support.ports import ReservedPort
from tests.support.process import (
    Child,
    PeerError,
    answers,
    child,
    descendants,
    environment,
    kill_all,
    program,
    wait_until,
)

_SERVER = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
SetEnv {env}
PrintMotd no
LogLevel VERBOSE
Subsystem sftp internal-sftp
MaxStartups 100:30:200
MaxSessions 200
"""

_CLIENT_END = """\
Host *
    IdentityFile {bed}/user_key
    IdentitiesOnly yes
    UserKnownHostsFile {bed}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""


def make_key(
    path: Path, *, passphrase: str = "", kind: str = "ed25519", old_format: bool = False
) -> Path:
    """Make a key pair `path`, `path`.pub and return the private one.

    By OpenSSH's own tool, but for what is made thousands of times: a plain key of ed25519.
    `old_format`: as PEM, which OpenSSH wrote before it had a format of its own (not for ed25519).
    """
    if kind == "ed25519" and not passphrase:
        return _make_plain_key(path)
    keygen = [
        program("ssh-keygen"),
        "-q",
        "-t",
        kind,
        "-N",
        passphrase,
        "-C",
        "test",
        "-f",
        str(path),
        *(["-m", "PEM"] if old_format else []),
        *(["-b", "2048"] if kind == "rsa" else []),  # a longer one takes seconds to find
        *(["-a", "1"] if passphrase else []),  # each try at the passphrase costs so many rounds
    ]
    subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
    return path


def _make_plain_key(path: Path) -> Path:
    # The comment is that of ssh-add's list, too.
    key = asyncssh.generate_private_key("ssh-ed25519", comment="test")
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())
    return path


def fingerprint(path: Path) -> str:
    """``SHA256:…`` of a key, as OpenSSH prints it."""
    shown = subprocess.run(
        [program("ssh-keygen"), "-l", "-E", "sha256", "-f", path],
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.split()[1]


class Sshd:
    """One sshd. Its port, host key and alias stay the same over `kill`/`stop` and `start`.

    `server` holds lines for sshd_config (the first mention of a word wins, so they come before
    ours), `env` what is set for all that its user runs, and `client` lines for the alias's block in
    the client's configuration. Its user has an empty home: that of whoever runs the tests has shell
    profiles that may do anything, slowly.
    """

    def __init__(
        self,
        bed: "SshBed",
        alias: str,
        *,
        server: Sequence[str] = (),
        env: Mapping[str, str | Path] | None = None,
        client: Sequence[str] = (),
        namespace: Namespace | None = None,
    ) -> None:
        self.alias = alias
        self.client = list(client)
        self.user = getpass.getuser()
        self.namespace = namespace
        self.address = namespace.address if namespace else "127.0.0.1"
        self.folder = bed.folder / f"sshd-{alias}"
        self.folder.mkdir(mode=0o700)
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.host_key = make_key(self.folder / "host_key")
        self.authorized_keys = self.folder / "authorized_keys"
        shutil.copy(f"{bed.user_key}.pub", self.authorized_keys)
        (self.folder / "user").mkdir()
        self.configure(server, env=env)
        self._child: Child | None = None
        self._orphans: list[psutil.Process] = []

    def configure(
        self, server: Sequence[str] = (), *, env: Mapping[str, str | Path] | None = None
    ) -> None:
        """Write sshd_config anew with the lines `server`; takes effect at the next `start`."""
        # SHLVL: with none, bash takes itself for a login's first shell and reads a ~/.bashrc.
        variables = {"HOME": self.user_home, "SHLVL": "1", **(env or {})}
        ours = _SERVER.format(
            port=self.port,
            address=self.address,
            folder=self.folder,
            env=" ".join(f"{name}={value}" for name, value in variables.items()),
        )
        text = "".join(f"{line}\n" for line in server) + ours
        (self.folder / "sshd_config").write_text(text)

    @property
    def user_home(self) -> Path:
        """The home of its user, as its processes see it."""
        return self.folder / "user"

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` of its host key."""
        return fingerprint(self.host_key)

    @property
    def known_hosts_line(self) -> str:
        """The line that a known_hosts file needs to accept it."""
        key = self.host_key.with_suffix(".pub").read_text().split()
        return f"[{self.address}]:{self.port} {key[0]} {key[1]}\n"

    @property
    def log(self) -> str:
        """What sshd has logged since the last `start`."""
        return self._child.output if self._child else ""

    @property
    def running(self) -> bool:
        """Whether the listening process lives."""
        return self._child is not None and self._child.returncode is None

    def command(self) -> list[str]:
        """The command line that runs it in the foreground."""
        return [program("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]

    def start(self) -> None:
        """Start it, and return when it shows its banner."""
        if self.running:
            raise PeerError(f"sshd {self.alias} is running already")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
        argv = self.command()
        self._child = Child(self.namespace.wrap(argv) if self.namespace else argv)
        self._child.wait_for_line(r"Server listening on")
        if self.namespace is None or self.namespace.reachable:
            self._greet()

    def _greet(self) -> None:
        with socket.create_connection((self.address, self.port), timeout=10) as connection:
            banner = connection.recv(255)
        if not banner.startswith(b"SSH-2.0-"):
            raise PeerError(f"no SSH server on {self.address}:{self.port}: {banner!r}")

    def stop(self) -> None:
        """SIGTERM to the listener only: live connections go on, new ones are refused."""
        assert self._child is not None
        self._orphans += descendants(self._child.pid)
        self._child.send_signal(signal.SIGTERM)
        self._child.wait(output=False)

    def kill(self) -> None:
        """SIGKILL to listener and connections: the kernel closes what was open, nobody says why."""
        kill_all(self._orphans)
        self._orphans.clear()
        if self._child is not None:
            self._child.kill()

    @property
    def connections(self) -> list[psutil.Process]:
        """The processes that serve its live connections, and what runs in them."""
        return descendants(self._child.pid) if self._child else []

    def drop_connections(self) -> None:
        """SIGKILL to the live connections; the listener goes on and serves new ones."""
        kill_all(self.connections)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """All of it stands still (SIGSTOP): TCP answers, sshd does not."""
        assert self._child is not None
        frozen = [psutil.Process(self._child.pid), *self.connections]
        for process in frozen:
            # One that served a login until now may just have ended.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def close(self) -> None:
        """Kill it and give its port back."""
        self.kill()
        self._reserved.release()


class SshBed:
    """Several sshds with one client configuration; see the module's docstring."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jrt-bed-"))
        self.user = getpass.getuser()
        self.user_key = make_key(self.folder / "user_key")
        self.known_hosts = self.folder / "known_hosts"
        self.config_file = self.folder / "ssh_config"
        self.hosts: dict[str, Sshd] = {}
        self.known_hosts.touch()
        self.write_config()

    def host(
        self,
        alias: str,
        *,
        server: Sequence[str] = (),
        env: Mapping[str, str | Path] | None = None,
        client: Sequence[str] = (),
        namespace: Namespace | None = None,
        known: bool = True,
        start: bool = True,
    ) -> Sshd:
        """Start one more sshd and write its alias; `known` puts its key into known_hosts."""
        sshd = Sshd(self, alias, server=server, env=env, client=client, namespace=namespace)
        self.add(sshd, known=known)
        if start:
            sshd.start()
        return sshd

    def add(self, sshd: Sshd, *, known: bool = True) -> None:
        """Write the alias of an sshd made elsewhere, and close it with the bed."""
        self.hosts[sshd.alias] = sshd
        self.write_config()
        if known:
            self.know(sshd)

    def know(self, sshd: Sshd) -> None:
        """Put the host key of `sshd` into the bed's known_hosts."""
        with self.known_hosts.open("a") as file:
            file.write(sshd.known_hosts_line)

    @contextlib.contextmanager
    def guests(self) -> Iterator[None]:
        """The hosts that are added in the block go at its end; known_hosts is as it was before."""
        hosts, known = dict(self.hosts), self.known_hosts.read_text()
        try:
            yield
        finally:
            for alias in self.hosts.keys() - hosts.keys():
                guest = self.hosts.pop(alias)
                guest.close()
                shutil.rmtree(guest.folder)
            self.write_config()
            self.known_hosts.write_text(known)

    def write_config(self, extra: str = "") -> None:
        """Write the client's configuration: `extra`, a block for each host, what all share."""
        blocks = [extra]
        for sshd in self.hosts.values():
            words = [f"HostName {sshd.address}", f"Port {sshd.port}", f"User {sshd.user}"]
            lines = "".join(f"    {line}\n" for line in [*words, *sshd.client])
            blocks.append(f"Host {sshd.alias}\n{lines}")
        blocks.append(_CLIENT_END.format(bed=self.folder))
        self.config_file.write_text("\n".join(blocks))

    def ssh(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run OpenSSH's client with the bed's configuration, for comparison with ours."""
        return subprocess.run(
            [program("ssh"), "-F", self.config_file, *arguments],
            check=check,
            capture_output=True,
            text=True,
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    @contextlib.contextmanager
    def agent(self, *keys: Path) -> Iterator[Path]:
        """A real ssh-agent that holds `keys` (without one: the user key); its socket's path."""
        agent_socket = self.folder / "agent.sock"
        with child([program("ssh-agent"), "-D", "-a", agent_socket]):
            wait_until(lambda: answers(agent_socket), "ssh-agent to listen")
            env = environment({"SSH_AUTH_SOCK": str(agent_socket)})
            for key in keys or (self.user_key,):
                subprocess.run([program("ssh-add"), "-q", key], check=True, env=env)
            yield agent_socket
        agent_socket.unlink(missing_ok=True)

    def close(self) -> None:
        """End every sshd and remove the folder."""
        for sshd in self.hosts.values():
            sshd.close()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
