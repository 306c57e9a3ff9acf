"""A real Jupyter, published by a gateway whose owner types what we print: from nothing to the login
of an outsider, through nginx and through Caddy, and back to nothing.

A certificate is asked for as printed, too; in the place of Let's Encrypt, which is not to be had
here, stands an authority of the test's.
"""

import contextlib
import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from jupyter_remote_tunnel.commands.publish_answers import MARGIN
from jupyter_remote_tunnel.model.address import bracketed
from jupyter_remote_tunnel.publish.installing import readable_chain
from jupyter_remote_tunnel.publish.sites import Site
from jupyter_remote_tunnel.server.outside import LOGINS
from tests.publish.conftest import GIVEN, NAME, give
from tests.server.conftest import PREFIX, manager
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.http import by_cookie, through
from tests.support.jupyter import Jupyter, jupyter
from tests.support.neighbour import listening
from tests.support.other_uid import other_users_python
from tests.support.outsider import Outsider
from tests.support.process import BY_COMMAND, Child, child, kill_all, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

PASSWORD = "correct horse battery staple"
SITE = Site(NAME, "ann", "/lab/of/ann/")
PUBLISHED = f"{PREFIX}publish"
PUBLISH = ("publish", "--name", NAME)
NONE = "It has none:"
ONE = "It has one already (for another web server):"


@pytest.fixture
def published_here(
    module_bed: SshBed, gateway: WebGateway, authority: WebAuthority
) -> Iterator[Jupyter]:
    """The Jupyter that is to be published, as people have it."""
    with to_publish(module_bed, gateway, authority, base_url=SITE.prefix) as server:
        yield server


def to_publish(
    bed: SshBed,
    gateway: WebGateway,
    authority: WebAuthority,
    kind: str = "server",
    *,
    address: str | None = None,
    **knobs: Any,
) -> AbstractContextManager[Jupyter]:
    """A Jupyter that knows that gateway, and believes its certificate.

    :param address: where the name leads; None is the gateway.
    """
    return jupyter(
        kind,
        password=PASSWORD,
        traits={"TunnelManager": manager(bed, allow_public_publish=True)},
        env={"SSL_CERT_FILE": str(authority.root)},
        hosts={NAME: address or gateway.address},
        **knobs,
    )


@pytest.fixture
def person(published_here: Jupyter) -> Iterator[User]:
    """Who sits at a terminal of its machine."""
    with User() as user:
        user.environment.update(published_here.environment)
        yield user


def printed(said: str) -> list[str]:
    """The lines that are to be typed."""
    return said.partition("by someone who may use sudo:\n\n")[2].splitlines()


def to_type(checks: Sequence[str]) -> list[str]:
    """What stands below the checks that failed, where that is no here-document."""
    words = ("sudo ", "test -d ", "echo ")
    return [line.strip() for line in checks if line.strip().startswith(words)]


def below(said: str, label: str) -> list[str]:
    """What is to be typed where that holds."""
    lines = said.partition(f"# {label}\n")[2].splitlines()
    ends = [number for number, line in enumerate(lines) if line.strip().startswith(("# ", "→"))]
    return [line.removeprefix(MARGIN) for line in lines[: ends[0]]]


def state(person: User) -> str:
    """Of what is published."""
    found = json.loads(person.tunnel("publish", "--list", "--json").stdout)["publications"]
    return str(found[0]["state"]) if found else ""


async def test_through_nginx(
    gateway: WebGateway,
    authority: WebAuthority,
    published_here: Jupyter,
    person: User,
    outsider: Outsider,
) -> None:
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx():
        said = person.tunnel(*PUBLISH, "gw", status=1).stdout
        for name in ("folder", "certificate", "site"):
            assert f"FAILED  {name}" in said, said
        assert outsider.status(SITE.prefix) == 0
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        said = person.tunnel(*PUBLISH, "gw").stdout
        assert f"Published: {SITE.url}" in said, said
        assert "FAILED" not in said
        trusted = ssl.create_default_context(cafile=str(authority.root))
        await use(SITE, through(gateway.address, trusted), gateway.address, trusted)

        assert outsider.open_ports() == [80, 443]
        assert outsider.status(SITE.prefix + "login") == 200
        assert outsider.status(SITE.prefix + "api/contents") == 403
        assert outsider.status("/login") == 404
        assert outsider.status("/login", port=80) == 301
        connect = "import socket,sys;socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        assert gateway.run("ls", SITE.folder, user="bob").returncode != 0
        argv = other_users_python(connect, SITE.socket)
        assert "PermissionError" in gateway.run(*argv, user="bob").stderr
        assert gateway.run(*argv, user="www-data").stderr == ""

        gateway.kill()  # with all that runs there
        wait_until(lambda: state(person) == "reconnecting", "its loss", pause=BY_COMMAND)
        gateway.start()
        gateway.type(["nginx"])
        wait_until(lambda: state(person) == "shown", "it to be shown again", pause=BY_COMMAND)
        assert outsider.status(SITE.prefix + "login") == 200

        with by_cookie(published_here) as api:
            begin = time.monotonic()
            assert api.delete(f"{PUBLISHED}/{NAME}").status_code == 200
            assert time.monotonic() - begin < 1
        assert outsider.status(SITE.prefix + "login") == 502
        assert gateway.run("ls", SITE.folder, user="ann").stdout == ""


async def test_through_caddy(
    gateway: WebGateway, authority: WebAuthority, person: User, outsider: Outsider
) -> None:
    pair = authority.issue(NAME)
    give(gateway, pair)
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    with gateway.caddy():
        said = person.tunnel(*own, "gw", status=1).stdout
        gateway.type(to_type(said.splitlines()))  # without a here-document: the text lies there
        said = person.tunnel(*own, "gw").stdout
        assert f"Published: {SITE.url}" in said, said
        assert "note    guessing" in said
        trusted = ssl.create_default_context(cafile=str(authority.root))
        await use(SITE, through(gateway.address, trusted), gateway.address, trusted)
        assert outsider.status(SITE.prefix + "login") == 200
        assert outsider.status(SITE.prefix + "api/contents") == 403
        person.tunnel("publish", "--stop", NAME.upper())
        assert outsider.status(SITE.prefix + "login") == 502
        said = person.tunnel(*PUBLISH, "gw").stdout  # the site says which certificate
        assert f"Published: {SITE.url}" in said, said
        person.tunnel("publish", "--stop")


@pytest.mark.long
def test_a_name_that_another_one_has_below_another_path(
    module_bed: SshBed,
    gateway: WebGateway,
    authority: WebAuthority,
    person: User,
    outsider: Outsider,
) -> None:
    """It is told before a line is typed that would take the site from the other."""
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx():
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        person.tunnel(*PUBLISH, "gw")
        with (
            to_publish(module_bed, gateway, authority, base_url="/other/") as other,
            User() as second,
        ):
            second.environment.update(other.environment)
            said = second.tunnel(*PUBLISH, "gw", status=1).stdout
        assert "FAILED  name          Another Jupyter is published under this name" in said, said
        assert "→ First the name; look again then." in said
        assert not any("sites-available" in line for line in to_type(said.splitlines()))
        assert outsider.status(SITE.prefix + "login") == 200


@pytest.mark.parametrize("readable", [True, pytest.param(False, marks=pytest.mark.long)])
def test_the_certificate_comes_before_the_site_that_names_it(
    gateway: WebGateway, authority: WebAuthority, person: User, readable: bool
) -> None:
    pair = authority.issue(NAME, days=(-90, -1))
    for path, file in ((GIVEN.chain, pair.chain), (GIVEN.key, pair.key)):
        gateway.path(path).write_bytes(file.read_bytes())
        gateway.path(path).chmod(0o644 if readable else 0o600)
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    gateway.type(["rm -rf /home/ann/.jupyter-remote-tunnel"])
    with gateway.nginx():
        said = person.tunnel(*own, "--check", "gw", status=1).stdout
        shown = person.tunnel(*own, "--site", "nginx", "gw", status=1 if readable else 0)
    if readable:
        assert f"FAILED  certificate   {GIVEN.chain} ended on " in said, said
        assert "→ First the certificate; look again then." in said
        assert not any("sites-available" in line for line in to_type(said.splitlines()))
        assert f"{GIVEN.chain} ended on " in shown.stderr
        assert gateway.run("ls", "/home/ann/.jupyter-remote-tunnel").returncode != 0
    else:
        assert f"note    certificate   You cannot read {GIVEN.chain} on gw: " in said, said
        assert any("sites-available" in line for line in to_type(said.splitlines()))
        assert f"Note: You cannot read {GIVEN.chain} on gw: " in shown.stdout
        assert printed(shown.stdout)


@pytest.mark.long
def test_where_the_key_is_another_one_s(
    gateway: WebGateway, authority: WebAuthority, person: User
) -> None:
    """Root's, which we cannot compare. The site names it from then on, whoever looks; so what
    names other files is said.
    """
    chain, key = authority.issue(NAME).chain, authority.issue(NAME).key
    for path, file in ((GIVEN.chain, chain), (GIVEN.key, key)):
        gateway.path(path).write_bytes(file.read_bytes())
    gateway.type([f"chmod 644 {GIVEN.chain}", f"chown root {GIVEN.key}", f"chmod 600 {GIVEN.key}"])
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    with gateway.nginx(), contextlib.ExitStack() as stack:
        lines = printed(person.tunnel(*own, "--site", "nginx", "gw").stdout)
        stack.callback(gateway.type, ["rm /etc/nginx/sites-available/jupyter-remote-tunnel-*"])
        assert "key values mismatch" in gateway.run("sh", "-c", "\n".join(lines)).stderr
        said = person.tunnel(*PUBLISH, "--check", "gw", status=1).stdout
        assert f"If nginx then does not take the key ({GIVEN.key}), name other files" in said, said
        gateway.type([f"chown ann {GIVEN.key}"])
        said = person.tunnel(*PUBLISH, "--check", "gw", status=1).stdout
        assert f"FAILED  key           {GIVEN.key} is not the key of {GIVEN.chain}." in said, said
        assert "--certfile FILE --keyfile FILE" in said
        assert to_type(said.splitlines()) == []


def test_a_public_port_has_the_certificate_that_the_gateway_renews(
    gateway: WebGateway, authority: WebAuthority, person: User, outsider: Outsider
) -> None:
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    gateway.type(["rm -rf /etc/letsencrypt /var/lib/jupyter-remote-tunnel"])
    bind = [*PUBLISH, "--bind", "gw"]
    said = person.tunnel(*bind, status=1).stdout
    assert "gw has no certificate of" in said
    issue(gateway, authority.issue(NAME), NAME)
    gateway.type(below(said, NONE))
    said = person.tunnel(*bind).stdout
    assert f"Published: https://{NAME}:8443{SITE.prefix}" in said
    assert outsider.open_ports() == [8443]
    assert outsider.status(SITE.prefix + "login", port=8443) == 200
    before = outsider.certificate(8443)

    issue(gateway, authority.issue(NAME), NAME)
    gateway.type(["certbot renew"])
    gateway.kill()
    gateway.start()
    wait_until(lambda: outsider.certificate(8443) not in ("", before), "the renewed one")
    wait_until(lambda: state(person) == "shown", "it to be shown again", pause=BY_COMMAND)
    assert outsider.status(SITE.prefix + "login", port=8443) == 200
    person.tunnel("publish", "--stop")
    assert outsider.open_ports() == []


HURRIED = """\
import pathlib
from jupyter_remote_tunnel.server import published

there, renewed = pathlib.Path(__file__).with_name("unthought"), published.Looking.renewed

async def broken(looking):
    if there.exists():
        raise LookupError("nobody has thought of this")
    return await renewed(looking)

def _load_jupyter_server_extension(app):
    published.daily.__kwdefaults__.update(every=published.timedelta(seconds=0.5), look=0.1)
    published.Looking.renewed = broken
"""


@pytest.mark.long
def test_a_certificate_that_does_not_come_is_told_of(
    module_bed: SshBed,
    gateway: WebGateway,
    authority: WebAuthority,
    outsider: Outsider,
    tmp_path: Path,
) -> None:
    """The clock is another one: a day takes half a second. While a file is there, something happens
    that nobody has thought of."""
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    gateway.type(["rm -rf /etc/letsencrypt /var/lib/jupyter-remote-tunnel"])
    (tmp_path / "hurried.py").write_text(HURRIED)
    extensions = {"jupyter_remote_tunnel": True, "hurried": True, "jupyterlab": False}
    with (
        jupyter(
            password=PASSWORD,
            base_url=SITE.prefix,
            traits={
                "TunnelManager": manager(module_bed, allow_public_publish=True),
                "ServerApp": {"jpserver_extensions": extensions},
            },
            env={
                "SSL_CERT_FILE": str(authority.root),
                "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
            },
            hosts={NAME: gateway.address},
        ) as server,
        User() as person,
    ):
        person.environment.update(server.environment)
        bind = [*PUBLISH, "--bind", "gw"]
        issue(gateway, authority.issue(NAME), NAME)
        gateway.type(below(person.tunnel(*bind, status=1).stdout, NONE))
        person.tunnel(*bind)
        copy = gateway.path(readable_chain(SITE))
        good = copy.read_bytes()
        copy.write_bytes(b"nothing")
        told = "cannot be used here"
        wait_until(lambda: told in renewal(person), "what is told of it")
        wait_until(lambda: told in server.process.output, "its log")
        assert state(person) == "shown"
        assert outsider.status(SITE.prefix + "login", port=8443) == 200

        gateway.kill()
        wait_until(lambda: state(person) == "reconnecting", "its loss", pause=BY_COMMAND)
        gateway.start()
        wait_until(lambda: state(person) == "shown", "the one from before to do", pause=BY_COMMAND)
        assert told in renewal(person)
        copy.write_bytes(good)
        wait_until(lambda: not renewal(person), "the end of it")
        (tmp_path / "unthought").touch()
        wait_until(lambda: "not expected" in renewal(person), "what is told of it")
        wait_until(lambda: "nobody has thought of this" in server.process.output, "its log")
        assert state(person) == "shown"
        (tmp_path / "unthought").unlink()
        wait_until(lambda: not renewal(person), "the next day")
        names = [check["name"] for check in checks_of(person)]
        assert (names.count("certificate"), names.count("key")) == (1, 1)
        person.tunnel("publish", "--stop")


def renewal(person: User) -> str:
    """What is noted of a certificate that was not brought."""
    found = [check["says"] for check in checks_of(person) if check["name"] == "renewal"]
    return "".join(found)


def checks_of(person: User) -> list[dict[str, Any]]:
    """Of what is published."""
    found = json.loads(person.tunnel("publish", "--list", "--json").stdout)["publications"]
    checks: list[dict[str, Any]] = found[0]["checks"]
    return checks


@pytest.mark.parametrize("label", [ONE, pytest.param(NONE, marks=pytest.mark.long)])
def test_a_public_port_leaves_the_site_of_that_name_as_it_is(
    gateway: WebGateway, authority: WebAuthority, person: User, outsider: Outsider, label: str
) -> None:
    issue(gateway, authority.issue(NAME), NAME)
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    with gateway.nginx():
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        # nginx is told to read it, and does so a moment later.
        wait_until(lambda: outsider.status(SITE.prefix + "login") == 502, "the site")
        said = person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout
        assert said.endswith("It is installed on gw: nothing has to be typed there.\n")
        before = sites(gateway)
        gateway.type(["rm -f /var/lib/jupyter-remote-tunnel/ann/*"])  # copies of other tests

        bind = [*PUBLISH, "--bind", "gw"]
        lines = below(person.tunnel(*bind, status=1).stdout, label)
        assert all(line.startswith(("sudo ", "test -d ")) for line in lines), lines
        gateway.type(lines)
        assert sites(gateway) == before
        assert f"Published: https://{NAME}:8443{SITE.prefix}" in person.tunnel(*bind).stdout
        assert outsider.status(SITE.prefix + "login", port=8443) == 200
        assert outsider.status(SITE.prefix + "login") == 502
        person.tunnel("publish", "--stop")


def sites(gateway: WebGateway) -> str:
    """All that nginx shows."""
    return gateway.type(["cd /etc/nginx/sites-enabled", "head -n 1000 *"])


TCP = 8888
BY_PORT = ("--tcp", str(TCP))
SSHD = ("sshd", "sshd-session")


@pytest.fixture
def by_port(
    gateway: WebGateway, authority: WebAuthority, person: User, outsider: Outsider
) -> Iterator[None]:
    """nginx shows the site whose way here is a port of the gateway's loopback."""
    issue(gateway, authority.issue(NAME), NAME)
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys"])
    gateway.start()
    with gateway.nginx():
        said = person.tunnel(*PUBLISH, *BY_PORT, "--site", "nginx", "gw").stdout
        gateway.type(printed(said))
        # It reads its site a moment after it was told to.
        wait_until(lambda: outsider.status(SITE.prefix + "login") == 502, "the site")
        yield


def bob(gateway: WebGateway, host: str) -> contextlib.AbstractContextManager[Child]:
    """Another user of the gateway, who wants that port."""
    return child(gateway.inside(listening(host, TCP), "bob"))


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.long)])
def test_a_port_that_another_user_has_is_not_shown(
    gateway: WebGateway, person: User, outsider: Outsider, by_port: None, host: str
) -> None:
    """They would pass on what comes, and read it; whichever half of “localhost” is theirs."""
    with bob(gateway, host) as running:
        running.wait_for_line(f"has {TCP}")
        said = person.tunnel(*PUBLISH, *BY_PORT, "gw", status=1).stdout
        assert (
            f"FAILED  port          Port {TCP} of gw is taken: another user (uid 64901" in said
        ), said
        assert f"uid 64901 at {bracketed(host)}" in said
        assert "Published" not in said
        assert state(person) == ""
    said = person.tunnel(*PUBLISH, *BY_PORT, "gw").stdout
    assert f"Published: {SITE.url}" in said, said
    assert "any of them can take the port" in said
    assert outsider.status(SITE.prefix + "login") == 200


def test_a_port_that_another_user_has_is_told_before_a_site_leads_there(
    gateway: WebGateway, person: User, by_port: None
) -> None:
    gateway.type(["rm /etc/nginx/sites-*/jupyter-remote-tunnel-*"])
    with bob(gateway, "127.0.0.1") as running:
        running.wait_for_line(f"has {TCP}")
        said = person.tunnel(*PUBLISH, *BY_PORT, "--check", "gw", status=1).stdout
        assert f"Port {TCP} of gw is taken: another user (uid 64901 at 127.0.0.1)" in said, said
        assert "sites-enabled" not in said
        done = person.tunnel(*PUBLISH, *BY_PORT, "--site", "nginx", "gw", status=1)
        assert f"Port {TCP} of gw is taken" in done.stderr
    said = person.tunnel(*PUBLISH, *BY_PORT, "--check", "gw", status=1).stdout
    assert "is taken" not in said
    assert "sites-enabled" in said
    said = person.tunnel(*PUBLISH, "--tcp", "999", "--check", "gw", status=1).stdout
    assert "note    port          Ports below 1024 are for root: gw may not" in said


def problem(person: User) -> str:
    """Why it is not shown."""
    (one,) = json.loads(person.tunnel("publish", "--list", "--json").stdout)["publications"]
    return str(one["problem"])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.long
def test_a_port_that_another_user_takes_after_a_loss(
    gateway: WebGateway, person: User, outsider: Outsider, by_port: None, host: str
) -> None:
    person.tunnel(*PUBLISH, *BY_PORT, "gw")
    with bob(gateway, host) as running:
        if host == "127.0.0.1":
            running.wait_for_line("waits")
        kill_all([one for name in SSHD for one in gateway.processes(name, "ann")])
        running.wait_for_line(f"has {TCP}")
        wait_until(lambda: "uid 64901" in problem(person), "it to be told")
        assert state(person) in ("reconnecting", "held_back")
        assert person.tunnel("publish", "--list").stdout.count("uid 64901") == 1
    wait_until(lambda: state(person) == "shown", "it to be shown again", pause=BY_COMMAND)
    assert outsider.status(SITE.prefix + "login") == 200


def visitors(person: User) -> list[str]:
    """The addresses of the visitors."""
    (one,) = json.loads(person.tunnel("publish", "--list", "--json").stdout)["publications"]
    return [visitor["address"] for visitor in one["visitors"]]


def test_visitors_of_a_public_port_have_addresses(
    gateway: WebGateway,
    authority: WebAuthority,
    published_here: Jupyter,
    person: User,
    outsider: Outsider,
    another: Outsider,
) -> None:
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    pair = authority.issue(NAME)
    files = ["--certfile", str(pair.chain), "--keyfile", str(pair.key)]
    said = person.tunnel(*PUBLISH, "--bind", *files, "gw").stdout
    assert f"Published: https://{NAME}:8443{SITE.prefix}" in said
    assert "does not say who" not in said

    login = SITE.prefix + "login"
    with outsider.connected(login, 8443):
        wait_until(lambda: visitors(person) == [outsider.address], "them to be seen")
        with another.connected(login, 8443):
            both = sorted([outsider.address, another.address])
            wait_until(lambda: visitors(person) == both, "both of them to be seen")
            listed = person.tunnel("publish", "--list").stdout
            assert all(address in listed for address in both)
    wait_until(lambda: visitors(person) == [], "them to have gone")

    guess = (login, "--data", "password=guess")
    guesses = [outsider.status(*guess, port=8443) for _ in range(LOGINS + 1)]
    assert guesses == [403] * LOGINS + [429]  # without a token of XSRF
    assert another.status(*guess, port=8443) == 403
    for one in (outsider, another):
        assert re.search(rf"403 POST {login} .*\b{re.escape(one.address)}\b", log(published_here))

    # To say so oneself is no way round.
    forged = f"PROXY TCP4 192.0.2.1 0.0.0.0 1 1\r\nGET {login} HTTP/1.1\r\n\r\n"
    assert outsider.said(8443, forged).startswith("HTTP/1.1 400 ")
    said_by = ("--header", "X-Forwarded-For: 192.0.2.1", "--header", "X-Real-Ip: 192.0.2.1")
    assert outsider.status(*guess, *said_by, port=8443) == 429
    assert "192.0.2.1" not in log(published_here)
    person.tunnel("publish", "--stop")


def log(server: Jupyter) -> str:
    """What Jupyter has logged."""
    return server.process.output


async def use(
    site: Site,
    transport: httpx.AsyncHTTPTransport,
    address: str,
    trusted: ssl.SSLContext,
    password: str = PASSWORD,
) -> None:
    """Log in, upload, and type in a terminal.

    :param password: or a token, which Jupyter's login page takes as well.
    """
    async with httpx.AsyncClient(base_url=site.url, transport=transport, timeout=60) as client:
        assert (await client.get("api/contents")).status_code == 403
        assert (await client.get(f"https://{NAME}/api/contents")).status_code == 404
        await client.get("login")
        form = {"password": password, "_xsrf": client.cookies["_xsrf"]}
        assert (await client.post("login", data=form)).status_code == 302
        await client.get("api/me")
        xsrf = {"X-XSRFToken": client.cookies["_xsrf"]}
        large = {"type": "file", "format": "text", "content": "x" * (20 << 20)}
        saved = await client.put("api/contents/a%20b.txt", json=large, headers=xsrf)
        assert saved.status_code == 201, saved.text
        assert saved.json()["name"] == "a b.txt"
        terminal = (await client.post("api/terminals", headers=xsrf)).json()["name"]
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    async with websockets.connect(
        f"wss://{NAME}{site.prefix}terminals/websocket/{terminal}",
        host=address,
        port=443,
        ssl=trusted,
        proxy=None,
        origin=websockets.Origin(f"https://{NAME}"),
        additional_headers={"Cookie": cookies},
    ) as socket:
        await socket.send(json.dumps(["stdin", "echo $((6 * 7))-heard\n"]))
        async for message in socket:
            if "42-heard" in str(json.loads(message)[-1]):
                break
