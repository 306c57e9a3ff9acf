"""An ssh-agent with one key on a security key (FIDO), which signs when it is touched.

There is no such device here, so the agent is ours and makes the signatures itself; OpenSSH's sshd
verifies them::

    async with sk_agent(folder / "agent.sock") as agent:
        sshd.authorized_keys.write_text(agent.public_key)
        ...                         # log in with the agent at that socket
        await agent.waits.wait()    # the key blinks
        agent.touched.set()
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from asyncssh.packet import Byte, SSHPacket, String, UInt32
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ALGORITHM = b"sk-ssh-ed25519@openssh.com"
_APPLICATION = b"ssh:"
_IDENTITIES = (11, 12)  # asked, answered; from draft-ietf-sshm-ssh-agent
_SIGN = (13, 14)
_PRESENT = Byte(1)


class SkAgent:
    """The agent; `waits` is set when its key blinks, `touched` by the one that touches it."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.touched = asyncio.Event()
        self._key = Ed25519PrivateKey.generate()
        self._count = 0
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._blob = String(_ALGORITHM) + String(raw) + String(_APPLICATION)

    @property
    def public_key(self) -> str:
        """The line for authorized_keys."""
        return f"{_ALGORITHM.decode()} {base64.b64encode(self._blob).decode()}\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client, until it leaves, or this is closed."""
        self._clients[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    length = int.from_bytes(await reader.readexactly(4))
                    answer = await self._answer(SSHPacket(await reader.readexactly(length)))
                    writer.write(String(answer))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del self._clients[writer]

    async def close(self) -> None:
        """Hang up on those who are still there."""
        tasks = [task for task in self._clients.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: SSHPacket) -> bytes:
        kind = request.get_byte()
        if kind == _IDENTITIES[0]:
            return Byte(_IDENTITIES[1]) + UInt32(1) + String(self._blob) + String(b"a key ring")
        if kind != _SIGN[0]:
            return Byte(5)  # failure: it can do nothing else
        request.get_string()
        self.waits.set()
        await self.touched.wait()
        return Byte(_SIGN[1]) + String(self._signature(request.get_string()))

    def _signature(self, data: bytes) -> bytes:
        """As OpenSSH's PROTOCOL.u2f has it."""
        self._count += 1
        hashes = [hashlib.sha256(part).digest() for part in (_APPLICATION, data)]
        state = _PRESENT + UInt32(self._count)
        signed = self._key.sign(hashes[0] + state + hashes[1])
        return String(_ALGORITHM) + String(signed) + state


@contextlib.asynccontextmanager
async def sk_agent(socket: Path) -> AsyncIterator[SkAgent]:
    """An `SkAgent` that listens there."""
    agent = SkAgent()
    async with await asyncio.start_unix_server(agent.serve, socket):
        yield agent
    await agent.close()
