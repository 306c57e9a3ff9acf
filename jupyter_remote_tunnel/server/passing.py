"""A request on its way from tornado to what answers it, for what looks at it in between."""

from collections.abc import Awaitable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from typing_extensions import override


class Passing(HTTPMessageDelegate):
    """Hands everything on to `request`; subclasses look at a part of it."""

    def __init__(self, request: HTTPMessageDelegate) -> None:
        self._request = request

    @override
    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        return self._request.headers_received(start_line, headers)

    @override
    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._request.data_received(chunk)

    @override
    def finish(self) -> None:
        self._request.finish()

    @override
    def on_connection_close(self) -> None:
        self._request.on_connection_close()
