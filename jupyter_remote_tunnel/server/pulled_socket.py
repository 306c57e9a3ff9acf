"""The socket that the site of a web server here names, and what stands in its place.

A forward's socket is made under another name, where only we can connect to it; to show it is to
give it the name that the site knows.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from tornado.netutil import bind_unix_socket
from tornado.web import Application

from ..model.publication import Check
from .listening import Listener
from .outside import Door, Gate


class Place:
    """The socket that the site names, and ours beside it, of which only we can make use.

    :param site: the path of the former.
    :param tag: tells ours from those of others; hexadecimal digits.
    """

    def __init__(self, site: Path, tag: str) -> None:
        self.site = site
        self.hidden = site.with_name(f"{site.name}-{tag}")
        self.trial = site.with_name(f"{site.name}-{tag[:-1]}x")
        self._shown: tuple[int, int] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether what stands in the site's place is what was put there."""
        return self._shown is not None and _identity(self.site) == self._shown

    def show(self, path: Path | None = None) -> None:
        """Put a socket in the site's place, whatever lies there: ours, or the one at `path`.

        :raises OSError: there is none, or it cannot be put there.
        """
        ours = path or self.hidden
        if path is None and self.is_shown:
            return
        ours.chmod(0o666)  # the folder keeps others out
        self._shown = _identity(ours)
        ours.rename(self.site)

    def hide(self) -> None:
        """Take it from the site's place, if it is what stands there."""
        if not self.is_shown:
            return
        self._shown = None
        with contextlib.suppress(OSError):
            if self.hidden.exists():  # of a new engine: this one is dead
                self.site.unlink()
            else:
                self.site.rename(self.hidden)
                self.hidden.chmod(0o600)

    def remove(self) -> None:
        """Take away what stands in the site's place, if it is ours."""
        if self.is_shown:
            self._shown = None
            with contextlib.suppress(OSError):
                self.site.unlink()

    async def taken(self) -> Check | None:
        """What is wrong if somebody else listens in the site's place."""
        if self.is_shown:
            return None
        try:
            _, writer = await asyncio.open_unix_connection(self.site)
        except OSError:
            return None
        writer.close()
        says = f"Something else listens at {self.site} already."
        advice = "Does another machine of yours publish by that name? End it there."
        return Check("socket", "failed", says, advice=advice)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def answering(door: Door, place: Place) -> Iterator[Gate]:
    """A server of ours in the site's place, which answers probes and nothing else.

    :raises OSError: it cannot be put there.
    """
    gate = Gate(Application(), door)
    listener = Listener(gate)
    listener.open([bind_unix_socket(str(place.trial), mode=0o600)])
    try:
        place.show(place.trial)
        yield gate
    finally:
        place.remove()
        place.trial.unlink(missing_ok=True)
        listener.close()
