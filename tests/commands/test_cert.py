"""`jupyter tunnel cert`, and a Jupyter server with the settings that it prints."""

import json
import re
import ssl

import httpx

from tests.support.jupyter import jupyter
from tests.support.user import User


def test_a_jupyter_server_with_the_settings_that_it_prints(user: User) -> None:
    said = user.tunnel("cert", "localhost", "127.0.0.1").stdout
    settings = dict(re.findall(r"c\.ServerApp\.(\w+) = '(.+)'", said))
    assert set(settings) == {"certfile", "keyfile"}
    trusted = ssl.create_default_context(cafile=settings["certfile"])
    with jupyter(traits={"ServerApp": settings}, extension=False) as server:
        for name in ("localhost", "127.0.0.1"):
            answer = httpx.get(f"https://{name}:{server.port}/api", verify=trusted, trust_env=False)
            assert answer.json()["version"]


def test_this_machine_is_what_is_meant_where_nothing_is_named(user: User) -> None:
    data = json.loads(user.tunnel("cert", "--json").stdout)
    assert data["names"][1:] == ["localhost", "127.0.0.1", "::1"]
    assert data["key"].startswith(str(user.folder / "config"))
    again = json.loads(user.tunnel("cert", "--json", status=1).stdout)["error"]
    assert again["code"] == "conflict"
    assert "--replace" in again["hint"]


def test_the_wrong_part_of_a_name_is_pointed_at(user: User) -> None:
    refused = user.tunnel("cert", "gpu 01", "--folder", user.folder / "new", status=2).stderr
    assert [line.rstrip() for line in refused.splitlines()[-2:]] == ["gpu 01", "   ^"]
    assert not (user.folder / "new").exists()
