"""The socket that a gateway's site names, where more than one publication has had it."""

import os
from pathlib import Path

import httpx

from tests.server.published import (
    PUBLISH,
    Scene,
    api,
    publications,
    publish,
    scene,
)
from tests.support.process import wait_until

__all__ = ["api", "scene"]  # fixtures

# A gateway that is slow to begin what takes sockets away, once: it waits for somebody to write
# into a FIFO, and says when it is over.
SLOW = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
*"rm -f"*) if mv "{0}/armed" "{0}/begun"; then read -r _ <"{0}/go"; then=late; fi ;;
esac
/bin/sh -c "$SSH_ORIGINAL_COMMAND"
ended=$?
if [ "$then" = late ]; then : >"{0}/over"; fi
exit $ended
"""


def test_what_the_end_of_one_does_late_leaves_the_next_as_it_is(
    scene: Scene, api: httpx.Client, tmp_path: Path
) -> None:
    script = tmp_path / "slow"
    script.write_text(SLOW.format(tmp_path))
    script.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    with scene.bed.guests():
        scene.bed.host("slow", server=[f"ForceCommand {script}"])
        request = {**scene.request, "gateway": "slow"}
        first = publish(api, **request)
        (tmp_path / "armed").touch()
        assert api.delete(f"{PUBLISH}/{first['id']}").status_code == 200
        wait_until((tmp_path / "begun").exists, "it to begin")
        publish(api, **request)
        (tmp_path / "go").write_text("\n")
        wait_until((tmp_path / "over").exists, "the late end")
        with scene.outsider() as stranger:
            assert stranger.get("login").status_code == 200
        (second,) = publications(api)
        assert second["state"] == "shown"
        assert api.delete(f"{PUBLISH}/{second['id']}").status_code == 200
        assert list(scene.socket.parent.iterdir()) == []
