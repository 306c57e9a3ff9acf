"""What the outside gets to see, in sentences for the person who publishes it."""

import getpass
import socket

from ..model.publication import PublishRequest
from ..model.text import plain


def exposed(request: PublishRequest, url: str) -> tuple[str, ...]:
    """What the outside can reach, and who can read what passes."""
    who = "whoever reaches the gateway"
    if request.way == "direct":
        who = "whoever reaches this machine"
    first = (
        f"The login page of this Jupyter, at {url}, is shown to {who}.",
        f"Whoever logs in there runs programs as {_user()} on {socket.gethostname()}.",
    )
    gateway = plain(request.gateway)
    if request.way == "proxy" and request.loopback_port is None:
        return (*first, _reads(gateway))
    if request.way == "proxy":
        taken = (
            f"Port {request.loopback_port} of the loopback of {gateway} leads here, and its other"
            " users can connect to that. Whenever this is not shown, any of them can take it, and"
            " then gets passwords and cookies."
        )
        return (*first, taken, _reads(gateway))
    if request.way == "bind":
        pose = f"but root on {gateway} could pose as it with a certificate of its own."
        return (*first, f"TLS ends here: {gateway} cannot read what it passes on, {pose}")
    port = request.public_port
    return (*first, f"Port {port} of every interface of this machine is open to it. TLS ends here.")


def exposed_by_pull(request: PublishRequest, url: str, which: str) -> tuple[str, ...]:
    """The same where a Jupyter of another host is shown by this machine.

    :param which: where it listens there.
    """
    host, here = plain(request.gateway), socket.gethostname()
    one = f"the Jupyter on {host} ({plain(which, 200)})" if which else f"the Jupyter on {host}"
    return (
        f"The login page of {one}, at {url}, is shown to whoever reaches {here}.",
        f"Whoever logs in there runs programs as you on {host}.",
        _reads(here),
    )


def _reads(gateway: str) -> str:
    return (
        f"TLS ends on {gateway}: its root, and whoever may change its web server's site, can read"
        " and alter all that passes, passwords too."
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # without a name
        return "you"
