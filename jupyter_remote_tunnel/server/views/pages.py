"""Our own small pages: what is the matter, why, and what to do next.

Nothing of a remote stands in them but plain text, escaped. They load nothing, run one script of
ours (by nonce), and follow the reader's choice of light or dark. A page that waits asks for itself
again and reloads when something else answers; that works in a sandboxed frame, too.
"""

import secrets
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from ...model.address import TcpAddress
from ...model.app_domain import AppDomain
from ...model.errors import RemoteTunnelError
from ...model.state import State
from ...model.text import plain
from .gate import LOOK
from .headers import Header
from .upstream import Upstream

STILL_WAITING = HTTPStatus.ACCEPTED.value
CAN_GO = HTTPStatus.NO_CONTENT.value
"""What a page that waits is answered when it looks."""


@dataclass(frozen=True)
class Page:
    """A page: HTTP status, a heading, paragraphs, literal text to copy, links (text, URL).

    `waits`: it reloads by itself once the application is there; `goes`: it goes to this URL.
    """

    status: int
    heading: str
    paragraphs: tuple[str, ...] = ()
    code: str = ""
    links: tuple[tuple[str, str], ...] = ()
    waits: bool = False
    goes: str = ""

    def as_text(self) -> str:
        """For programs, which have not asked for HTML."""
        return (
            "\n".join(part for part in (self.heading, *self.paragraphs, self.code) if part) + "\n"
        )

    def as_html(self) -> tuple[str, list[Header]]:
        """The document, and headers that belong to it."""
        nonce = secrets.token_urlsafe(16)
        parts = [f"<h1>{escape(self.heading)}</h1>"]
        parts += [f"<p>{escape(text)}</p>" for text in self.paragraphs]
        if self.code:
            parts.append(f"<pre>{escape(self.code)}</pre>")
        parts += [f'<p><a href="{escape(url)}">{escape(text)}</a></p>' for text, url in self.links]
        if self.waits:
            parts.append('<p role="status">This page reloads by itself.</p>')
            parts.append(f'<script nonce="{nonce}">{_SCRIPT}</script>')
        refresh = f'<meta http-equiv="refresh" content="0; url={escape(self.goes)}">'
        document = _DOCUMENT.format(
            title=escape(self.heading),
            refresh=refresh if self.goes else "",
            nonce=nonce,
            style=_STYLE,
            body="\n".join(parts),
        )
        policy = _POLICY.format(nonce=nonce)
        return document, [
            ("Content-Security-Policy", policy),
            ("Referrer-Policy", "no-referrer"),
        ]


def nothing_here() -> Page:
    """For every host name and path that opens nothing: the same, whether it is known or not."""
    return Page(
        404,
        "Nothing is shown here",
        ("Open the application from JupyterLab: an address alone opens nothing.",),
    )


def unknown() -> Page:
    """No application has the id of this link."""
    return Page(
        404,
        "There is no such application",
        (
            "No tunnel leads to what this link meant. It may have been closed.",
            "Open one again in JupyterLab's sidebar, and the application from its row.",
        ),
    )


def down(upstream: Upstream) -> Page:
    """The tunnel is not open."""
    host = plain(upstream.host)
    words: dict[str, str] = {
        State.CONNECTING: f"Connecting to {host} …",
        State.RECONNECTING: f"The connection to {host} was lost; it is being restored.",
        State.WAITING_FOR_USER: f"{host} waits for an answer from you, in JupyterLab's sidebar.",
        State.FAILED: f"The tunnel to {host} has failed. Restart it in JupyterLab's sidebar.",
    }
    say = words.get(upstream.state, f"The tunnel to {host} is not open.")
    return Page(
        503, f"“{plain(upstream.name)}” is not reachable now", (say, *_reason(upstream)), waits=True
    )


def unanswered(upstream: Upstream) -> Page:
    """The tunnel is open, but the application does not answer."""
    where = f"{_destination(upstream)} on {plain(upstream.host)}"
    return Page(
        502,
        f"Nothing answers at {where}",
        _reason(upstream) or (f"Is the application running, and does it listen at {where}?",),
        waits=True,
    )


def without_prefix(
    upstream: Upstream, prefix: str, links: tuple[tuple[str, str], ...], needs: str
) -> Page:
    """The path view, and an application that does not know its path.

    `links` lead to the view that needs none; without, the page says what that `needs`.
    """
    own_address = () if links else (f"At an address of its own it need not. {needs}",)
    return Page(
        404,
        f"“{plain(upstream.name)}” does not serve this path",
        (
            "Jupyter shows it here under a path, which the application has to know.",
            *own_address,
            _START_IT_HERE,
        ),
        code=f"bokeh serve app.py --prefix {prefix.rstrip('/')}",
        links=links,
    )


def elsewhere(location: str) -> Page:
    """A redirect out of the application, as a page of the application.

    JupyterLab asks for the page in a frame, and what that request is redirected to would be asked
    in JupyterLab's name, with Jupyter's cookies: a redirect to `/logout` would log the user out. A
    page that goes there asks in its own.
    """
    links = ((plain(location, 500), location),)
    return Page(200, "The application leads to another place", links=links, goes=location)


def refused(why: str) -> Page:
    """The origin gate said no."""
    return Page(403, "This request is not allowed", (why,))


def not_offered(links: tuple[tuple[str, str], ...]) -> Page:
    """An origin of its own was asked for where there is none."""
    return Page(
        409,
        "This view is not possible here",
        (f"An address of its own cannot be had from here. {NEEDS}",),
        links=links,
    )


_AT_A_PORT = (
    "If your browser runs on the machine of this Jupyter, open it at a port there: “Open a Jupyter"
    " of an SSH Host at a Port…” in the command palette."
)


def jupyter_not_offered(upstream: Upstream, needs: str) -> Page:
    """A remote Jupyter, where it could only have a sandboxed page: it works in none. `needs` is
    what an address of its own takes.
    """
    return Page(
        409,
        f"“{plain(upstream.name)}” cannot be shown here",
        (
            f"A Jupyter needs an address of its own. {needs}",
            _AT_A_PORT,
            "Or open it from a terminal of the machine that your browser runs on:",
        ),
        code=f"jupyter tunnel jupyter {plain(upstream.host)}",
    )


def no_way_in(upstream: Upstream, error: RemoteTunnelError) -> Page:
    """The host does not tell what leads into a Jupyter server: it may not run any more."""
    texts = (error.message, error.hint)
    return Page(
        502,
        f"“{plain(upstream.name)}” does not let you in",
        tuple(plain(text, 500) for text in texts if text),
    )


def needs_reach(domain: AppDomain, port: int | None) -> str:
    """What it takes where the names below `domain` are offered to a browser that does not reach
    them; `port` is that of their URLs, None that of https.
    """
    authority = domain.host("…") + ("" if port is None else f":{port}")
    return (
        f"There is a domain for that here ({domain.parent}), but this browser does not reach"
        f" https://{authority}: does it trust its certificate, and know the name?"
    )


def _destination(upstream: Upstream) -> str:
    destination = upstream.destination
    return str(destination) if isinstance(destination, TcpAddress) else plain(destination.path)


def _reason(upstream: Upstream) -> tuple[str, ...]:
    if upstream.error is None:
        return ()
    texts = (upstream.error.message, upstream.error.hint)
    return tuple(plain(text, 500) for text in texts if text)


NEEDS = (
    "That takes a Jupyter server on the browser's own machine, open there as http://localhost with"
    " no proxy in between, and a browser that knows names below localhost: Firefox and Chromium do."
    " From another machine it takes https, and a domain for applications (app_domain)."
)
"""What an address of its own takes."""

_START_IT_HERE = (
    "Or start the application for this path. It is that of your login, until you log out or the"
    " tunnel or Jupyter ends; this page tells the next one. With Bokeh:"
)

_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'"
)

_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
{refresh}
<style nonce="{nonce}">{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; padding: 10vh 1.5rem; }
main { max-width: 40rem; margin: auto; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
p, pre { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; padding: .6rem .8rem; border: 1px solid GrayText; }
"""

# HEAD, so that nothing is loaded twice. The answer to a look is no error, which would fill the
# browser's console. Each look may cost a stream: they get fewer, and there are none while nobody
# sees the page, be it behind another tab of the browser or of JupyterLab.
_SCRIPT = f"""
let pause = 1000, timer, isInView = true;
const isSeen = () => isInView && !document.hidden;
function wait() {{
  clearTimeout(timer);
  if (!isSeen()) return;
  timer = setTimeout(ask, pause);
  pause = Math.min(2 * pause, 30000);
}}
async function ask() {{
  try {{
    const options = {{ method: "HEAD", cache: "no-store", headers: {{ Accept: "{LOOK}" }} }};
    const answer = await fetch(location.href, options);
    if (answer.status !== {STILL_WAITING}) return location.reload();
  }} catch {{ /* the server is away, too */ }}
  wait();
}}
function change() {{
  clearTimeout(timer);
  pause = 1000;
  if (isSeen()) ask();
}}
document.addEventListener("visibilitychange", change);
new IntersectionObserver(entries => {{
  const is = entries.at(-1).isIntersecting;
  if (is === isInView) return;
  isInView = is;
  change();
}}).observe(document.documentElement);
wait();
"""
