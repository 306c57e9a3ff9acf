"""`cert`: a self-signed certificate."""

import socket
from pathlib import Path

from ..engine.folders import config_dir
from ..model.errors import Fatal
from ..model.text import plain
from .answers import Answer
from .engines import Engines
from .grammar import Parsed
from .typed import absolute

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


async def cert(_: Engines, parsed: Parsed) -> Answer:
    """`cert`: data is {"certificate", "key", "names", "fingerprint", "until"}."""
    try:
        from ..publish.certificates import make
    except ImportError as error:  # as in a kernel's environment
        raise Fatal(
            f"Certificates need a package that is not installed here: {error.name}.",
            code="unsupported",
            hint="In a terminal of JupyterLab: jupyter tunnel cert",
        ) from None
    options = parsed.options
    made = make(
        options["names"] or (socket.gethostname(), *_LOOPBACK),
        Path(absolute(options["folder"] or str(config_dir()))),
        kind=options["key_type"],
        days=options["days"],
        replace=options["replace"],
    )
    names = ", ".join(map(plain, made.names))
    lines = (
        f"A self-signed certificate for {names}, valid until {made.until:%Y-%m-%d}.",
        "These lines of jupyter_server_config.py use it:",
        f"  c.ServerApp.certfile = {str(made.certificate)!r}",
        f"  c.ServerApp.keyfile = {str(made.key)!r}",
        "Nobody vouches for it, so browsers warn. Compare its SHA-256 fingerprint then:",
        f"  {made.fingerprint}",
    )
    data = {
        "certificate": str(made.certificate),
        "key": str(made.key),
        "names": list(made.names),
        "fingerprint": made.fingerprint,
        "until": made.until.isoformat(),
    }
    return Answer(data, lines)
