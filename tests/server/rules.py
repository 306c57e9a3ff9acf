"""A server extension that tells, at `remote-tunnel-rules`, which of our handlers are registered.

It looks at the rules of the running web application, so that a handler that nobody thought of in a
test is found all the same.
"""

import json
from collections.abc import Iterator
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from tornado.routing import HostMatches, PathMatches, ReversibleRuleRouter

OURS = "jupyter_remote_tunnel."


def registered(web_app: web.Application) -> Iterator[dict[str, str]]:
    """{"host", "path", "handler", "methods"} of each rule that leads to a handler of ours."""
    for group in web_app.default_router.rules:
        assert isinstance(group.target, ReversibleRuleRouter)
        host = group.matcher.host_pattern.pattern if isinstance(group.matcher, HostMatches) else ""
        for rule in group.target.rules:
            handler = rule.target
            if isinstance(handler, type) and handler.__module__.startswith(OURS):
                assert isinstance(rule.matcher, PathMatches)
                yield {
                    "host": host,
                    "path": rule.matcher.regex.pattern,
                    "handler": handler.__name__,
                    "methods": " ".join(_methods(handler)),
                }


def _methods(handler: type[web.RequestHandler]) -> Iterator[str]:
    missing = web.RequestHandler._unimplemented_method
    for method in handler.SUPPORTED_METHODS:
        if getattr(handler, method.lower()) is not missing:
            yield method


class RulesHandler(JupyterHandler):
    """Answers with the rules."""

    @web.authenticated
    async def get(self) -> None:
        await self.finish(json.dumps(list(registered(self.application))))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.server.rules"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    path = server.web_app.settings["base_url"] + "remote-tunnel-rules"
    server.web_app.add_handlers(".*$", [(path, RulesHandler)])  # type: ignore[no-untyped-call]
