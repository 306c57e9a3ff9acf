"""The routes about publishing this Jupyter: part of `routes`.

Who came in from outside can see and end what is published, and not widen it (nor open another way
in by `routes`): a stolen login must not make itself at home.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..model.errors import Fatal, RemoteTunnelError
from .handlers import Handler, operation

if TYPE_CHECKING:
    from ..model.publication import Check, PublishReport
    from .bodies import ChangeRequest, PasswordRequest, PeriodRequest, PublishRequest
    from .publishing import Publishing


class PublishHandler(Handler):
    """What those below share."""

    _work: "asyncio.Task[PublishReport] | None" = None

    async def controller(self) -> "Publishing":
        """What publishes.

        :raises Fatal: `engine_unavailable`, a setting is wrong.
        """
        await self.engine.settings()
        return self.publishing.get()

    async def report(
        self, work: "Callable[[Callable[[Check], None]], Awaitable[PublishReport]]"
    ) -> dict[str, Any]:
        """What comes of `work`, which is called with what is to be given each check; in lines for
        who accepts them. It ends when who asked hangs up.
        """
        if not self.wants_lines:
            return (await self._until_hung_up(work(lambda _: None))).as_dict()
        try:
            done = await self._until_hung_up(
                work(lambda check: self.say(_line(check=check.as_dict())))
            )
            return _line(report=done.as_dict())
        except RemoteTunnelError as error:
            if not self._headers_written:
                raise
            return _line(error=error.as_dict())

    async def _until_hung_up(self, work: "Awaitable[PublishReport]") -> "PublishReport":
        async def run() -> "PublishReport":
            return await work

        self._work = asyncio.get_running_loop().create_task(run(), name="publish")
        try:
            return await self._work
        except asyncio.CancelledError:
            raise Fatal("Nobody waits for the checks any more.", code="closed") from None

    @override
    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._work is not None:
            self._work.cancel()


class Publications(PublishHandler):
    """`publish`"""

    @operation("read", result="PublicationList")
    async def get(self) -> dict[str, Any]:
        """List what is published of this Jupyter, and how it may be."""
        from .bodies import PublicationList

        publishing = await self.controller()
        listed = PublicationList(
            tuple(publishing.list()),
            ("proxy", "bind", "direct") if publishing.allows_public else ("proxy",),
            publishing.hours,
            str(publishing.password_file),
            self.is_outside,
        )
        return asdict(listed)

    @operation(
        "execute",
        body="PublishRequest",
        result="PublishReport",
        creates=True,
        lines="PublishLine",
    )
    async def post(self, wanted: "PublishRequest") -> dict[str, Any]:
        """Publish this Jupyter, if no check fails. It ends when who asked hangs up before it is
        shown."""
        from .bodies import Who

        self.refuse_outside()
        publishing, person = await self.controller(), Who(**self.who())
        self.set_created(False)
        answer = await self.report(lambda tell: publishing.publish(wanted, person, tell))
        if answer.get("publication") is not None:
            self.set_created(True)
        return answer


class PublishCheck(PublishHandler):
    """`publish/check`"""

    @operation("execute", body="PublishRequest", result="PublishReport", lines="PublishLine")
    async def post(self, wanted: "PublishRequest") -> dict[str, Any]:
        """Look at all that can be seen before anything is opened."""
        from .bodies import Who

        publishing, person = await self.controller(), Who(**self.who())
        return await self.report(lambda tell: publishing.check(wanted, person, tell))


class Publication(PublishHandler):
    """`publish/{publication}`"""

    @operation("write", result="OnePublication")
    async def delete(self, publication: str) -> dict[str, Any]:
        """End a publication: nobody is connected any more, and nothing listens."""
        publishing = await self.controller()
        return {"publication": (await publishing.stop(publication)).as_dict()}


class Period(PublishHandler):
    """`publish/{publication}/period`"""

    @operation("execute", body="PeriodRequest", result="OnePublication")
    async def post(self, publication: str, wanted: "PeriodRequest") -> dict[str, Any]:
        """Have a publication end at another time, counted from now."""
        self.refuse_outside()
        publishing = await self.controller()
        return {"publication": publishing.extend(publication, wanted.hours).as_dict()}


class Password(PublishHandler):
    """`publish/password`"""

    @operation("execute", body="PasswordRequest", result="PasswordFile")
    async def post(self, wanted: "PasswordRequest") -> dict[str, Any]:
        """Set the password of this Jupyter server. It counts at once, and for its later starts."""
        self.refuse_outside()
        publishing = await self.controller()
        return {"file": str(await publishing.set_password(wanted.password))}


class Settings(PublishHandler):
    """`publish/settings`"""

    @operation("execute", body="ChangeRequest", result="OneChange")
    async def post(self, wanted: "ChangeRequest") -> dict[str, Any]:
        """Write a change to Jupyter's configuration that a check has shown."""
        self.refuse_outside()
        publishing = await self.controller()
        change = await publishing.change_setting(wanted.setting, wanted.seen, wanted.prefix)
        return {"change": change.as_dict()}


def _line(**known: dict[str, Any]) -> dict[str, Any]:
    """A `PublishLine`, as plain JSON."""
    return {"check": None, "report": None, "error": None, **known}


PUBLISH_ROUTES: dict[str, type[Handler]] = {
    "publish": Publications,
    "publish/check": PublishCheck,
    "publish/password": Password,
    "publish/settings": Settings,
    "publish/{publication}": Publication,
    "publish/{publication}/period": Period,
}
