"""What a gateway answers is data: whatever it is, what we make of it can be read and typed."""

import re

from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from jupyter_remote_tunnel.model.remote_shell import FENCE
from jupyter_remote_tunnel.publish.gateway import parse
from jupyter_remote_tunnel.publish.gateway_checks import (
    certificate_commands,
    check_gateway,
    check_port_80,
)
from jupyter_remote_tunnel.publish.sites import Site, WebServer
from tests.support.fuzzing import assert_for_people, mutated_bytes, mutated_text, share, soon, texts

SITE = Site("jupyter.example.org", "ann")
FILE = f"/etc/nginx/sites-available/{SITE.file_name}.conf"
RECORDS = {
    "account": "ann\n1000\n",
    "kernel": "Linux\n1\n",
    "nginx": "nginx version: nginx/1.22.1\n",
    "caddy": "2.6.2\n",
    "running": "nginx 0 root\nnginx 33 www-data\ncaddy 999 caddy\n",
    "user": "nginx www-data\n",
    "folders": "/etc/nginx/sites-available\n/etc/nginx/sites-enabled\n",
    "imports": "import sites/*.caddy\n",
    "enabled": "yes\n",
    "claimed": "/etc/nginx/conf.d/other.conf\n",
    "listeners": "00000000:0050\n00000000:01BB\n0100007F:07E3\n",
    "addresses": "203.0.113.7/24\n2001:db8::7/64\n203.0.113.7\n",
    "parent": "755 0 0\n",
    "folder /var/lib/jupyter-remote-tunnel/ann": "710 1000 www-data\n",
    "members /var/lib/jupyter-remote-tunnel/ann": "www-data 33\nbob 1001\n",
    "certbot": "/usr/bin/certbot\nnginx\n",
    f"site {FILE}": SITE.text("nginx"),
    "end": "",
}


def encoded(records: dict[str, str]) -> bytes:
    return "".join(f"{FENCE}{name}\n{value}" for name, value in records.items()).encode(
        errors="surrogatepass"
    )


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Mostly what a gateway says, with a record or some bytes altered."""
    name = draw(st.sampled_from(sorted(RECORDS)))
    altered = draw(mutated_text(RECORDS[name]) | texts)
    return draw(mutated_bytes(encoded({**RECORDS, name: altered}), 1))


def test_the_answer_that_is_altered_is_one() -> None:
    checks = check_gateway(parse(encoded(RECORDS), "gw"), SITE)
    assert [check.name for check in checks if check.verdict == "failed"] == ["other site"]


@share()
@given(answer=answers(), wanted=st.sampled_from(["nginx", "caddy", None]))
def test_whatever_a_gateway_says(answer: bytes, wanted: WebServer | None) -> None:
    with soon():
        try:
            gateway = parse(answer, "gw")
            checks = [*check_gateway(gateway, SITE, wanted), check_port_80(gateway, wanted)]
            commands = [
                *certificate_commands(gateway, SITE, wanted),
                *certificate_commands(gateway, SITE, wanted, for_us=True),
            ]
        except RemoteTunnelError as error:
            assert_for_people(error)
            return
    for check in checks:
        assert check.says.endswith(".")
        assert check.says.isprintable()
        assert check.advice.isprintable()
        commands += check.typed
    # Nothing of what it says is in a command, but plain names and paths.
    for line in commands:
        assert line.replace("\t", "").isprintable()
        if line.startswith("sudo") and "'" not in line:
            assert re.fullmatch(r"[A-Za-z0-9 _./@=>&-]+", line), line
