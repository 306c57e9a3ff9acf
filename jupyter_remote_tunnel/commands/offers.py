"""What is offered on a gateway: the tunnel that does it, and its answer."""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import replace

from ..model.address import Address, UnixAddress, bracketed
from ..model.errors import BadInput, cause
from ..model.forward import ForwardKind, ForwardSpec, OfferedPort, TcpBind
from ..model.spec import TunnelSpec
from ..model.status import TunnelStatus
from ..model.text import plain
from .answers import Answer, tunnel_lines

_ANSWERS_WITHIN = 2.0  # seconds
_EXAMPLE = "For example: jupyter tunnel offer -R 5006:localhost:5006 ann@gw"


def with_example(error: BadInput) -> BadInput:
    """That error with an example of an offer, where it has one of a tunnel that listens here."""
    hint = _EXAMPLE if "-L " in error.hint else error.hint
    return BadInput(
        error.message, code=error.code, hint=hint, text=error.text, start=error.start, end=error.end
    )


def offered(spec: TunnelSpec, *, tcp: bool) -> TunnelSpec:
    """The tunnel that offers the remote forwards of a line of ssh.

    A port of the gateway's loopback becomes a socket that is found by its number, unless `tcp`.

    :raises BadInput: it has other forwards.
    """
    for forward in spec.forwards:
        wrong = ""
        if forward.kind is not ForwardKind.REMOTE:
            wrong = "listens here: what is offered listens on the gateway"
        elif forward.destination is None:  # a SOCKS proxy, on a port that others can connect to
            wrong = "names no destination: whoever is on the gateway could connect to anything here"
        if wrong:
            raise BadInput(f"“{forward}” {wrong}.", hint=_EXAMPLE)
    forwards = tuple(_as_offer(forward, tcp) for forward in spec.forwards)
    return replace(spec, forwards=forwards, kind="offer")


def _as_offer(forward: ForwardSpec, tcp: bool) -> ForwardSpec:
    bind = forward.bind
    if isinstance(bind, TcpBind) and bind.loopback and bind.port:
        return replace(forward, bind=OfferedPort(bind.port, tcp))
    return forward


def _offered_ports(spec: TunnelSpec) -> list[OfferedPort]:
    return [forward.bind for forward in spec.forwards if isinstance(forward.bind, OfferedPort)]


def offer_words(spec: TunnelSpec) -> list[str]:
    """What to type behind `jupyter tunnel offer` for the same."""
    words = [] if spec.has_default_name else ["--name", spec.name]
    words += ["--pick"] if spec.on_conflict == "pick" else []
    words += ["--tcp"] if any(offered.tcp for offered in _offered_ports(spec)) else []
    for forward in spec.forwards:
        words += ["-R", typed_forward(forward)]
    return [*words, *spec.ssh.words(), bracketed(spec.host)]


def typed_forward(forward: ForwardSpec) -> str:
    """The forward as ssh knows it."""
    if isinstance(forward.bind, OfferedPort):
        forward = replace(forward, bind=TcpBind(None, forward.bind.port))
    return forward.body


def offered_answer(spec: TunnelSpec, tunnel: TunnelStatus, *, created: bool) -> Answer:
    """How `offer` answers: what was understood, what came of it, what to type elsewhere."""
    how = "is offered" if created else "was offered already"
    line = shlex.join(["jupyter", "tunnel", "offer", *offer_words(spec)])
    lines = [f"{plain(tunnel.name)} {how}. Understood: {line}", *tunnel_lines(tunnel)]
    if any(isinstance(forward.bind, TcpBind) for forward in spec.forwards):
        lines.append(f"  Other users of {plain(spec.host)} can connect there, too.")
    if ports := [offered.port for offered in _offered_ports(spec)]:
        lines.append("Where it is wanted, under the same account of the gateway:")
        host = bracketed(spec.host)
        lines += [f"  jupyter tunnel open {_user(spec, tunnel)}@{host}:{port}" for port in ports]
    return Answer(tunnel.as_dict(), tuple(lines))


async def with_silence(spec: TunnelSpec, answer: Answer) -> Answer:
    """That answer, and which of what is offered does not answer here now: its number may have been
    mistyped.
    """
    wanted = dict.fromkeys(forward.destination for forward in spec.forwards)
    told = [await _silence(to) for to in wanted if to is not None]
    return replace(answer, lines=(*answer.lines, *filter(None, told)))


async def _silence(destination: Address) -> str:
    """Why nothing answers there; "" where something does."""
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN):
            if isinstance(destination, UnixAddress):
                _, writer = await asyncio.open_unix_connection(destination.path)
            else:
                _, writer = await asyncio.open_connection(destination.host, destination.port)
    except (OSError, UnicodeError) as error:
        return (
            f"Nothing answers at {plain(str(destination))} on this machine now: {cause(error)}. It"
            " is offered all the same."
        )
    writer.close()
    return ""


def held_numbers(spec: TunnelSpec, tunnels: Sequence[TunnelStatus]) -> list[str]:
    """Which of these tunnels offer as one of the numbers of `spec`, and are in the way of its unit:
    a line for each.
    """
    wanted = {_number(str(forward.bind)) for forward in spec.forwards}
    return [
        f"{plain(tunnel.name)} is offered already, by a tunnel in the background: the unit would"
        " find its number taken, and try again every ten seconds. So close that first:"
        f" jupyter tunnel close {shlex.quote(plain(tunnel.name))}"
        for tunnel in tunnels
        if tunnel.kind == "offer"
        and tunnel.host == spec.login
        and wanted & {_number(forward.asked) for forward in tunnel.forwards}
    ]


def _number(asked: str) -> str:
    """What is found there, be it a socket or a port."""
    return asked.removeprefix("offer/").removeprefix("tcp/")


def _user(spec: TunnelSpec, tunnel: TunnelStatus) -> str:
    """Who is logged in to the gateway: as was typed, or as the configuration of ssh says."""
    resolved = plain(tunnel.route[-1].rpartition("@")[0]) if tunnel.route else ""
    return spec.ssh.user or resolved or "USER"
