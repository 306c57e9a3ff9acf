"""Files that somebody edited, a full disk cut off or a later version wrote: the saved set and the
announcements. No engine is kept from starting or from being found by them.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.engine import __main__ as engine
from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.discovery import find_engine, list_engines
from jupyter_remote_tunnel.engine.messages import Caller, ListTunnels
from jupyter_remote_tunnel.engine.saved import SavedSet
from jupyter_remote_tunnel.engine.service import Service
from jupyter_remote_tunnel.engine.start import StartLine
from jupyter_remote_tunnel.engine.wire import encode
from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.engine.conftest import Folders, Held
from tests.support.fuzzing import json_values, mutated_bytes, mutated_json, share
from tests.support.sshd import SshBed

TUNNEL: dict[str, Any] = {
    "id": "0123456789ab",
    "request": {
        "host": "gpu01",
        "forwards": ["-L 0:localhost:9", "-L private/k-1:/r/k"],
        "name": "work",
        "kind": "forward",
        "on_conflict": "fail",
        "ssh": {"user": "ann", "port": 22, "identities": ["/k"], "options": ["Compression=yes"]},
    },
    "source": "user",
    "bound": ["127.0.0.1:5006", None],
    "opened": False,
}
SAVED = {"version": 1, "tunnels": [TUNNEL, {**TUNNEL, "id": "ba9876543210"}]}


def files(valid: Any) -> st.SearchStrategy[bytes]:
    """Contents of a file that should hold `valid`."""
    return st.one_of(
        mutated_json(valid).map(json.dumps).map(str.encode),
        st.just(json.dumps(valid).encode()).flatmap(mutated_bytes),
        json_values.map(json.dumps).map(str.encode),
        st.binary(max_size=50),
    )


class Listener:
    """Who is told of the wanted set, as a holder is."""

    caller = Caller("holder", 1)

    def __init__(self) -> None:
        self.told: list[str] = []

    def event(self, name: str, data: dict[str, Any], key: str) -> None:
        encode({"event": name, "data": data})


@pytest.fixture
async def service(ssh_bed: SshBed, short_dir: Path) -> AsyncIterator[Service]:
    """That of an engine without hosts."""
    ssh_bed.host("gpu01", start=False)
    settings = EngineSettings(
        ssh_config=str(ssh_bed.config_file), allowed_hosts=("gpu01",), max_tunnels=20
    )
    made = Service(settings, short_dir, os.getpid())
    made.subscribe(Listener())
    yield made
    await made.close()


@share()
@given(files(SAVED))
async def test_a_saved_set_is_restored_or_kept_aside(
    service: Service, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "tunnels.json"
    saved = SavedSet(path)
    saved.claim()
    path.write_bytes(content)
    try:
        found = saved.read()
    except Fatal as error:
        aside = Path(error.hint.removeprefix("The file was kept as ").removesuffix("."))
        assert aside.read_bytes() == content
        assert saved.read() == []
        found = []
    finally:
        saved.release()
    line = StartLine(EngineSettings(), 1, "/d", "/a", [{**one, "source": "saved"} for one in found])
    for tunnel in StartLine.decode(line.encode()).restore:
        await engine._restore(service, tunnel)
    encode(await service.call("tunnels.list", ListTunnels(), Caller("holder")))
    for restored in list(service._manager.tunnels):
        await service._manager.close(restored.id, 0)


@share(2)
@given(data=st.data())
async def test_an_announcement_that_is_wrong_hides_no_other(
    held: Held, folders: Folders, data: st.DataObject
) -> None:
    right = held.holder.announcement
    valid = json.loads(right.path.read_bytes())
    wrong = folders.runtime / "remote-tunnel-1.json"
    wrong.write_bytes(data.draw(files(valid)))
    try:
        assert right in list_engines()
        for server in (str(right.path), str(right.holder_pid), "http://localhost:8888/", "x"):
            with contextlib.suppress(RemoteTunnelError):
                found = find_engine(server)
                assert isinstance(found, Announcement)
                encode({"label": found.label})
    finally:
        wrong.unlink(missing_ok=True)
