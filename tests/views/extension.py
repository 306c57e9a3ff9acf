"""A Jupyter Server extension that holds nothing but the views, over upstreams named in a file.

The file (path in ``UPSTREAMS``) is JSON: {application id: fields of `Upstream`}, with addresses as
text. Tests write it anew whenever something is to change; it is read for each question. The domain
of applications, if there is one, stands in ``APP_DOMAIN``.
"""

import json
import os
from pathlib import Path
from typing import Any

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.extension.application import ExtensionApp
from typing_extensions import override

from jupyter_remote_tunnel.engine.messages import Who
from jupyter_remote_tunnel.model.address import parse_address
from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.status import ErrorStatus
from jupyter_remote_tunnel.server.views import Upstream, setup

UPSTREAMS = "JRT_TEST_UPSTREAMS"
APP_DOMAIN = "JRT_TEST_APP_DOMAIN"


class FileUpstreams:
    """`Upstreams` over that file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, app_id: str) -> Upstream | None:
        known = json.loads(self._path.read_text())
        return _upstream(app_id, known[app_id]) if app_id in known else None

    async def refresh(self, app_id: str) -> Upstream | None:
        return self.get(app_id)

    async def enter(self, app_id: str, person: Who) -> Upstream | None:
        return self.get(app_id)

    def doubt(self, app_id: str) -> None:
        pass


def _upstream(app_id: str, fields: dict[str, Any]) -> Upstream:
    fields = dict(fields, destination=parse_address(fields["destination"]))
    if fields["bound"]:
        fields["bound"] = parse_address(fields["bound"])
    if fields["error"]:
        fields["error"] = ErrorStatus(**fields["error"])
    return Upstream(app_id, **fields)


class ViewsApp(ExtensionApp):
    """The extension."""

    name = "views_under_test"

    @override
    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        upstreams = FileUpstreams(Path(os.environ[UPSTREAMS]))
        self.views = setup(self.serverapp.web_app, upstreams)
        if template := os.environ.get(APP_DOMAIN):
            self.views.names.domain = AppDomain.parse(template)

    @override
    async def stop_extension(self) -> None:
        await self.views.close()


class ReadOnly(Authorizer):
    """Lets people look at tunnels, and no more."""

    @override
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "remote_tunnel" or action == "read"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.views.extension", "app": ViewsApp}]
