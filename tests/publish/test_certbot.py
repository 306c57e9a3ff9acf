"""certbot gets and renews a certificate by the lines that are printed, from an authority that looks
whether it has the name.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.publish.gateway_checks import certificate_commands
from jupyter_remote_tunnel.publish.installing import readable_chain, readable_key
from tests.publish.conftest import NAME
from tests.publish.pulled import LOGIN, PULL, SITE, server
from tests.publish.test_gateway import seen
from tests.publish.test_published import printed
from tests.support.acme import acme, renew
from tests.support.ann import Ann, Workstation
from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter
from tests.support.outsider import Outsider
from tests.support.process import wait_until
from tests.support.web_gateway import WebGateway

__all__ = ["server"]  # a fixture
pytestmark = pytest.mark.long

# The gateway has no systemd.
_SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/systemctl.log
case "$*" in
"stop caddy")
  caddy stop >/dev/null 2>&1
  # It says so a moment before it has ended.
  while grep -q ":0050 .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
  exit ;;
"start caddy") exec caddy start --config /etc/caddy/Caddyfile >/dev/null 2>&1 ;;
esac
exit 1
"""


def serial(gateway: WebGateway) -> str:
    """Of the certificate that is shown by the name."""
    asked = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null"
    return gateway.type([f"{asked} | openssl x509 -noout -serial"])


def changed(gateway: WebGateway, before: str) -> Callable[[], bool]:
    return lambda: serial(gateway) != before


@pytest.mark.parametrize("plugin", [False, True])
def test_behind_nginx(
    gateway: WebGateway,
    authority: WebAuthority,
    machine: Workstation,
    ann: Ann,
    outsider: Outsider,
    server: Jupyter,
    plugin: bool,
) -> None:
    machine.has(server)
    with acme(gateway, authority, plugin=plugin), gateway.nginx():
        lines = printed(ann.publish(*PULL, "--site", "nginx"))
        assert any(f"--{'nginx' if plugin else 'webroot'} " in line for line in lines), lines
        gateway.type(lines)
        said = ann.publish(*PULL)
        assert f"certificate   What {NAME}:443 shows ends soon" in said, "Caddy's live for a day"
        assert outsider.status(LOGIN) == 200
        before = serial(gateway)
        renew(gateway)
        wait_until(changed(gateway, before), "nginx to show the new one", pause=0.1)
        assert outsider.status(LOGIN) == 200
        ann.publish("--stop")
    gateway.type([f"rm -rf /etc/nginx/sites-*/jupyter-remote-tunnel* {SITE.folder}"])


@contextlib.contextmanager
def daemon(gateway: WebGateway) -> Iterator[None]:
    """Caddy, which can be stopped and started."""
    gateway.type(["caddy start --config /etc/caddy/Caddyfile >/dev/null 2>&1"])
    try:
        yield
    finally:
        gateway.type(["caddy stop"])  # which is an error where none runs


@pytest.mark.parametrize("beside", [False, True])
def test_a_copy_for_us(
    gateway: WebGateway, authority: WebAuthority, engine: SyncEngine, ann: Ann, beside: bool
) -> None:
    """Where nothing listens on port 80, and beside a Caddy, which has to be stopped for it."""
    systemctl = gateway.path("/run/bin/systemctl")
    systemctl.write_text(_SYSTEMCTL)
    systemctl.chmod(0o755)
    site = replace(SITE, name=NAME)
    with contextlib.ExitStack() as stack:
        stack.enter_context(acme(gateway, authority, plugin=False))
        if beside:
            stack.enter_context(daemon(gateway))
        gateway.type(list(certificate_commands(seen(engine), site, for_us=True)))
        first = gateway.run("cat", readable_chain(site), readable_key(site), user="ann").stdout
        assert first.count("BEGIN CERTIFICATE") == 2, first
        assert "PRIVATE KEY" in first
        renew(gateway)
        second = gateway.run("cat", readable_chain(site), user="ann").stdout
        assert second.count("BEGIN CERTIFICATE") == 2
        assert second not in first
        asked = gateway.path("/run/systemctl.log")
        assert asked.exists() == beside
        if beside:
            assert asked.read_text().split("\n") == [*2 * ["stop caddy", "start caddy"], ""]
    gateway.type([f"rm -rf {SITE.folder} /run/bin/systemctl /run/systemctl.log"])
