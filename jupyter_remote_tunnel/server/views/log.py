"""One line for each request of a view, without anything that opens it.

Jupyter's own line holds the whole URL and, after errors, `Referer` and `Host`: tickets,
capabilities, the names of views, and whatever an application puts into its URLs. tornado's
traceback of an uncaught error holds the same. Here a request is its method and its application.
"""

import logging
from http import HTTPStatus


def level(status: int) -> int:
    """An application's answers are its own affair; ours begin at 500."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.WARNING
    return logging.INFO if status >= HTTPStatus.BAD_REQUEST else logging.DEBUG


def line(status: int, method: str, view: str, app_id: str | None, seconds: float) -> str:
    """E.g. `200 GET in the origin view of 0123456789ab, 12 ms`."""
    return f"{status} {method} in the {view} view of {app_id or 'nothing'}, {seconds * 1e3:.0f} ms"
