"""Forwards as the status shows them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..model.forward import ForwardSpec
from ..model.status import ErrorStatus, ForwardStatus, StreamCount
from ..ssh.forward import Forward


def forward_statuses(
    specs: Sequence[ForwardSpec], running: Sequence[Forward]
) -> tuple[ForwardStatus, ...]:
    """The status of each forward that is wanted; `running` are the first of them."""
    rest: list[Forward | None] = [None] * (len(specs) - len(running))
    return tuple(map(_status, specs, [*running, *rest]))


def _status(spec: ForwardSpec, forward: Forward | None) -> ForwardStatus:
    """`forward` is None while it does not run."""
    planned = ForwardStatus(
        kind=spec.kind.value,
        spec=str(spec),
        asked=str(spec.bind),
        bound=None,
        destination=None if spec.destination is None else str(spec.destination),
        streams=StreamCount(0, 0),
        bytes={"in": 0, "out": 0},
    )
    if forward is None:
        return planned
    error, failed_at = forward.last_error, forward.failed_at
    return replace(
        planned,
        bound=forward.bound,
        streams=StreamCount(forward.streams_open, forward.streams_total),
        bytes={"in": forward.bytes_in, "out": forward.bytes_out},
        error=None if error is None else ErrorStatus.of(error),
        error_at=None if failed_at is None else iso(failed_at),
        note=forward.note,
        far=forward.far,
    )


def iso(moment: datetime) -> str:
    """ISO 8601, in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
