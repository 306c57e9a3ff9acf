"""What "bound to the login" means, and how a log-out is noticed.

A login is named by the user name that Jupyter's identity provider gives. With a token or a password
that is a random id, made when a person logs in and kept in their login cookie: another browser, or
another login, is another one. Behind JupyterHub it is the Hub's user name, one for all browsers of
that user. Logging out there revokes more than needed, never less.

Log-out is seen at `{base_url}logout`, where a subclass of the identity provider's own handler takes
its place. What never comes there is not seen: a cookie deleted by hand, or a log-out on the Hub's
own page (its servers notice that, too, only when their cached identity expires). Grants then end
with their tunnel, after 30 days, or with the server.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_server.base.handlers import JupyterHandler
from typing_extensions import override

if TYPE_CHECKING:
    from jupyter_server.auth.identity import IdentityProvider


def login_of(handler: JupyterHandler) -> str:
    """The login of an authenticated request."""
    return str(handler.current_user.username)


def logout_handler(
    provider: "IdentityProvider", revoke: Callable[[str], None]
) -> type[JupyterHandler]:
    """The provider's log-out handler, which also calls `revoke` with the login that ends."""
    base = provider.logout_handler_class

    class RemoteTunnelLogout(base):  # type: ignore[misc,valid-type]
        """Jupyter's log-out, seen by the views."""

        @override
        def on_finish(self) -> None:
            if self.current_user is not None:
                revoke(login_of(self))
            super().on_finish()

    return RemoteTunnelLogout
