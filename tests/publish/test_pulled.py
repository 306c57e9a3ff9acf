"""A real Jupyter of a workstation, shown by a gateway on which none runs: somebody is logged in
there, types `publish --pull` and what that prints; from nothing to the login of an outsider.
"""

import ssl

from tests.publish.conftest import GIVEN, NAME, give
from tests.publish.pulled import CONNECT, FRIENDLY, PULL, SITE, sockets, state
from tests.publish.test_published import PASSWORD, printed, to_type, use
from tests.support.ann import Ann, Workstation
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.http import through
from tests.support.jupyter import jupyter
from tests.support.other_uid import other_users_python
from tests.support.outsider import Outsider
from tests.support.process import BY_COMMAND, wait_until
from tests.support.web_gateway import WebGateway


async def test_through_nginx(
    gateway: WebGateway,
    authority: WebAuthority,
    machine: Workstation,
    ann: Ann,
    outsider: Outsider,
) -> None:
    issue(gateway, authority.issue(NAME), NAME)
    with (
        gateway.nginx(),
        jupyter(password=PASSWORD, base_url=SITE.prefix, traits=FRIENDLY) as server,
    ):
        machine.has(server)
        said = ann.publish(*PULL, status=1)
        for name in ("folder", "certificate", "site"):
            assert f"FAILED  {name}" in said, said
        assert "Nothing is published: folder, certificate, site failed." in said
        gateway.type(printed(ann.publish(*PULL, "--site", "nginx")))
        said = ann.publish(*PULL, "--check")
        assert "nothing was opened" in said
        assert outsider.status(SITE.prefix + "login") == 502
        assert sockets(gateway) == []

        said = ann.publish(*PULL)
        assert f"Published: {SITE.url} until" in said, said
        for name in ("way in", "uploads", "websockets", "streaming", "answer"):
            assert f"ok      {name}" in said, said
        trusted = ssl.create_default_context(cafile=str(authority.root))
        await use(SITE, through(gateway.address, trusted), gateway.address, trusted)
        assert outsider.open_ports() == [80, 443]
        assert outsider.status(SITE.prefix + "api/contents") == 403
        assert outsider.status("/login") == 404

        argv = other_users_python(CONNECT, SITE.socket)
        assert "PermissionError" in gateway.run(*argv, user="bob").stderr
        assert gateway.run(*argv, user="www-data").stderr == ""

        machine.sshd.kill()  # with its connections
        wait_until(lambda: state(ann) == "reconnecting", "its loss", pause=BY_COMMAND)
        assert outsider.status(SITE.prefix + "login") == 502
        assert "FileNotFoundError" in gateway.run(*argv, user="www-data").stderr
        machine.sshd.start()
        wait_until(lambda: state(ann) == "shown", "it to be shown again", pause=BY_COMMAND)
        assert outsider.status(SITE.prefix + "login") == 200

        assert f"{SITE.url} is not published any more." in ann.publish("--stop")
        assert outsider.status(SITE.prefix + "login") == 502
        assert sockets(gateway) == []
        wait_until(lambda: ann.holders == [], "the end of what has shown it")


async def test_through_caddy(
    gateway: WebGateway,
    authority: WebAuthority,
    machine: Workstation,
    ann: Ann,
    outsider: Outsider,
) -> None:
    pair = authority.issue(NAME)
    give(gateway, pair)
    gateway.type([f"rm -rf {SITE.folder}"])
    own = [*PULL, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    with gateway.caddy(), jupyter(base_url=SITE.prefix, traits=FRIENDLY) as server:
        machine.has(server)
        gateway.type(to_type(ann.publish(*own, status=1).splitlines()))
        said = ann.publish(*own)
        assert f"Published: {SITE.url}" in said, said
        assert "ok      token" in said
        assert "ok      pages" in said
        assert "ok      visitors" in said
        assert server.token not in said
        trusted = ssl.create_default_context(cafile=str(authority.root))
        way = through(gateway.address, trusted)
        await use(SITE, way, gateway.address, trusted, password=server.token)
        assert outsider.status(SITE.prefix + "login") == 200
        ann.publish("--stop", NAME.upper())
        assert outsider.status(SITE.prefix + "login") == 502
