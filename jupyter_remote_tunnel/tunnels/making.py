"""The forwards of a tunnel, made from its spec: on the ports that they had before, if any is wanted
again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..model.forward import ForwardSpec, PrivateSocket, TcpBind
from ..model.settings import EngineSettings
from ..model.spec import OnConflict, TunnelSpec
from ..ssh.forward import Forward, make_forward


def made_forwards(
    tunnel_id: str,
    spec: TunnelSpec,
    before: Sequence[str | None],
    settings: EngineSettings,
    private_dir: Path,
    on_change: Callable[[], None],
) -> Iterator[Forward]:
    """Each of its forwards; nothing is opened yet.

    :param before: where they were bound in an earlier life, as far as that is known.
    """
    for number, forward in enumerate(spec.forwards, start=1):
        had = before[number - 1] if number <= len(before) else None
        wanted, on_conflict = _decided(forward, f"{tunnel_id}-{number}", had, spec.on_conflict)
        yield make_forward(
            wanted,
            settings,
            private_dir=private_dir,
            on_conflict=on_conflict,
            proxy_protocol=spec.proxy_protocol,
            on_change=on_change,
        )


def _decided(
    spec: ForwardSpec, name: str, before: str | None, on_conflict: OnConflict
) -> tuple[ForwardSpec, OnConflict]:
    """The forward with what was left open decided: the port it had before, the name of its
    socket.
    """
    if spec.bind == PrivateSocket(None):
        return replace(spec, bind=PrivateSocket(name)), "fail"
    if before is None or not isinstance(spec.bind, TcpBind):
        return spec, on_conflict
    if spec.bind.port != 0 and on_conflict != "pick":
        return spec, on_conflict
    port = int(before.rpartition(":")[2])
    return replace(spec, bind=TcpBind(spec.bind.host, port)), "pick"


def has_moved(spec: TunnelSpec, bound: Sequence[str | None]) -> bool:
    """Whether one of its forwards listens on another port than it was asked to."""
    return any(
        at is not None
        and isinstance(forward.bind, TcpBind)
        and forward.bind.port not in (0, int(at.rpartition(":")[2]))
        for forward, at in zip(spec.forwards, bound, strict=False)
    )
