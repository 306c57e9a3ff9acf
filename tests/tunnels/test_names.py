"""Two tunnels that would have one name, where nobody is there to be asked for another."""

import pytest

from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.model.status import Source
from jupyter_remote_tunnel.tunnels.manager import Wanted
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.support.sshd import Sshd

from .conftest import Rig

SAVED, DECLARED = "aaaaaaaaaaaa", "cccccccccccc"


async def restored(rig: Rig, lines: tuple[str, str]) -> tuple[Tunnel, Tunnel]:
    """A saved tunnel and a declared one, when neither is on its way any more."""
    sources: tuple[tuple[str, Source], ...] = ((SAVED, "saved"), (DECLARED, "config"))
    for line, (tunnel_id, source) in zip(lines, sources, strict=True):
        rig.manager.restore([Wanted(tunnel_id, rig.spec(line), source, ())])
    saved, declared = rig.manager.get(SAVED), rig.manager.get(DECLARED)
    settled = (State.OPEN, State.FAILED)
    await rig.recorder.until(lambda: saved.state in settled and declared.state in settled)
    return saved, declared


async def test_names_that_nobody_chose_make_room(rig: Rig, sshd: Sshd) -> None:
    saved, declared = await restored(rig, ("-L 0:localhost:9 gpu01", "-L 0:127.0.0.1:9 gpu01"))
    assert (saved.state, declared.state) == (State.OPEN, State.OPEN)
    assert (saved.spec.name, declared.spec.name) == ("gpu01:9", "gpu01:9-2")


async def test_a_chosen_name_is_refused_to_the_second_until_the_first_has_gone(
    rig: Rig, sshd: Sshd
) -> None:
    saved, declared = await restored(rig, ("--name p -D 0 gpu01", "--name p -R 0:a:9 gpu01"))
    assert (saved.state, declared.state) == (State.OPEN, State.FAILED)
    assert isinstance(declared.error, Fatal)
    assert declared.error.code == "conflict"
    assert f"jupyter tunnel close {SAVED}" in declared.error.hint
    with pytest.raises(Fatal, match=SAVED):
        await rig.manager.restart(DECLARED)
    assert declared.state is State.FAILED
    await rig.manager.close(SAVED)
    assert (await rig.manager.restart(DECLARED)).state == "open"


async def test_all_failed_ones_of_a_name_give_way(rig: Rig, sshd: Sshd) -> None:
    lines = ("--name p -i /no/key -D 0 gpu01", "--name p -i /nor/this -D 0 gpu01")
    saved, declared = await restored(rig, lines)
    assert (saved.state, declared.state) == (State.FAILED, State.FAILED)
    opened = await rig.open("--name p -D 0 gpu01")
    assert rig.manager.tunnels == [opened]
