"""The doctor over REST."""

import json

import httpx
import pytest

from tests.server.conftest import PREFIX, tunnels

DOCTOR = PREFIX + "doctor"
LINES = "application/x-ndjson"


def test_every_step_to_a_host(api: httpx.Client) -> None:
    answer = api.post(DOCTOR, json={"host": "gpu01"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["host"], found["ok"]) == ("gpu01", True)
    names = [step["name"] for step in found["steps"]]
    assert (names[0], names[-1]) == ("configuration", "remote_forward")
    assert tunnels(api) == []
    answer = api.post(DOCTOR, json={"host": "gpu01", "gateway_ports": True})
    assert answer.json()["steps"][-1]["name"] == "gateway_ports"


def test_each_step_as_a_line(api: httpx.Client) -> None:
    answer = api.post(DOCTOR, json={"host": "gpu01"}, headers={"Accept": LINES})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, LINES)
    *steps, last = map(json.loads, answer.text.splitlines())
    assert [line["step"] for line in steps] == last["diagnosis"]["steps"]
    assert {(line["diagnosis"], line["error"]) for line in steps} == {(None, None)}
    assert (last["step"], last["error"]) == (None, None)


def test_a_host_that_is_not_reached_is_an_answer(api: httpx.Client) -> None:
    answer = api.post(DOCTOR, json={"host": "gpu01", "ssh": {"user": "nobody-at-all"}})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert not found["ok"]
    assert (found["steps"][-1]["name"], found["steps"][-1]["code"]) == ("login", "auth_failed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"host": "gpu01", "ssh": {"config_file": "/tmp/config"}}, 403, "not_allowed"),
        ({"host": "-oProxyCommand=x"}, 400, "bad_input"),
        ({"host": "gpu01", "forwards": []}, 400, "bad_input"),
        ({}, 400, "bad_input"),
    ],
)
def test_what_is_refused(
    api: httpx.Client, body: dict[str, object], status: int, code: str
) -> None:
    for accept in ("application/json", LINES):
        answer = api.post(DOCTOR, json=body, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
