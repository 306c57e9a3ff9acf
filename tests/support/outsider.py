"""Somebody in a network beyond a gateway, who knows its published Jupyter by name."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_remote_tunnel.model.address import bracketed
from tests.support.netns import Namespace
from tests.support.process import environment, program

# Prints which ports of an address take connections, as JSON.
SCAN = """
import errno, json, socket, struct, sys
found = []
def new():
    probe = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    # One that does not wait hears of a refusal only when it is used again, for another port.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
    return probe
probe = new()
for port in range(1, 65536):
    said = probe.connect_ex((sys.argv[1], port))
    if said == 0:
        found.append(port)
    if said != errno.ECONNREFUSED:  # after which it is as new
        probe.close()
        probe = new()
print(json.dumps(found))
"""

# Prints what a port answers to a text.
SAY = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as there:
    there.sendall(sys.argv[3].encode())
    print(there.makefile(newline="").read(), end="")
"""


class Outsider:
    """See the module. They are at that `address`.

    :param network: theirs, behind the gateway's.
    :param trusted: the authority whose certificates they trust.
    :param name: by which they ask.
    :param ipv6: whether they go there by IPv6. They ask at the address `asks`.
    """

    def __init__(self, network: Namespace, trusted: Path, name: str, *, ipv6: bool = False) -> None:
        self.address = network.address6 if ipv6 else network.address
        self.asks = network.near_address6 if ipv6 else network.near_address
        self._network = network
        self._trusted = trusted
        self._name = name

    def _run(self, *argv: str) -> str:
        words = self._network.wrap(argv)
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=environment(), timeout=120
        )
        return done.stdout

    def said(self, port: int, asked: str) -> str:
        """What is answered to this, on a connection of its own."""
        return self._run(sys.executable, "-c", SAY, self.asks, str(port), asked)

    def status(self, path: str, *more: str, port: int = 443) -> int:
        """The status of the answer to a request by the name; 0 where there is none, or none that
        is to be trusted.

        :param more: options of curl.
        """
        url = f"{'http' if port == 80 else 'https'}://{self._name}:{port}{path}"
        place = f"{self._name}:{port}:{bracketed(self.asks)}"
        argv = [program("curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", place]
        return int(self._run(*argv, "--cacert", str(self._trusted), *more, url))

    @contextlib.contextmanager
    def connected(self, path: str, port: int) -> Iterator[None]:
        """While they ask for something, and are not done with it."""
        place = f"{bracketed(self.asks)}:{port}"
        argv = [
            program("openssl"),
            "s_client",
            "-quiet",
            "-connect",
            place,
            "-servername",
            self._name,
        ]
        asks = f"GET {path} HTTP/1.1\r\nHost: {self._name}:{port}\r\nContent-Length: 1\r\n\r\n"
        with subprocess.Popen(
            self._network.wrap(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        ) as asking:
            assert asking.stdin is not None
            asking.stdin.write(asks.encode())
            asking.stdin.flush()
            try:
                yield
            finally:
                asking.kill()

    def certificate(self, port: int) -> str:
        """What is shown there; "" where nothing is."""
        place = f"{bracketed(self.asks)}:{port}"
        argv = [program("openssl"), "s_client", "-connect", place, "-servername", self._name]
        shown = re.search("-BEGIN CERTIFICATE-(.*)-END CERTIFICATE-", self._run(*argv), re.DOTALL)
        return shown[1] if shown else ""

    def open_ports(self) -> list[int]:
        """All ports of the gateway that take connections."""
        said = self._run(sys.executable, "-c", SCAN, self.asks)
        found: list[int] = json.loads(said)
        return found
