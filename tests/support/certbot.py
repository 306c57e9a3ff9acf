"""certbot on a gateway of the tests: it gets what an authority of ours has issued."""

from tests.support.certificates import Pair
from tests.support.web_gateway import WebGateway

# What certbot does when Let's Encrypt has found its file.
_CERTBOT = """#!/bin/sh
mkdir -p {live}
cp /etc/ssl/issued.pem {live}/fullchain.pem
cp /etc/ssl/issued.key {live}/privkey.pem
chmod 700 /etc/letsencrypt/live; chmod 600 {live}/*
while [ $# -gt 0 ]; do
  [ "$1" = --deploy-hook ] && echo "$2" >/etc/letsencrypt/hook
  shift
done
RENEWED_LINEAGE={live} sh -c "$(cat /etc/letsencrypt/hook)"
"""


def issue(gateway: WebGateway, pair: Pair, name: str) -> None:
    """Have certbot there get this one, whenever it is asked for one of `name`."""
    gateway.path("/etc/ssl/issued.pem").write_bytes(pair.chain.read_bytes())
    gateway.path("/etc/ssl/issued.key").write_bytes(pair.key.read_bytes())
    certbot = _CERTBOT.format(live=f"/etc/letsencrypt/live/{name}")
    for command, text in (("certbot", certbot), ("apt", "#!/bin/sh\n")):
        gateway.path(f"/run/bin/{command}").write_text(text)
        gateway.path(f"/run/bin/{command}").chmod(0o755)
