"""This machine, where it is the gateway itself: asked by a shell here, and not over SSH."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.client import Output
from ..model.errors import Fatal, Transient
from ..model.spec import TunnelRequest

if TYPE_CHECKING:
    from ..engine.messages import Who

_MOST = 1 << 20  # bytes, as over SSH


class ThisMachine:
    """Runs commands as `EngineClient.exec` runs them on a host. Implements `gateway.Shell`."""

    async def exec(
        self,
        request: TunnelRequest | None,  # noqa: ARG002
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        timeout: float = 30.0,
        person: "Who | None" = None,  # noqa: ARG002
    ) -> Output:
        """Run `argv` here; `timeout` in seconds. Nobody has to be asked.

        :raises RemoteTunnelError: it cannot be run, takes longer, or says too much.
        """
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            raise Fatal(f"{argv[0]} does not run here: {error.strerror}.") from None
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            raise Transient(
                f"A command on this machine took over {timeout:g} s.", code="connect_timeout"
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if len(stdout) + len(stderr) > _MOST:
            raise Fatal(f"{argv[0]} says more here than is understood.")
        return Output(process.returncode or 0, stdout, stderr)
