"""What the shell and the notebook show of a tunnel."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.apps.applications import applications
from jupyter_remote_tunnel.commands.answers import (
    ends,
    labels,
    problem_lines,
    size,
    source_lines,
    tunnel_lines,
    tunnel_table,
)
from jupyter_remote_tunnel.model.status import (
    ErrorStatus,
    FarLeg,
    FarState,
    ForwardStatus,
    Source,
    StreamCount,
    TunnelStatus,
)
from tests.apps.samples import TUNNEL


def forward(kind: str = "local", error: ErrorStatus | None = None) -> ForwardStatus:
    return ForwardStatus(
        kind=kind,  # type: ignore[arg-type]
        spec="",
        asked="5006",
        bound="127.0.0.1:5006",
        destination=None if kind == "dynamic" else "localhost:80",
        streams=StreamCount(1, 2),
        bytes={"in": 1500, "out": 20},
        error=error,
    )


def tunnel(*forwards: ForwardStatus, kind: str = "forward", name: str = "a") -> TunnelStatus:
    return TunnelStatus(
        id="0123456789ab",
        name=name,
        kind=kind,  # type: ignore[arg-type]
        host="gpu01",
        route=("ann@gpu01:22",),
        forwards=forwards,
        state="open",
        since="2026-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_940, "99.9 kB"), (99_960, "100 kB"),
     (999_499, "999 kB"), (999_500, "1.0 MB"), (12_300_000, "12.3 MB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert size(count) == text


def test_a_row_for_each_forward_and_one_for_a_kernel() -> None:
    kernel = tunnel(*[forward()] * 5, kind="kernel", name="k")
    table = tunnel_table([tunnel(forward(), forward()), kernel])
    names = [row[0] for row in table.rows]
    assert names == ["a", "", "k"]
    assert table.rows[2][-3:] == ("5/10", "7.5 kB", "100 B")


@pytest.mark.parametrize(
    ("far", "state", "shown"),
    [
        (["up", "down"], "open", "far leg down"),
        (["no_application", "down"], "open", "far leg down"),
        (["up", "no_application"], "open", "no application"),
        (["up", "unknown"], "open", "open"),
        (["down"], "reconnecting", "reconnecting"),
        ([], "open", "open"),
    ],
)
def test_the_state_is_that_of_all_legs(far: list[FarState], state: str, shown: str) -> None:
    legs = [FarLeg("/a/5006.sock", "ann@ws", "localhost:1", one, "") for one in far]
    one = replace(tunnel(*(replace(forward(), far=leg) for leg in legs), forward()), state=state)
    assert tunnel_table([one]).rows[0][2] == shown


def test_streams_go_from_the_listener_to_the_destination() -> None:
    assert ends(forward()) == ("127.0.0.1:5006", "→", "localhost:80")
    assert ends(forward("remote")) == ("localhost:80", "←", "127.0.0.1:5006")
    assert ends(forward("dynamic")) == ("127.0.0.1:5006", "→", "any (SOCKS)")


def test_an_error_is_shown_once_with_what_to_do() -> None:
    error = ErrorStatus("forward_refused", "Refused\x1b[31m.", "Start it.")
    lines = problem_lines([tunnel(forward(error=error), forward(error=error))])
    assert lines == ("a: Refused [31m.", "  Start it.")


def test_what_is_wrong_with_a_host_is_said_once() -> None:
    lost = ErrorStatus("connection_lost", "The connection to gpu01 was lost.")
    other = ErrorStatus("port_in_use", "Port 1 is in use.", "Choose another.")
    tunnels = [
        replace(tunnel(forward(), name="a"), error=lost),
        replace(tunnel(forward(), name="b"), error=other),
        replace(tunnel(forward(), name="c"), error=lost),
    ]
    assert problem_lines(tunnels) == (
        "a, c: The connection to gpu01 was lost.",
        "b: Port 1 is in use.",
        "  Choose another.",
    )


def test_that_a_kernel_has_ended_is_said_once() -> None:
    channels = [
        forward(
            error=ErrorStatus(
                "forward_refused", f"gpu01 could not connect to 127.0.0.1:{port}: refused", "Is …?"
            )
        )
        for port in (1, 2)
    ]
    kernel = tunnel(*channels, kind="kernel", name="gpu01:kernel-7")
    ended = "gpu01 could not connect to 127.0.0.1:1: refused. The kernel has probably ended."
    hint = (
        "  Close its tunnel: jupyter tunnel close gpu01:kernel-7; or connect to another kernel:"
        " jupyter tunnel kernels connect gpu01 FILE"
    )
    assert problem_lines([kernel]) == (f"gpu01:kernel-7: {ended}", hint)
    assert tunnel_lines(kernel)[2:] == (f"  {ended}", hint)


def test_where_a_tunnel_comes_from_that_nobody_has_just_asked_for() -> None:
    sources: tuple[Source, ...] = ("user", "config", "saved")
    lines = source_lines([replace(tunnel(name=source), source=source) for source in sources])
    assert [line.partition(":")[0] for line in lines] == ["config", "saved"]
    assert "configuration" in lines[0]


def test_tunnels_of_one_name_are_told_apart_by_their_ids() -> None:
    error = ErrorStatus("conflict", "Taken.", "")
    tunnels = [
        tunnel(forward(), name="proxy"),
        replace(tunnel(forward(error=error), name="proxy"), id="ba9876543210", source="config"),
        replace(tunnel(forward(), name="other"), id="aaaaaaaaaaaa"),
    ]
    assert [row[0] for row in tunnel_table(tunnels).rows] == [
        "proxy (0123456789ab)",
        "proxy (ba9876543210)",
        "other",
    ]
    assert problem_lines(tunnels) == ("proxy (ba9876543210): Taken.",)
    assert source_lines(tunnels)[0].startswith("proxy (ba9876543210): ")


def test_who_holds_them_is_shown_where_that_is_not_the_same_for_all() -> None:
    tunnels = [tunnel(forward(), forward()), tunnel(forward())]
    table = tunnel_table(tunnels, ["http://localhost:8888/", "4711"])
    assert [row[3] for row in table.rows] == ["http://localhost:8888/", "", "4711"]
    assert table.about == table.headings.index("Here") == 4
    assert {table.headings[column] for column in table.spare} == {"Streams", "In", "Out"}
    assert tunnel_table(tunnels, ["4711", "4711"]) == tunnel_table(tunnels)


def test_applications_of_one_name_are_told_apart_by_their_ids() -> None:
    one, other = applications(TUNNEL, "http://localhost:8888/")
    assert labels([one, replace(one, id="ba9876543210"), other]) == [
        f"{one.name} ({one.id})",
        f"{one.name} (ba9876543210)",
        other.name,
    ]


def test_names_hold_no_control_characters() -> None:
    assert tunnel_table([tunnel(forward(), name="x\x1b]0;y\x07\u202e")]).rows[0][0] == "x ]0;y"
