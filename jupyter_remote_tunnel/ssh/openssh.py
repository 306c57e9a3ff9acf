"""Asking OpenSSH itself what it would use for a host: `ssh -G`, which reads the user's and the
system's ssh_config, Match and Include with it."""

import asyncio
import contextlib
import os
import shlex
import signal
from pathlib import Path

from ..model.errors import BadInput
from ..model.spec import SshOptions
from ..model.text import plain
from .files import Files
from .keywords import Configuration

RESOLVE_TIMEOUT = 10.0
"""Seconds that `ssh -G` may take: a `Match exec` of the user runs in it."""

_KILLED_WITHIN = 1.0
"""Seconds until a process that was killed and still waits for a dead drive is left to itself."""


async def configurations(
    ssh: str, options: SshOptions, host: str, environment: dict[str, str], *, asks: bool
) -> tuple[Configuration, Configuration]:
    """What ssh would use for a host, and what it would use without any configuration.

    :param ssh: the program.
    :param asks: have BatchMode change nothing else.
    :raises BadInput: ssh cannot read the configuration, or takes too long.
    """
    command = [ssh, "-G"]
    answers = await asyncio.gather(
        _ssh_g(command, options.words(), host, environment),
        _without_configuration(command, environment),
        return_exceptions=True,  # no ssh is left when this is over, whatever became of the other
    )
    asked, default = map(_taken, answers)
    if asks and asked.get("batchmode") == ["yes"]:
        # Debian's ssh has other defaults in batch mode, which look as if the user had set them.
        batch = await _without_configuration([*command, "-o", "BatchMode=yes"], environment)
        same = (key for key, values in asked.items() if values == batch.get(key))
        asked = {**asked, **{key: default[key] for key in same if key in default}}
        asked["batchmode"] = ["yes"]
    return asked, default


def _taken(answer: Configuration | BaseException) -> Configuration:
    if isinstance(answer, BaseException):
        raise answer
    return answer


_usual: dict[tuple[object, ...], Configuration] = {}


def identity(program: str) -> tuple[str, int, int, int]:
    """Its path, and what another program in its place would not share; a look."""
    status = Path(program).stat()
    return program, status.st_ino, status.st_size, status.st_mtime_ns


async def _without_configuration(command: list[str], environment: dict[str, str]) -> Configuration:
    """What this ssh, as it lies there now, uses for any host where nobody has configured anything.
    It is asked once: a tunnel is often one more to a host that is connected, and quick to open."""
    key = (*command, *await Files().look_at(command[0], identity))
    if key not in _usual:
        _usual[key] = await _ssh_g(command, ["-F", "none"], "localhost", environment)
    return _usual[key]


async def _ssh_g(
    command: list[str], words: list[str], host: str, environment: dict[str, str]
) -> Configuration:
    """:param words: the options that were typed, which the error proposes to try."""
    proposed = f"Try: {shlex.join(['ssh', '-G', *words, host])}"
    process = await asyncio.create_subprocess_exec(
        *command,
        *words,
        "--",
        host,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,  # so that what a Match exec started ends with it
    )
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            output, complaint = await process.communicate()
    except TimeoutError:
        raise BadInput(
            f"ssh took more than {RESOLVE_TIMEOUT:g} s to read its configuration for {host}.",
            hint="Does a “Match exec” hang, or a network drive that it names a file of? "
            f"{proposed}",
        ) from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KILLED_WITHIN):
                    await process.wait()
    if process.returncode != 0:
        raise BadInput(
            f"ssh cannot resolve {host}: {plain(complaint.decode(errors='replace'), 300)}",
            hint=proposed,
        )
    return parse_ssh_g(output.decode(errors="surrogateescape"))


def parse_ssh_g(output: str) -> Configuration:
    """The lines of `ssh -G` by their keyword."""
    found: dict[str, list[str]] = {}
    for line in output.removesuffix("\n").split("\n"):
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).append(value)
    return found
