"""Questions over REST: a login answers its own, sees whom others wait for, and nothing is kept."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from jupyter_remote_tunnel.server.events import SCHEMA
from tests.server.conftest import PREFIX, close_all, engines, manager, tunnels
from tests.support.http import by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.kernel import ipykernel
from tests.support.leaks import files_below
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.process import descendants, wait_until
from tests.support.sshd import SshBed

ASK = ["StrictHostKeyChecking ask"]


@dataclass
class Browser:
    """A login, which can do several things at once."""

    client: httpx.Client
    threads: ThreadPoolExecutor

    def post(self, path: str, **body: Any) -> "Future[httpx.Response]":
        """Begin a request that has to ask."""
        return self.threads.submit(self.client.post, PREFIX + path, json=body)

    def listed(self) -> dict[str, Any]:
        answer = self.client.get(PREFIX + "prompts")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def asked(self) -> dict[str, Any]:
        """The question that waits for this login, or the first to come."""
        found: dict[str, Any] = wait_until(lambda: self.listed()["prompts"], "a question")[0]
        return found

    def answer(self, prompt: dict[str, Any], *answers: str, **more: Any) -> httpx.Response:
        body = {"answers": answers, **more}
        return self.client.post(f"{PREFIX}prompts/{prompt['id']}", json=body)

    def answers(self, *answers: str, **more: Any) -> None:
        """Answer the next question."""
        given = self.answer(self.asked(), *answers, **more)
        assert (given.status_code, given.json()) == (200, {})


@pytest.fixture(scope="module")
def hosts(bed: SshBed) -> dict[str, PamSshd]:
    """They ask for a password, `both` also for a code; nobody knows the key of `both`, either."""
    both = pam_host(
        bed, "both", "keyboard-interactive", asks=("password", "code"), known=False, client=ASK
    )
    plain = {alias: pam_host(bed, alias, "password") for alias in ("password", "kernels")}
    return {**plain, "both": both}


@pytest.fixture(scope="module")
def server(bed: SshBed, hosts: dict[str, PamSshd]) -> Iterator[Jupyter]:
    """It logs all it can."""
    traits = {
        "Application": {"log_level": "DEBUG"},
        "TunnelManager": manager(bed, log_level="DEBUG", connect_timeout=60.0),
    }
    with jupyter(traits=traits) as running:
        yield running


@pytest.fixture
def browsers(server: Jupyter) -> Iterator[Callable[[], Browser]]:
    """Each call is another login."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor())
        cleaner = stack.enter_context(by_token(server))
        stack.callback(close_all, cleaner)
        yield lambda: Browser(stack.enter_context(by_cookie(server)), threads)


def test_every_question_of_a_login_until_the_tunnel_is_open(
    browsers: Callable[[], Browser], server: Jupyter, bed: SshBed, hosts: dict[str, PamSshd]
) -> None:
    ann, host = browsers(), hosts["both"]
    opening = ann.post("tunnels", host="both", forwards=["-D 0"])
    prompt = ann.asked()
    assert (prompt["hop"], prompt["login"]) == ("both", f"alice@127.0.0.1:{host.port}")
    (tunnel,) = tunnels(ann.client)
    assert (tunnel["id"],) == tuple(prompt["tunnels"])
    assert tunnel["state"] == "waiting_for_user"
    question = prompt["question"]
    assert (question["kind"], question["fields"]) == ("host_key", [])
    assert question["host_key"] == {
        "type": "ED25519",
        "fingerprint": host.fingerprint,
        "name": f"[127.0.0.1]:{host.port}",
        "file": str(bed.known_hosts),
        "certificate": "",
    }
    assert ann.answer(prompt, remember=True).json() == {}
    assert ann.asked()["question"]["fields"] == [{"label": "Password:", "echo": False}]
    ann.answers("wrong-horse")
    assert ann.asked()["question"]["tries"] == 2
    ann.answers(host.password)
    ann.answers("wrong-code")
    assert ann.asked()["question"]["tries"] == 3
    ann.answers(host.password)
    ann.answers(host.code)
    answer = opening.result()
    assert answer.status_code == 201, answer.text
    assert answer.json()["tunnel"]["state"] == "open"
    assert host.known_hosts_line in bed.known_hosts.read_text()
    assert ann.listed() == {"prompts": [], "others": []}

    output = wait_until(lambda: _logged(server, "prompts/"), "the log of the last request")
    kept = output + _command_lines(server)
    kept += "".join(
        path.read_text(errors="replace")
        for folder in (server.data_dir, server.runtime_dir)
        for path in (folder / name for name in files_below(folder))
        if path.is_file()
    )
    for secret in (host.password, host.code, "wrong-horse", "wrong-code"):
        assert secret not in kept


@pytest.mark.parametrize(
    "body",
    [
        '{"answers": "dear-horse"}',
        '{"answers": [["dear-horse"]]}',
        '{"answers": {"dear-horse": "dear-horse"}}',
        '{"answers": ["dear-horse"], "remember": "dear-horse"}',
        '{"answers": ["dear-horse"], "more": "dear-horse"}',
        '{"answers": ["dear-horse", "dear-horse"]}',
        '{"answers": ["dear-horse\\ud800"]}',
        '{"answers": ["dear-horse"',
        '"dear-horse"',
        "dear-horse",
    ],
)
def test_an_answer_that_is_not_taken_is_told_nowhere(
    server: Jupyter, browsers: Callable[[], Browser], body: str
) -> None:
    ann = browsers()
    opening = ann.post("tunnels", host="password", forwards=["-D 0"])
    prompt = ann.asked()
    path = f"{PREFIX}prompts/{prompt['id']}"
    refused = ann.client.post(path, content=body)
    assert refused.status_code == 400, refused.text
    assert "dear-horse" not in refused.text
    # It still waits.
    assert ann.asked()["id"] == prompt["id"]
    assert ann.client.delete(path).status_code == 200
    opening.result()
    logged = wait_until(lambda: _logged(server, f"prompts/{prompt['id']}"), "the log")
    assert "dear-horse" not in logged


def _command_lines(server: Jupyter) -> str:
    """Of the server and all that it has started, its engine among them: anybody may read them."""
    pid = server.process.pid
    found = [one.cmdline() for one in (psutil.Process(pid), *descendants(pid))]
    assert any("jupyter_remote_tunnel.engine" in argv for argv in found)
    return "\n".join(word for argv in found for word in argv)


def _logged(server: Jupyter, text: str) -> str:
    return server.process.output if text in server.process.output else ""


def test_others_see_whom_it_waits_for_and_cannot_answer(
    browsers: Callable[[], Browser], hosts: dict[str, PamSshd]
) -> None:
    ann, bob = browsers(), browsers()
    opening = ann.post("tunnels", host="password", forwards=["-D 0"])
    prompt = ann.asked()
    name = ann.client.get("api/me").json()["identity"]["display_name"]
    assert ann.listed()["others"] == []
    assert bob.listed() == {
        "prompts": [],
        "others": [
            {
                "id": prompt["id"],
                "hop": "password",
                "tunnels": prompt["tunnels"],
                "waits_for": [name],
            }
        ],
    }
    path = f"{PREFIX}prompts/{prompt['id']}"
    for refused in (bob.answer(prompt, hosts["password"].password), bob.client.delete(path)):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    wrong = ann.answer(prompt, "one", "two")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_input")
    for body in (b"[]", b'{"answers": [1]}', b'{"answers": "text"}', b'{"answers": ["\\ud800"]}'):
        wrong = ann.client.post(path, content=body)
        assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_input"), body
    assert ann.asked() == prompt, "it goes on waiting"
    assert ann.client.delete(path).json() == {}
    answer = opening.result()
    assert (answer.status_code, answer.json()["code"]) == (502, "needs_user")
    late = ann.answer(prompt, "late")
    assert (late.status_code, late.json()["code"]) == (404, "not_found")
    (tunnel,) = tunnels(bob.client)
    assert (tunnel["state"], tunnel["error"]["code"]) == ("failed", "needs_user")


def test_who_restarts_is_asked(browsers: Callable[[], Browser], hosts: dict[str, PamSshd]) -> None:
    ann, bob, host = browsers(), browsers(), hosts["password"]
    opening = ann.post("tunnels", host="password", forwards=["-D 0"])
    ann.answers(host.password)
    tunnel = opening.result().json()["tunnel"]["id"]
    host.drop_connections()
    wait_until(lambda: tunnels(bob.client)[0]["state"] == "waiting_for_user", "its loss")
    assert bob.listed() == ann.listed() == {"prompts": [], "others": []}
    restarting = bob.post(f"tunnels/{tunnel}/restart")
    bob.answers(host.password)
    assert restarting.result().json()["tunnel"]["state"] == "open"


def test_a_tab_that_is_reloaded_shows_it_again(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann = browsers()
    with httpx.Client(base_url=server.url, cookies=ann.client.cookies, trust_env=False) as first:
        first.headers["X-XSRFToken"] = ann.client.headers["X-XSRFToken"]
        with pytest.raises(httpx.ReadTimeout):  # its page has gone
            first.post(
                PREFIX + "tunnels",
                json={"host": "password", "forwards": ["-D 0"]},
                timeout=httpx.Timeout(30, read=2),
            )
    ann.answers(hosts["password"].password)
    wait_until(lambda: tunnels(ann.client)[0]["state"] == "open", "the tunnel")


def test_applications_and_kernels_ask_too(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann, host = browsers(), hosts["kernels"]
    opening = ann.post("apps", host="kernels", destination="9")
    ann.answers(host.password)
    assert opening.result().status_code == 201
    close_all(ann.client)
    with ipykernel() as kernel:
        kernel.folder.chmod(0o755)
        kernel.connection_file.chmod(0o644)
        connecting = ann.post("kernels", host="kernels", file=str(kernel.connection_file))
        assert ann.asked()["tunnels"] == []
        ann.answers(host.password)
        assert connecting.result().status_code == 201, connecting.result().text
        seen = _command_lines(server)
        for secret in (host.password, kernel.connection["key"]):
            assert secret not in seen


async def test_an_event_tells_when_to_look_and_no_more(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann = await asyncio.to_thread(browsers)
    url = f"ws{server.url.removeprefix('http')}api/events/subscribe"
    login = {"Authorization": f"token {server.token}"}
    async with connect(url, additional_headers=login, proxy=None) as socket:

        async def until(**wanted: str) -> None:
            async with asyncio.timeout(60):
                while True:
                    event = json.loads(await socket.recv())
                    if event["schema_id"] == SCHEMA:
                        found = {k: v for k, v in event.items() if not k.startswith("__")}
                        assert found.keys() == {"schema_id", "tunnel_id", "state"}
                        if wanted.items() <= found.items():
                            return

        ann.post("tunnels", host="password", forwards=["-D 0"])
        prompt = await asyncio.to_thread(ann.asked)
        await until(tunnel_id=prompt["id"], state="waiting_for_user")
        await asyncio.to_thread(ann.client.delete, f"{PREFIX}prompts/{prompt['id']}")
        await until(tunnel_id=prompt["id"], state="removed")
        await until(tunnel_id=prompt["tunnels"][0], state="failed")


def test_who_hangs_up_ends_the_doctors_walk(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann = browsers()
    body = json.dumps({"host": "password"})
    with closing(HTTPConnection("127.0.0.1", server.port)) as hasty:
        headers = {"Authorization": f"token {server.token}", "Content-Type": "application/json"}
        hasty.request("POST", f"/{PREFIX}doctor", body, headers)
        wait_until(lambda: ann.listed()["others"], "the question")
    wait_until(lambda: not ann.listed()["others"], "its end")


def test_who_sends_the_doctor_is_asked(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann, bob, host = browsers(), browsers(), hosts["password"]
    visit = ann.post("doctor", host="password")
    prompt = ann.asked()
    assert (prompt["hop"], prompt["tunnels"]) == ("password", [])
    listed = bob.listed()
    assert listed["prompts"] == []
    assert [other["id"] for other in listed["others"]] == [prompt["id"]]
    ann.answers(host.password)
    found = visit.result()
    assert (found.status_code, found.json()["ok"]) == (200, True)
    for text in (found.text, server.process.output):
        assert host.password not in text


@contextmanager
def _walk(ann: Browser) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines of a doctor's walk, up to its question."""
    headers = {"Accept": "application/x-ndjson"}
    with ann.client.stream(
        "POST", PREFIX + "doctor", json={"host": "password"}, headers=headers
    ) as answer:
        lines = (json.loads(line) for line in answer.iter_lines())
        names = [next(lines)["step"]["name"] for _ in range(5)]
        assert names[-1] == "host_key"
        yield lines


def test_steps_are_told_while_the_doctor_is_asked(
    browsers: Callable[[], Browser], hosts: dict[str, PamSshd]
) -> None:
    ann = browsers()
    with _walk(ann) as lines:
        assert ann.asked()["hop"] == "password"
        ann.answers(hosts["password"].password)
        *steps, last = lines
        assert steps[0]["step"]["name"] == "login"
        assert last["diagnosis"]["ok"]
    with _walk(ann):
        ann.asked()
    wait_until(lambda: not ann.listed()["prompts"], "the end of the one that hung up")


def test_an_engine_that_dies_under_the_doctor(
    browsers: Callable[[], Browser], server: Jupyter, hosts: dict[str, PamSshd]
) -> None:
    ann = browsers()
    with _walk(ann) as lines:
        (engine,) = engines(server)
        engine.kill()
        (last,) = lines
        assert (last["step"], last["diagnosis"]) == (None, None)
        assert last["error"]["code"] == "engine_died"
    wait_until(lambda: engines(server), "another engine")
