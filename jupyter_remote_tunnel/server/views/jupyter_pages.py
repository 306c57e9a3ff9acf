"""The pages of a remote Jupyter, without the token that it writes into them for its scripts.

They do not need it, as the view tells it to their server, and a browser keeps what it is sent.
"""

import html
import json
from collections.abc import AsyncIterator, Iterable
from urllib.parse import quote

from .headers import Header

_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&'"})  # as in a script


def hold_token(headers: Iterable[Header]) -> bool:
    """Whether an answer with these headers is a page, which may hold it."""
    types = (value for name, value in headers if name.lower() == "content-type")
    return any(value.lower().startswith("text/html") for value in types)


def without_length(headers: Iterable[Header]) -> list[Header]:
    """The headers of a page that becomes shorter."""
    return [pair for pair in headers if pair[0].lower() not in ("content-length", "etag")]


async def without_token(chunks: AsyncIterator[bytes], token: str) -> AsyncIterator[bytes]:
    """A page as it comes, with "" where its configuration has the token."""
    in_json = json.dumps(token).translate(_ESCAPED)
    in_attribute = html.escape(quote(token))
    taken = [
        (f'"token": {in_json}'.encode(), b'"token": ""'),  # JupyterLab, Notebook 7
        (f'api-token="{in_attribute}"'.encode(), b'api-token=""'),  # Notebook up to 6
    ]
    longest = max(len(text) for text, _ in taken)
    held = b""
    async for chunk in chunks:
        held += chunk
        for text, instead in taken:
            held = held.replace(text, instead)
        ready = max(0, len(held) - longest + 1)  # one may have begun behind that
        if ready:
            yield held[:ready]
            held = held[ready:]
    if held:
        yield held
