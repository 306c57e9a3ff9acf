"""The output of a short command on a remote host, collected up to a limit."""

import asyncio
from dataclasses import dataclass

import asyncssh
from typing_extensions import override

from ..model.errors import Fatal
from .hop import Hop

OUTPUT_LIMIT = 1 << 20
"""Bytes that a command may write to each of stdout and stderr."""


@dataclass(frozen=True)
class ExecResult:
    """What a command left: its output and exit status (128 where a signal ended it, 255
    unknown)."""

    stdout: bytes
    stderr: bytes
    status: int


class Output(asyncssh.SSHClientSession[bytes]):
    """The session of a command."""

    def __init__(self) -> None:
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._status = 255
        self._too_much = False
        self._done = asyncio.Event()

    async def result(self, command: str, hop: Hop) -> ExecResult:
        """Wait for the end of the command (or of the connection).

        :raises Fatal: too_many, it wrote more than the limit.
        """
        await self._done.wait()
        if self._too_much:
            raise Fatal(
                f"“{command}” on {hop.place} wrote more than {OUTPUT_LIMIT >> 20} MiB.",
                code="too_many",
                hop=hop.place,
            )
        return ExecResult(bytes(self._stdout), bytes(self._stderr), self._status)

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        into = self._stderr if datatype == asyncssh.EXTENDED_DATA_STDERR else self._stdout
        if len(into) + len(data) > OUTPUT_LIMIT:
            self._too_much = True
            self._done.set()
            return
        into += data

    @override
    def exit_status_received(self, status: int) -> None:
        self._status = status

    @override
    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._status = 128

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()
