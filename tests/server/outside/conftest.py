"""What the tests of the outside server share: a Jupyter behind it, and its certificate."""

from pathlib import Path
from typing import Any, cast

import pytest
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from tornado.web import Application

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.server.views import Views, add_first
from jupyter_remote_tunnel.server.views.names import OurNames
from jupyter_remote_tunnel.server.views.origin import OriginHandler
from tests.server.outside.support import APPS, NAME, TOKEN, Login, Upstreams, an_app


@pytest.fixture
def provider() -> IdentityProvider:
    """Who tells who is logged in."""
    return PasswordIdentityProvider(token=TOKEN, login_handler_class=Login)


@pytest.fixture
def app(provider: IdentityProvider) -> Application:
    """In the place of Jupyter's."""
    return an_app("/base/", provider)


@pytest.fixture
def files(tmp_path: Path) -> certificates.Certificate:
    return certificates.make([NAME], tmp_path)


@pytest.fixture
def views(app: Application, tmp_path: Path) -> Views:
    """Those of Jupyter, with names below the domain."""
    app.settings.update(identity_provider=IdentityProvider(), base_url="/base/", serverapp=None)
    made = Views(cast("Any", Upstreams()), app.settings, tmp_path / "label.key")
    made.names.domain = APPS
    rule = (r".*", OriginHandler, {"views": made})
    add_first(app, OurNames(made.names, probes=False), rule)
    return made
