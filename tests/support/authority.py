"""A certificate authority for users and hosts: ssh-keygen signs, hosts and clients trust it.

::

    authority = Authority(bed.folder)
    authority.sign_user(bed.user_key, ["alice"])          # writes user_key-cert.pub beside it
    shown = authority.sign_host(sshd, ["127.0.0.1"])     # for sshd_config: HostCertificate …
    sshd.configure([shown, authority.trusted_by_host])   # and TrustedUserCAKeys …
    bed.known_hosts.write_text(authority.trusted_by_client)
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.process import program
from tests.support.sshd import Sshd, make_key


class Authority:
    """One key that signs others'; it lies in `folder`."""

    def __init__(self, folder: Path, name: str = "authority", kind: str = "ed25519") -> None:
        self.key = make_key(folder / name, kind=kind)
        self.public_key = Path(f"{self.key}.pub")

    @property
    def trusted_by_host(self) -> str:
        """The line for sshd_config by which a host takes users that it has signed."""
        return f"TrustedUserCAKeys {self.public_key}"

    @property
    def trusted_by_client(self) -> str:
        """The line for known_hosts by which a client takes all hosts that it has signed."""
        return f"@cert-authority * {self.public_key.read_text()}"

    def sign_user(
        self, key: Path, principals: Sequence[str], *, valid: str = "-1d:+1d", options: str = ""
    ) -> Path:
        """Certify a user's key for accounts; the certificate lies beside it, as ssh looks for it.

        `valid` and `options` as for ssh-keygen's -V and -O: ``no-port-forwarding`` …
        """
        return self._sign(key, principals, valid, ["-O", options] if options else [])

    def sign_host(self, sshd: Sshd, names: Sequence[str], *, valid: str = "-1d:+1d") -> str:
        """Certify a host's key for host names; the line for sshd_config that shows it."""
        return f"HostCertificate {self._sign(sshd.host_key, names, valid, ['-h'])}"

    def _sign(self, key: Path, names: Sequence[str], valid: str, more: Sequence[str]) -> Path:
        words = ["-q", "-s", str(self.key), "-I", "test", "-n", ",".join(names), "-V", valid, *more]
        subprocess.run(
            [program("ssh-keygen"), *words, f"{key}.pub"], check=True, stdin=subprocess.DEVNULL
        )
        return Path(f"{key}-cert.pub")
