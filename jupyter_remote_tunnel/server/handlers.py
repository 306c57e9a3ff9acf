"""What every route of the REST interface shares.

`operation` makes a handler's method one: behind Jupyter's login and authorizer, with its body
checked and its errors as {"code", "message", "hint", "hop", "where"}. It notes what it knows, so
that the OpenAPI description is made from the same words. Dataclasses are named, not imported: every
start of a Jupyter server pays for what is imported here.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..model.errors import BadInput, Fatal, RemoteTunnelError
from ..model.text import plain
from .views.logins import login_of

if TYPE_CHECKING:
    from .engine import HeldEngine
    from .held_publishing import HeldPublishing
    from .views import Views

RESOURCE = "remote_tunnel"
MAX_BODY = 1 << 20
LINES = "application/x-ndjson"
"""An answer of one JSON object a line, each of them sent as soon as it is known."""

Action = Literal["read", "write", "execute"]
Asked = Callable[..., Awaitable[dict[str, Any]]]
Answered = Callable[..., Awaitable[None]]

# What an error's code means over HTTP. All others come from the remote side of SSH: 502.
STATUS_OF = {
    "bad_input": 400,
    "ambiguous": 400,
    "not_allowed": 403,
    "not_found": 404,
    "conflict": 409,
    "port_in_use": 409,
    "too_many": 409,
    "closed": 409,
    "internal": 500,
    "unsupported": 501,
    "engine_unavailable": 503,
    "engine_died": 503,
    "connect_timeout": 504,
}
_CODE_OF = {
    400: "bad_input",
    401: "not_allowed",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


@dataclass(frozen=True)
class Operation:
    """One method of one route, for its description.

    :param summary: the first line of the method's docstring.
    :param body: the name of the request's dataclass in `bodies`, or None.
    :param result: the name of the answer's.
    :param creates: whether it answers 201 when something is new.
    :param lines: the name of the dataclass of each line, for clients that accept `LINES`; "" is
        none.
    """

    summary: str
    action: Action
    body: str | None
    result: str
    creates: bool
    lines: str


def operation(
    action: Action, *, result: str, body: str | None = None, creates: bool = False, lines: str = ""
) -> Callable[[Asked], Answered]:
    """A method of a handler, which gives back the JSON of `result` or raises `RemoteTunnelError`.
    With `lines` it may `say` some before, if `wants_lines`, and then gives back the last one.

    With `body` it gets an instance of that as its last argument; without, a body is refused.
    """

    def decorate(method: Asked) -> Answered:
        async def answer(self: "Handler", *args: Any) -> None:
            if body is not None:
                args = (*args, self.read_body(body))
            elif self.request.body.strip() not in (b"", b"{}"):
                raise BadInput("This request takes no body.")
            await self.finish(json.dumps(await method(self, *args)))

        answer.__doc__ = method.__doc__
        guarded = web.authenticated(authorized(action=action, resource=RESOURCE)(answer))
        summary = (method.__doc__ or "").partition("\n")[0]
        vars(guarded)["operation"] = Operation(summary, action, body, result, creates, lines)
        return cast("Answered", guarded)

    return decorate


class Handler(APIHandler):
    """A route of the REST interface.

    `engine` is the one that this server holds, `views` are those of its applications, `publishing`
    is what it shows to the outside.
    """

    auth_resource = RESOURCE

    def initialize(
        self, engine: "HeldEngine", views: "Views", publishing: "HeldPublishing"
    ) -> None:
        """Called by tornado with what the route was registered with."""
        self.engine = engine
        self.publishing = publishing
        self.views = views

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """By method in lower case."""
        found = {name: getattr(cls, name) for name in ("get", "post", "delete")}
        return {
            name: method.operation for name, method in found.items() if hasattr(method, "operation")
        }

    async def all_tunnels(self) -> list[dict[str, Any]]:
        """Every tunnel, as the JSON of its status."""
        if self.engine.asleep:
            return []
        client = await self.engine.client()
        answer = await client.call("tunnels.list")
        return cast("list[dict[str, Any]]", answer["tunnels"])

    async def ask_about(self, method: str, tunnel: str, **params: Any) -> dict[str, Any]:
        """The engine's answer to a method about one tunnel, named by its id or name.

        :raises RemoteTunnelError: `not_found`, or what the method raises.
        """
        if self.engine.asleep:
            raise Fatal(
                f"There is no tunnel {plain(tunnel, 100)!r}.",
                code="not_found",
                hint="No tunnel is open.",
            )
        client = await self.engine.client()
        return await client.call(method, {"tunnel": tunnel, **params})

    def who(self) -> dict[str, str]:
        """Whom the hosts of what this request asks for can ask, as the JSON of `messages.Who`."""
        return {"login": login_of(self), "name": self.current_user.display_name}

    def refuse_outside(self) -> None:
        """:raises Fatal: `not_allowed`, the request came in from outside."""
        if self.is_outside:
            raise Fatal(
                "From outside it can be seen and ended what is published, and not widened; nor is"
                " a password set.",
                code="not_allowed",
                hint="Do that on the machine of this Jupyter, or over an SSH tunnel to it.",
            )

    @property
    def is_outside(self) -> bool:
        """Whether the request came in from outside."""
        from .outside import is_outside

        return is_outside(self)

    @property
    def wants_lines(self) -> bool:
        """Whether who asks accepts an answer in lines."""
        return LINES in self.request.headers.get("Accept", "")

    def say(self, line: dict[str, Any]) -> None:
        """Send a line of the answer now."""
        if not self._headers_written:
            self.set_header("Content-Type", LINES)
            self.set_header("X-Accel-Buffering", "no")  # else nginx would keep it
        self.write(json.dumps(line) + "\n")
        _ = self.flush()  # lines are short and few; who hangs up is heard of elsewhere

    def set_created(self, created: bool) -> None:
        """Answer 201 if something is new, else 200."""
        self.set_status(201 if created else 200)

    def read_body(self, name: str) -> Any:
        """The request's body as the dataclass of that name.

        :raises BadInput: it is something else.
        """
        import msgspec

        from ..engine.checking import read
        from . import bodies

        content = self.request.body
        if len(content) > MAX_BODY:
            raise web.HTTPError(413, "The body is longer than 1 MiB.")
        try:
            data = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadInput("The body is not JSON.") from None
        return read(getattr(bodies, name), data, "The body")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Any error as JSON, also those of Jupyter and tornado."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if not isinstance(error, RemoteTunnelError):
            error = _of_http(status_code, error)
        self.set_status(STATUS_OF.get(error.code, 502) if status_code == 500 else status_code)
        self.set_header("Content-Type", "application/json")
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.operations()).upper())
        self.write(json.dumps(error.as_dict()))

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """An error that is an answer is no fault of the server: no traceback in its log."""
        if isinstance(error, RemoteTunnelError):
            self.log.info("%s %s: %s", self.request.method, self.request.path, error.message)
        else:
            super().log_exception(kind, error, trace)


def _of_http(status: int, error: BaseException | None) -> RemoteTunnelError:
    """An error of Jupyter or tornado: refused, not found, or a mistake of ours."""
    reason = HTTPStatus(status).phrase
    if isinstance(error, web.HTTPError):
        reason = error.log_message or reason
    hint = {403: "Log in again, or ask who runs this server."}.get(status, "")
    return Fatal(reason, code=_CODE_OF.get(status, "internal"), hint=hint)
