"""Whoever types what is printed, as it stands and to its end, has an nginx that starts."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish.conftest import GIVEN, NAME
from tests.publish.pulled import FRIENDLY, PULL, SITE
from tests.publish.test_published import printed, to_type
from tests.support.ann import Ann, Workstation
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter, jupyter
from tests.support.outsider import Outsider
from tests.support.process import wait_until
from tests.support.web_gateway import WebGateway

# The gateway has no systemd: what `enable --now nginx` comes to.
_SYSTEMCTL = """#!/bin/sh
[ "$*" = "enable --now nginx" ] && exec nginx
exit 1
"""
_DELETE = f"""#!/bin/sh
[ "$*" = "delete --cert-name {NAME}" ] && rm -r /etc/letsencrypt/live/{NAME}
"""
_FIRST = "→ First the name, then the certificate; look again then."


@pytest.fixture(scope="module")
def server() -> Iterator[Jupyter]:
    with jupyter(base_url=SITE.prefix, traits=FRIENDLY) as made:
        yield made


@pytest.fixture
def here(gateway: WebGateway, machine: Workstation, server: Jupyter) -> Iterator[WebGateway]:
    """A gateway on which nothing is installed for that Jupyter yet, and certbot gets nothing."""
    machine.has(server)
    program(gateway, "apt", "#!/bin/sh\n")
    program(gateway, "certbot", "#!/bin/sh\nexit 1\n")
    yield gateway
    gateway.type(
        [
            "rm -rf /etc/nginx/sites-*/jupyter-remote-tunnel-* /etc/letsencrypt",
            f"rm -rf {SITE.folder} /run/bin/systemctl",
        ]
    )


def program(gateway: WebGateway, name: str, text: str) -> None:
    path = gateway.path(f"/run/bin/{name}")
    path.write_text(text)
    path.chmod(0o755)


def type_all(gateway: WebGateway, lines: list[str]) -> str:
    """Type them, whatever becomes of each; what the last one says."""
    done = gateway.run("sh", "-c", "\n".join(lines))
    return done.stdout + done.stderr


def starts_again(gateway: WebGateway) -> None:
    """End the nginx that runs, and start another one."""
    gateway.type(
        ["nginx -t", "nginx -s stop", "while [ -e /run/nginx.pid ]; do sleep 0.01; done", "nginx"]
    )


@pytest.mark.long
def test_before_the_name_leads_there(
    here: WebGateway, ann: Ann, authority: WebAuthority, outsider: Outsider
) -> None:
    ann.lead("another.example.org", here.address)
    with here.nginx():
        said = ann.publish(*PULL, status=1)
        assert "FAILED  name          jupyter.example.org has no address" in said, said
        assert "FAILED  site" in said
        assert _FIRST in said
        assert "certbot" not in said
        assert type_all(here, to_type(said.splitlines())) == ""
        starts_again(here)
        ann.lead(NAME, here.address)
        issue(here, authority.issue(NAME), NAME)
        said = ann.publish(*PULL, status=1)
        assert "ok      folder" in said
        assert _FIRST not in said
        here.type(printed(ann.publish(*PULL, "--site", "nginx")))
        ann.publish(*PULL)
        assert outsider.status(SITE.prefix + "login") == 200


@pytest.mark.long
def test_where_there_is_no_certificate_after_all(here: WebGateway, ann: Ann) -> None:
    with here.nginx():
        lines = printed(ann.publish(*PULL, "--site", "nginx"))
        said = type_all(here, lines)
        assert 'cannot load certificate "/etc/letsencrypt/live/' in said
        starts_again(here)
        said = ann.publish(*PULL, status=1)
        assert "is there, and not among /etc/nginx/sites-enabled" in said
        type_all(here, to_type(said.splitlines()))
        starts_again(here)


@pytest.mark.long
def test_where_a_certificate_is_named_that_is_not_there(here: WebGateway, ann: Ann) -> None:
    own = [*PULL, "--certfile", "/nope.pem", "--keyfile", "/nope.key"]
    with here.nginx():
        said = ann.publish(*own, status=1)
        assert " has no /nope.pem." in said, said
        assert "→ First the certificate; look again then." in said
        type_all(here, to_type(said.splitlines()))
        starts_again(here)
        assert " has no /nope.pem." in ann.publish(*own, "--site", "nginx", status=1)


@pytest.mark.long
def test_where_nginx_does_not_run(
    here: WebGateway, ann: Ann, authority: WebAuthority, outsider: Outsider
) -> None:
    program(here, "systemctl", _SYSTEMCTL)
    pair = authority.issue(NAME)
    for path, file in ((GIVEN.chain, pair.chain), (GIVEN.key, pair.key)):
        here.path(path).write_bytes(file.read_bytes())
    here.path(GIVEN.key).chmod(0o600)
    own = [*PULL, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    lines = printed(ann.publish(*own, "--site", "nginx"))
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: here.run("nginx", "-s", "stop"))
        here.type(lines)
        wait_until(lambda: outsider.status("/", port=80) == 301, "nginx to answer")
        ann.publish(*own)
        assert outsider.status(SITE.prefix + "login") == 200
        ann.publish("--stop")
        ann.publish(*PULL)  # the site says which certificate
        assert outsider.status(SITE.prefix + "login") == 200


def test_what_the_docs_take_away_is_all_of_it(
    here: WebGateway, ann: Ann, authority: WebAuthority
) -> None:
    issue(here, authority.issue(NAME), NAME)
    with here.nginx():
        here.type(printed(ann.publish(*PULL, "--site", "nginx")))
        ann.publish(*PULL)
        ann.publish("--stop")
        here.type(["touch /etc/nginx/sites-enabled/jupyter-remote-tunnel_acme-" + NAME + ".conf"])
        program(here, "certbot", _DELETE)
        here.type([line for line in _taken_away() if line.startswith("sudo ")])
        here.type(["nginx -t", "rm -r /home/ann/.jupyter-remote-tunnel"])
        left = here.type(["find /etc /var /home /run -name '*jupyter-remote-tunnel*'"])
        assert left == ""
        assert here.type(["ls /etc/letsencrypt/live"]) == ""


def _taken_away() -> list[str]:
    """What stands in the documentation for that name."""
    text = (Path(__file__).parents[2] / "docs" / "index.md").read_text()
    after = text.partition("what was typed there by someone who could use sudo")[2]
    return after.partition("```sh\n")[2].partition("```")[0].splitlines()


def test_where_there_is_no_web_server(here: WebGateway, ann: Ann) -> None:
    """A pull has no other way than one."""
    servers = here.type(["command -v nginx", "command -v caddy"]).split()
    here.type([f"mount --bind /dev/null {path}" for path in servers])
    try:
        for more in ((), ("--site",)):
            said = ann.publish(*PULL, *more, status=1)
            assert "has no nginx or Caddy" in said, said
            assert "sudo apt install nginx" in said
            assert "--bind" not in said
    finally:
        here.type([f"umount {path}" for path in servers])
