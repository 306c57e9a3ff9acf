"""A small DNS server, of a network namespace with programs there that ask it as the system does, or
of this machine's loopback for whom it is told (`resolver`).

::

    with Namespace() as network, zone(network, {"a.example.org": ["A 192.0.2.7"]}) as asking:
        subprocess.run(asking(["getent", "hosts", "a.example.org"]))

A record is "A ADDRESS", "AAAA ADDRESS" or "CNAME NAME"; those of "*.example.org" count for all
names of one label more that have none; what is not in the zone does not exist.
"""

import contextlib
import json
import random
import shlex
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.netns import Namespace
from tests.support.process import child, program

Zone = Mapping[str, Sequence[str]]
_TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}
_ETC = {
    "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n",
    "nsswitch.conf": "hosts: files dns\n",
    "hosts": "127.0.0.1 localhost here.example.org\n",
}


@contextlib.contextmanager
def zone(network: Namespace, records: Zone) -> Iterator[Callable[[Sequence[str]], list[str]]]:
    """Run a server; what this gives makes the command line of a program that asks it."""
    argv = network.wrap([sys.executable, "-m", "tests.support.dns", json.dumps(records)])
    with tempfile.TemporaryDirectory(prefix="jrt-dns-") as folder, child(argv) as server:
        mounts = []
        for name, text in _ETC.items():
            Path(folder, name).write_text(text)
            bind = [program("mount"), "--bind", f"{folder}/{name}", f"/etc/{name}"]
            mounts.append(shlex.join(bind))

        def asking(program_there: Sequence[str]) -> list[str]:
            script = " && ".join([*mounts, f"exec {shlex.join(program_there)}"])
            own = [program("unshare"), "--mount", "--", "/bin/sh", "-c", script]
            return network.wrap(own)

        server.wait_for_line("listening")
        yield asking


@contextlib.contextmanager
def resolver(records: Zone) -> Iterator[str]:
    """Run a server on an address of the loopback; that, for a resolv.conf."""
    address = f"127.53.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
    argv = [sys.executable, "-m", "tests.support.dns", json.dumps(records), address]
    with child(argv) as server:
        server.wait_for_line("listening")
        yield address


def _known(name: str, records: Zone) -> Sequence[str] | None:
    """The records of a name; None: it does not exist."""
    return records.get(name, records.get(f"*.{name.partition('.')[2]}"))


def _packed(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _answers(name: str, kind: int, records: Zone) -> list[bytes]:
    """The records for a name, those behind its aliases too."""
    found = []
    for record in _known(name, records) or ():
        word, value = record.split()
        if word == "CNAME":
            found.append(_record(name, word, _packed(value)))
            found += _answers(value, kind, records)
        elif _TYPES[word] == kind:
            family = socket.AF_INET if word == "A" else socket.AF_INET6
            found.append(_record(name, word, socket.inet_pton(family, value)))
    return found


def _record(name: str, word: str, data: bytes) -> bytes:
    return _packed(name) + struct.pack(">HHIH", _TYPES[word], 1, 60, len(data)) + data


def _answer(query: bytes, records: Zone) -> bytes:
    labels, place = [], 12
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode())
        place += 1 + length
    name, end = ".".join(labels).lower(), place + 5
    (kind,) = struct.unpack(">H", query[place + 1 : place + 3])
    answers = _answers(name, kind, records)
    flags = 0x8580 | (3 if _known(name, records) is None else 0)  # it is the authority; NXDOMAIN
    return (
        query[:2]
        + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
        + query[12:end]
        + b"".join(answers)
    )


def _serve(records: Zone, address: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))
        print("listening", flush=True)  # noqa: T201 (for whoever waits for it)
        while True:
            query, who = listening.recvfrom(512)
            listening.sendto(_answer(query, records), who)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]), *sys.argv[2:])
