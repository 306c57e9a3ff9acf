"""OpenSSH's own sshd with PAM and an account with a password: a host that asks questions.

A `PamSshd` is an `Sshd` of a bed whose only account is ``alice``. What it asks is put together from
the modules that every Debian has, as an administrator would do it::

    with SshBed() as bed:
        host = pam_host(bed, "gpu01", "keyboard-interactive", asks=("password", "code"))
        answers = [host.password, host.code]
        ssh_with_answers(bed, "gpu01", "id", "-un", answers=answers)   # see tests.support.askpass
        host.attempts                                   # ["Accepted keyboard-interactive/pam"]

The machine's accounts play no part: sshd runs in a mount namespace of its own, in which folders of
its own stand in the place of ``/etc``, ``/home`` and ``/var/log``. Folders and not single files,
because a changed password is a new ``/etc/shadow`` that is renamed over the old one, and no mounted
file lets itself be replaced. They are ours to look into, as `PamSshd.etc` and `PamSshd.home`.

What OpenSSH's sshd never does, whatever PAM says: ask two questions at once, and offer the password
method's own change of an expired password (it lets the account in, and forwards nothing for it).

Needs root.
"""

import ctypes
import errno
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from typing_extensions import override

from tests.support.netns import Namespace
from tests.support.process import MARK, MARK_VALUE, PeerError, program, wait_until
from tests.support.sshd import SshBed, Sshd

#: What it may ask, in the order wanted: the account's ``password``; a ``code``, as a second factor;
#: nothing, but it says `PUSH` and waits for `PamSshd.answer_push`; nothing, but it says `MESSAGE`.
Ask = Literal["password", "code", "push", "message"]

USER = "alice"
MESSAGE = "Maintenance on Sunday."
PUSH = "Pushed a login request to your phone."

_UID = 64900  # nobody's: Debian gives the numbers around it away one by one

# sshd sheds its rights in favour of the account of its own name.
_PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:{_UID}:{_UID}::/home/{USER}:/bin/sh
"""
_GROUP = f"root:x:0:\nnogroup:x:65534:\n{USER}:x:{_UID}:\n"
_NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"

# What else programs read in /etc; a machine may lack some of it.
_FROM_THE_MACHINE = ("alternatives", "hosts", "ld.so.cache", "resolv.conf")

# A step either skips the pam_deny after it or ends there, which is how Debian writes it. (A failed
# pam_exec by itself counts as a broken system, of which sshd tells the client nothing. ignore=1: at
# pam_setcred, which sshd calls in another process, pam_exec has nothing to say.)
#
# pam_exec asks only if no module before it has asked. pam_ftp always asks and hands the answer on;
# that it would let "ftp" in plays no part. A script gets PAM's environment, so it is marked anew.
_SCRIPT = f"/usr/bin/env {MARK}={MARK_VALUE} /bin/sh /etc/factor"
_STEPS: dict[Ask, str] = {
    "password": """\
auth [success=1 default=ignore] pam_unix.so nodelay
auth requisite pam_deny.so
""",
    "code": f"""\
auth [default=ignore] pam_ftp.so
auth [success=1 ignore=1 default=ignore] pam_exec.so quiet expose_authtok {_SCRIPT}/code.sh
auth requisite pam_deny.so
""",
    "push": f"""\
auth [success=1 ignore=1 default=ignore] pam_exec.so quiet stdout {_SCRIPT}/push.sh
auth requisite pam_deny.so
""",
    "message": """\
auth optional pam_echo.so file=/etc/factor/message
""",
}
_PAM_END = """\
auth required pam_permit.so
account required pam_unix.so
password required pam_unix.so sha512 minlen=8
session required pam_permit.so
"""
_CODE_SCRIPT = 'read -r code\n[ "$code" = "$(cat /etc/factor/code)" ]\n'
_PUSH_SCRIPT = f'echo "{PUSH}"\nread -r verdict < /etc/factor/push\n[ "$verdict" = approve ]\n'


class PamSshd(Sshd):
    """A host that asks; everything of `Sshd` holds for it, and it is not started yet.

    `methods` is for sshd_config's AuthenticationMethods, with a space between alternatives:
    ``password``, ``keyboard-interactive``, ``publickey,keyboard-interactive`` … No others are
    offered. To the method ``password`` belongs one answer, which sshd gives to all that PAM asks.
    """

    def __init__(
        self,
        bed: SshBed,
        alias: str,
        methods: str,
        *,
        asks: Sequence[Ask] = ("password",),
        expired: bool = False,
        server: Sequence[str] = (),
        client: Sequence[str] = (),
        namespace: Namespace | None = None,
    ) -> None:
        if os.getuid() != 0:
            raise PeerError("tests with accounts of their own have to run as root (in a container)")
        self.methods = methods
        client = [*client, "BatchMode no"]
        super().__init__(bed, alias, server=server, client=client, namespace=namespace)
        self.user = USER
        self.password = secrets.token_urlsafe(12)
        self.code = f"{secrets.randbelow(10**6):06}"
        self.etc, self.home, self._logs = (self.folder / name for name in ("etc", "home", "log"))
        self._make_etc(asks)
        self.set_password(self.password, expired=expired)
        for folder in (self.home, self._logs):
            folder.mkdir(mode=0o755)
        (self.home / USER).mkdir(mode=0o700)
        os.chown(self.home / USER, _UID, _UID)
        # The account has to reach it, and nothing of the bed's folder.
        self.authorized_keys = self.authorized_keys.rename(self.etc / "authorized_keys")
        self.authorized_keys.chmod(0o644)

    def _make_etc(self, asks: Sequence[Ask]) -> None:
        self.etc.mkdir(mode=0o755)
        for name in _FROM_THE_MACHINE:
            _copy(Path("/etc", name), self.etc / name)
        (self.etc / "passwd").write_text(_PASSWD)
        (self.etc / "group").write_text(_GROUP)
        (self.etc / "nsswitch.conf").write_text(_NSSWITCH)
        (self.etc / "pam.d").mkdir()
        (self.etc / "pam.d" / "sshd").write_text("".join(_STEPS[ask] for ask in asks) + _PAM_END)
        factor = self.etc / "factor"
        factor.mkdir(mode=0o700)
        (factor / "code.sh").write_text(_CODE_SCRIPT)
        (factor / "code").write_text(self.code)
        (factor / "push.sh").write_text(_PUSH_SCRIPT)
        (factor / "message").write_text(MESSAGE)
        self._push = factor / "push"
        os.mkfifo(self._push)

    @property
    @override
    def user_home(self) -> Path:
        return Path("/home", USER)

    @override
    def configure(
        self, server: Sequence[str] = (), *, env: Mapping[str, str | Path] | None = None
    ) -> None:
        words = re.split("[ ,]", self.methods)
        ours = [
            "UsePAM yes",
            f"AuthenticationMethods {self.methods}",
            f"PasswordAuthentication {_yes('password' in words)}",
            f"KbdInteractiveAuthentication {_yes('keyboard-interactive' in words)}",
            f"PubkeyAuthentication {_yes('publickey' in words)}",
            "AuthorizedKeysFile /etc/authorized_keys",
        ]
        super().configure([*server, *ours], env=env)

    @override
    def command(self) -> list[str]:
        places = ((self.etc, "/etc"), (self.home, "/home"), (self._logs, "/var/log"))
        mount = [program("mount"), "--bind"]
        mounts = [shlex.join([*mount, str(folder), place]) for folder, place in places]
        script = " && ".join([*mounts, f"exec {shlex.join(super().command())}"])
        return [program("unshare"), "--mount", "--", "/bin/sh", "-c", script]

    def set_password(self, password: str, *, expired: bool = False) -> None:
        """Give the account another password; `expired`: to be changed at the next login."""
        self.password = password
        changed = "0" if expired else ""
        text = f"root:*:::::::\n{USER}:{_hash(password)}:{changed}:0:99999:7:::\n"
        shadow = self.etc / "shadow"
        shadow.touch(mode=0o600)
        shadow.write_text(text)

    def accepts(self, password: str) -> bool:
        """Whether that is the account's password now; a login may have changed it."""
        known = re.search(rf"^{USER}:([^:]+):", (self.etc / "shadow").read_text(), re.MULTILINE)
        assert known is not None
        return _hash(password, known[1]) == known[1]

    @property
    def attempts(self) -> list[str]:
        """What was tried since the last `start` and what became of it: ``Failed password`` …

        The log comes a moment after the client knows; so wait until this is as it should be.
        """
        found = re.findall(r"^(Accepted|Failed|Partial) (\S+) for", self.log, re.MULTILINE)
        return [f"{outcome} {method}" for outcome, method in found]

    @property
    def failures(self) -> int:
        """How many of the `attempts` failed. A key that the host does not know is one, too."""
        return sum(attempt.startswith("Failed ") for attempt in self.attempts)

    def answer_push(self, *, approve: bool) -> None:
        """Answer the push on the phone, as soon as there is one."""
        phone = wait_until(self._phone, "a push")
        assert phone is not None
        with phone:
            phone.write(b"approve\n" if approve else b"deny\n")

    def _phone(self) -> BinaryIO | None:
        try:
            return os.fdopen(os.open(self._push, os.O_WRONLY | os.O_NONBLOCK), "wb")
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None  # no push waits for an answer

    @override
    def kill(self) -> None:
        super().kill()
        # The script of a push outlives a login that sshd gives up, as a child of nobody here.
        if phone := self._phone():
            phone.close()


def pam_host(
    bed: SshBed,
    alias: str,
    methods: str,
    *,
    asks: Sequence[Ask] = ("password",),
    expired: bool = False,
    server: Sequence[str] = (),
    client: Sequence[str] = (),
    namespace: Namespace | None = None,
    known: bool = True,
) -> PamSshd:
    """Start a `PamSshd` and write its alias, as `SshBed.host` does for an `Sshd`."""
    sshd = PamSshd(
        bed,
        alias,
        methods,
        asks=asks,
        expired=expired,
        server=server,
        client=client,
        namespace=namespace,
    )
    bed.add(sshd, known=known)
    sshd.start()
    return sshd


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy(source, target, follow_symlinks=False)


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


def _hash(password: str, like: str | None = None) -> str:
    """The hash of a password as /etc/shadow has it; with the salt of the hash `like`."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    salt = like or f"$6${secrets.token_hex(8)}$"
    made: bytes = crypt(password.encode(), salt.encode())
    return made.decode()
