"""Who may ask: login, XSRF, authorizer, other users of the machine, under any base URL."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import PREFIX, close_all, manager, open_tunnel
from tests.support.http import anonymous, by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.leaks import files_below
from tests.support.other_uid import python_as_other_user
from tests.support.process import wait_until
from tests.support.sshd import SshBed

ROOT = Path(__file__).parents[2]
EXTENSIONS = {"jupyter_remote_tunnel": True, "tests.server.rules": True}

# One of each kind that a rule may be for.
HOSTS = ("127.0.0.1", "a" * 21 + ".localhost", "probe-a.localhost")

# What answers without a login, and why that is no harm: the probe says nothing but that a name
# leads here, and the log-out is Jupyter's own page. (A preflight is answered, with nothing in it.)
PUBLIC = {("ProbeHandler", "GET"), ("RemoteTunnelLogout", "GET")}

# A name or a capability that nobody was given is as if it were not there.
UNKNOWN_ALIKE = {"OriginHandler", "PathHandler", "ProbeHandler"}


@pytest.fixture(scope="module", params=[pytest.param("/", marks=pytest.mark.long), "/user/ann/"])
def based(request: pytest.FixtureRequest, bed: SshBed) -> Iterator[Jupyter]:
    """A server at the root, and one that is not. As for users, Jupyter guards no handler that does
    not do so itself."""
    traits = {
        "ServerApp": {"jpserver_extensions": EXTENSIONS, "allow_unauthenticated_access": True},
        "TunnelManager": manager(bed),
    }
    env = {"PYTHONPATH": str(ROOT)}
    with jupyter(base_url=request.param, traits=traits, env=env) as server:
        yield server


def _rules(server: Jupyter) -> list[dict[str, str]]:
    """Which of our handlers answer where, and what; with a `path` that fits the rule."""
    with by_token(server) as client:
        rules: list[dict[str, str]] = client.get("remote-tunnel-rules").json()
    assert {rule["handler"] for rule in rules} > {"Tunnels", "Apps", "OpenHandler", "PathHandler"}
    for rule in rules:
        path = re.sub(r"\(\[\^/\]\+\)|\.\*", "x", rule["path"]).rstrip("$")
        rule["path"] = "/" + path.removeprefix("/")
    return rules


def test_every_route_refuses_without_login(based: Jupyter) -> None:
    for rule in _rules(based):
        host = next(host for host in HOSTS if re.match(rule["host"], host))
        for method in rule["methods"].split():
            assert _refused(based, rule, method, host), (rule, method)


def _refused(server: Jupyter, rule: dict[str, str], method: str, host: str) -> bool:
    with httpx.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{server.port}{rule['path']}"
        answer = client.request(method, url, headers={"Host": f"{host}:{server.port}"})
    if answer.status_code == 302:
        return answer.headers["Location"].startswith(f"{server.base_url}login")
    if method == "OPTIONS" and not answer.content:
        return True
    if (rule["handler"], method) in PUBLIC:
        return True
    return answer.status_code in (401, 403) or (
        answer.status_code == 404 and rule["handler"] in UNKNOWN_ALIKE
    )


def _operations(server: Jupyter) -> list[tuple[str, str]]:
    """Each (method, path) of the REST API, below the base URL."""
    api = f"{server.base_url}{PREFIX}"
    found = [
        (method, rule["path"].removeprefix(server.base_url))
        for rule in _rules(server)
        if rule["path"].startswith(api)
        for method in rule["methods"].split()
        if method != "OPTIONS"
    ]
    assert {("POST", PREFIX + "publish"), ("DELETE", PREFIX + "tunnels/x")} < set(found)
    return found


def test_rest_refuses_without_login(based: Jupyter) -> None:
    with anonymous(based) as client:
        for method, path in _operations(based):
            answer = client.request(method, path)
            assert answer.status_code in (401, 403), (method, path)
            assert method == "HEAD" or answer.json()["code"] == "not_allowed", (method, path)


def test_under_the_base_url(based: Jupyter) -> None:
    with by_token(based) as client:
        app = client.post(PREFIX + "apps", json={"host": "gpu01", "destination": "9"}).json()
        listed = client.get(PREFIX + "apps").json()
        close_all(client)
    assert app["url"] == f"{based.base_url}remote-tunnel/open/{app['id']}"
    assert listed["views"]["path"] == f"{based.base_url}remote-tunnel/app/"


def test_a_cookie_needs_the_xsrf_header(based: Jupyter) -> None:
    with by_cookie(based) as client:
        opened = open_tunnel(client, command="-D 0 gpu01")
        token = client.headers.pop("X-XSRFToken")
        here = f"tunnels/{opened['id']}"
        for method, path in [*_operations(based), ("DELETE", PREFIX + here)]:
            if method not in ("GET", "HEAD"):
                answer = client.request(method, path)
                assert answer.status_code == 403, (method, path)
                assert "_xsrf" in answer.json()["message"], (method, path)
        client.headers["X-XSRFToken"] = token
        assert client.delete(PREFIX + f"tunnels/{opened['id']}").status_code == 200


def test_another_site_cannot_ask(based: Jupyter) -> None:
    with by_cookie(based) as client:
        answer = client.get(PREFIX + "tunnels", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = client.post(
            PREFIX + "tunnels",
            headers={"Origin": "https://evil.example", "Content-Type": "text/plain"},
            content=b'{"command": "-D 0 gpu01"}',
        )
        assert answer.status_code in (403, 404)


@pytest.mark.parametrize(
    ("granted", "allowed"),
    [("nothing", set()), ("read", {"GET"}), ("write", {"DELETE"}), ("execute", {"POST"})],
)
def test_the_authorizer_decides(bed: SshBed, granted: str, allowed: set[str]) -> None:
    traits = {
        "ServerApp": {"authorizer_class": "tests.server.authorizer.Granted"},
        "TunnelManager": manager(bed),
    }
    env = {"PYTHONPATH": str(ROOT), "JRT_TEST_GRANTED": granted}
    with jupyter(traits=traits, env=env) as server, by_token(server) as client:
        answers = {
            "GET": client.get(PREFIX + "tunnels"),
            "POST": client.post(PREFIX + "tunnels", json={"command": "-D 0 gpu01"}),
            "DELETE": client.delete(PREFIX + "tunnels/gpu01:socks-0"),
        }
        refused = {method for method, answer in answers.items() if answer.status_code == 403}
        assert refused == set(answers) - allowed
        restart = client.post(PREFIX + "tunnels/x/restart")
        assert (restart.status_code == 403) == ("DELETE" not in allowed)
        assert (client.get(PREFIX + "prompts").status_code == 403) == ("GET" not in allowed)
        for given in (
            client.post(PREFIX + "prompts/x", json={}),
            client.delete(PREFIX + "prompts/x"),
        ):
            assert (given.status_code == 403) == ("POST" not in allowed)


def test_another_user_reads_and_connects_nothing(bed: SshBed) -> None:
    with jupyter(traits={"TunnelManager": manager(bed)}) as server, by_token(server) as client:
        client.post(PREFIX + "apps", json={"host": "gpu01", "destination": "9"})
        # It is saved after the answer, by way of a file that does not stay.
        wait_until(lambda: _is_saved(server), "the tunnel to be saved")
        # The folders above could be open to all; ours must guard themselves.
        for folder in (server.folder, server.folder / "run", server.runtime_dir, server.data_dir):
            folder.chmod(0o755)
        ours = [
            server.folder / folder / name
            for folder in ("run", "runtime", "data")
            for name in files_below(server.folder / folder)
            if "jrt-" in name or "remote-tunnel" in name
        ]
        sockets = [path for path in ours if stat.S_ISSOCK(path.stat().st_mode)]
        files = [path for path in ours if path.is_file()]
        assert len(sockets) == 2
        assert files
        seen = python_as_other_user(_NEIGHBOUR, *map(str, [*sockets, *files]))
        assert seen.stdout.split() == ["PermissionError"] * len([*sockets, *files]), seen


def _is_saved(server: Jupyter) -> bool:
    saved = server.data_dir / "remote-tunnel" / "tunnels.json"
    return saved.exists() and "gpu01" in saved.read_text()


_NEIGHBOUR = """
import socket, stat, sys
for path in sys.argv[1:]:
    try:
        open(path).read()
        print("read", path)
    except PermissionError as error:
        try:
            socket.socket(socket.AF_UNIX).connect(path)
            print("connected", path)
        except OSError as error:
            print(type(error).__name__)
    except OSError as error:
        print(type(error).__name__, path)
"""
