"""An authority that gives certificates as Let's Encrypt does, on a gateway: Caddy's. The machine's
own certbot asks it there.

::

    with acme(gateway, authority, plugin=False):       # without certbot's plugin for nginx
        gateway.type([f"sudo certbot certonly --webroot -w /var/www/x -d {name}"])
        renew(gateway)
"""

import contextlib
from collections.abc import Iterator

from tests.support.certificates import WebAuthority
from tests.support.process import child
from tests.support.web_gateway import WebGateway

_PORT = 14000
_CADDYFILE = """\
{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system /var/lib/acme
    pki {{
        ca local {{
            root {{
                format pem_file
                cert {root}
                key {key}
            }}
        }}
    }}
}}
localhost:{port} {{
    tls internal
    acme_server
}}
"""
_CERTBOT = """\
#!/bin/sh
REQUESTS_CA_BUNDLE={root} exec /usr/bin/certbot "$@"
"""
# What a person is asked by certbot the first time.
_ANSWERS = """\
server = https://localhost:{port}/acme/local/directory
agree-tos = true
register-unsafely-without-email = true
non-interactive = true
"""


@contextlib.contextmanager
def acme(gateway: WebGateway, authority: WebAuthority, *, plugin: bool) -> Iterator[None]:
    """As long as the block lasts, certbot there gets certificates by `authority` for names that it
    proves.

    :param plugin: whether certbot has its plugin for nginx.
    """
    about = {"root": authority.root, "key": authority.root_key, "port": _PORT}
    gateway.path("/etc/acme.caddy").write_text(_CADDYFILE.format(**about))
    gateway.path("/etc/letsencrypt").mkdir()
    gateway.path("/etc/letsencrypt/cli.ini").write_text(_ANSWERS.format(**about))
    certbot = gateway.path("/run/bin/certbot")
    certbot.write_text(_CERTBOT.format(**about))
    certbot.chmod(0o755)
    # By another name: it is none of the gateway's web servers.
    gateway.type(["ln -sf $(command -v caddy) /run/bin/authority"])
    argv = ["authority", "run", "--config", "/etc/acme.caddy", "--adapter", "caddyfile"]
    try:
        with gateway.certbot(plugin=plugin), child(gateway.inside(argv)) as issuer:
            issuer.wait_for_line("certificate obtained successfully")
            yield
    finally:
        certbot.unlink()
        gateway.type(["rm -rf /etc/letsencrypt /var/lib/acme /var/lib/letsencrypt"])


def renew(gateway: WebGateway) -> None:
    """As certbot's timer does, some weeks later."""
    gateway.type(["certbot renew --force-renewal --no-random-sleep-on-renew"])
