"""The browser of this machine, sent to a remote Jupyter that is reached by a port here."""

import asyncio
import html
import webbrowser
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from ..apps.jupyter_files import FoundJupyter
from ..engine.folders import make_folder, runtime_dir, write_private
from ..model.status import TunnelStatus

# How long a browser may take to start, in seconds, and how often it is looked for.
_PATIENCE = 30.0
_PAUSE = 0.2

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>Jupyter</title>
<meta http-equiv="refresh" content="0; url={url}">
</head>
<body><p>The browser goes on to Jupyter.</p></body>
</html>
"""


async def open_page(url: str) -> bool:
    """Open `url`, which holds no secret; whether there is a browser."""
    return await asyncio.to_thread(webbrowser.open, url)


async def show(
    found: FoundJupyter, url: str, tunnel: TunnelStatus, used: Callable[[], Awaitable[bool]]
) -> bool:
    """Open `url`, where the server's base URL is, logged in with its token; whether there is a
    browser.

    The token goes there as Jupyter itself does it: in a private file, as what a program is called
    with can be read by every user. From there it goes to the login page, which takes it for a
    cookie and leads on to an address without it.

    :param used: whether somebody has come through the tunnel, so that the file is not needed.
    """
    if not found.token:
        return await open_page(url)
    entry = f"{url}login?next={quote(found.base_url)}&token={quote(found.token, safe='')}"
    path = runtime_dir() / f"remote-tunnel-{tunnel.id}-open.html"
    make_folder(path.parent)
    write_private(path, _PAGE.format(url=html.escape(entry)).encode())
    try:
        is_there = await open_page(path.absolute().as_uri())
        if is_there:
            await _until(used)
        return is_there
    finally:
        path.unlink(missing_ok=True)


async def _until(used: Callable[[], Awaitable[bool]]) -> None:
    """Return when the browser has come, or does not come any more."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await used():  # noqa: ASYNC110 (nobody tells of a stream)
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        pass
