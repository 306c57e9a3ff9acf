"""The site of a gateway's web server that shows a Jupyter: the text of it, for nginx and for Caddy.

TLS ends there. A request goes on to a Unix socket in a folder that none but the gateway's user and
its web server can enter (or to a port of its loopback), as it came: nothing is kept back or limited
on the way, in neither direction. Who asks, and by what, is set by the web server in the place of
whatever the visitor says: tornado believes X-Real-Ip before X-Forwarded-For and X-Scheme before
X-Forwarded-Proto, so those are taken out.

What stands in these texts, and in the commands of `installing`, was checked by `Site`.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Literal, Self

from ..model.app_domain import AppDomain
from ..model.errors import BadInput
from ..model.host_name import published_name
from ..model.text import plain

WebServer = Literal["nginx", "caddy"]

FOLDER = "/var/lib/jupyter-remote-tunnel"
"""On the gateway; below it, each user who publishes has a folder."""

WEBROOT = "/var/www/jupyter-remote-tunnel"
"""On the gateway: where certbot answers Let's Encrypt, which asks by http."""

_LONGEST_SOCKET = 100  # bytes of a path: the system's limit is 107
_LONGEST_FILE = 100
# nginx keeps names in buckets of 64 bytes unless told otherwise, and takes no longer ones there.
_LONGEST_HASHED = 46

_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_PREFIX = re.compile(r"/(?:[A-Za-z0-9_~@+.-]+/)*")
# In a site of ours that of Jupyter's name comes first.
_OWN_CERTIFICATE = re.compile(
    r"^    ssl_certificate ([^\s;]+);\n    ssl_certificate_key ([^\s;]+);$|^\ttls (\S+) (\S+)$",
    re.MULTILINE,
)
_MADE_FOR = re.compile(r"# https://[^/\s]+(/\S*): the Jupyter of ")
_PATH = re.compile(r"(?:/[A-Za-z0-9_@+.-]+)+")


@dataclass(frozen=True)
class CertificateFiles:
    """The certificate, with those that vouch for it behind it, and its key: paths on the gateway.

    :raises BadInput: they are no plain, absolute paths.
    """

    chain: str
    key: str

    def __post_init__(self) -> None:
        for path in (self.chain, self.key):
            if not is_plain_path(path):
                raise BadInput(
                    f"“{plain(path, 300)}” cannot stand in the configuration of a web server.",
                    hint="Give an absolute path of letters, digits and . _ - + @ without “..”.",
                )


@dataclass(frozen=True)
class Site:
    """What is shown, and under which name.

    :param name: the host name by which browsers reach it; `published_name` makes it of what was
        typed.
    :param account: the user of the gateway, or their uid where the name has other characters than
        letters, digits and . _ -
    :param prefix: Jupyter's base_url, with a slash at both ends: nothing else is shown.
    :param port: of the gateway's loopback, in place of the socket.
    :param certificate: None is the one from Let's Encrypt: where certbot has it, and with Caddy
        the one that it gets by itself.
    :param ipv6: whether the gateway has IPv6: nginx does not start where it shall listen on what
        is not there.
    :param apps: where applications have names of their own, which lead to the same socket.
        `certificate` is for these, too, if it is given.
    :raises BadInput: one of them cannot stand in a configuration.
    """

    name: str
    account: str
    prefix: str = "/"
    port: int | None = None
    certificate: CertificateFiles | None = None
    ipv6: bool = True
    apps: AppDomain | None = None

    def __post_init__(self) -> None:
        if published_name(self.name) != self.name:
            raise BadInput(f"“{plain(self.name)}” is not how DNS has that name.")
        if not _ACCOUNT.fullmatch(self.account):
            raise BadInput(
                f"The account “{plain(self.account)}” cannot be the name of a folder there.",
                hint="Its number does: `id -u` there prints it.",
            )
        if not _PREFIX.fullmatch(self.prefix) or _climbs(self.prefix):
            raise BadInput(
                f"“{plain(self.prefix)}” cannot be what the addresses begin with.",
                hint="For example: /lab/, with letters, digits and . _ ~ @ + - between slashes.",
            )
        if self.port is not None and not 0 < self.port < 65536:
            raise BadInput(f"{self.port} is no port.")

    @property
    def url(self) -> str:
        """What browsers are given."""
        return f"https://{self.name}{self.prefix}"

    @property
    def folder(self) -> str:
        """The folder of the socket."""
        return f"{FOLDER}/{self.account}"

    @property
    def socket(self) -> str:
        """The path of the socket on which the remote forward listens."""
        room = _LONGEST_SOCKET - len(f"{self.folder}/.sock")
        return f"{self.folder}/{_cut(self.name, room)}.sock"

    @property
    def file_name(self) -> str:
        """How the site's file is called, without an ending."""
        return _cut(f"jupyter-remote-tunnel-{self.name}", _LONGEST_FILE)

    @property
    def challenge_name(self) -> str:
        """The same of the site that only answers Let's Encrypt. (No host name makes it another
        site's: there, a hyphen stands behind "tunnel".)"""
        return _cut(f"jupyter-remote-tunnel_acme-{self.name}", _LONGEST_FILE)

    @property
    def apps_lineage(self) -> str:
        """How certbot calls the certificate for the names of applications."""
        return "" if self.apps is None else f"wildcard.{self.apps.parent}"

    @property
    def chain(self) -> str:
        """The path of the certificate that nginx shows."""
        return (self.certificate or _live(self.name)).chain

    @property
    def apps_chain(self) -> str:
        """The path of the one for the names of applications."""
        return (self.certificate or _live(self.apps_lineage)).chain

    def text(self, server: WebServer) -> str:
        """The site's file."""
        return nginx_site(self) if server == "nginx" else caddy_site(self)

    def with_certificate_of(self, text: str) -> Self:
        """The site with the certificate that its file has now; as it is, where that names none, or
        the one from Let's Encrypt."""
        found = _OWN_CERTIFICATE.search(text)
        if found is None:
            return self
        chain, key = found[1] or found[3], found[2] or found[4]
        if not (is_plain_path(chain) and is_plain_path(key)):
            return self
        files = CertificateFiles(chain, key)
        return self if files == _live(self.name) else replace(self, certificate=files)


def shown_below(text: str) -> str:
    """The path below which the site of this text shows a Jupyter; "" where it does not say."""
    found = _MADE_FOR.match(text)
    prefix = found[1] if found else ""
    return prefix if _PREFIX.fullmatch(prefix) and not _climbs(prefix) else ""


def is_plain_path(path: str) -> bool:
    """Whether this absolute path means itself in a shell and in the files of web servers."""
    return bool(_PATH.fullmatch(path)) and not _climbs(path)


def _climbs(path: str) -> bool:
    return bool({".", ".."} & set(path.split("/")))


def _cut(text: str, room: int) -> str:
    """`text`, or its beginning with what tells it from others that begin so."""
    if len(text) <= room:
        return text
    return f"{text[: room - 13]}-{_digest(text)[:12]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def nginx_site(site: Site) -> str:
    """For nginx 1.18 and newer. (HTTP/2 is left out: the word for it is another one since 1.25,
    and nginx speaks no websockets by it.)"""
    words = _nginx_words(site)
    return (
        _NGINX_HEAD.format(**words)
        + _NGINX_HTTP.format(**words)
        + _NGINX_TLS.format(**words)
        + _NGINX_LOGIN.format(**words)
        + (_NGINX_ALL if site.prefix == "/" else _NGINX_PREFIX).format(**words)
        + ("" if site.apps is None else _nginx_apps(site, site.apps))
    )


def _nginx_apps(site: Site, apps: AppDomain) -> str:
    """The servers for the names of applications: for all of them, or those of this Jupyter where
    the domain is for several."""
    words = {**_nginx_words(site), "wildcard": apps.wildcard, "server_name": apps.wildcard}
    if apps.is_shared or len(apps.wildcard) > _LONGEST_HASHED:
        words["server_name"] = f'"~^{apps.pattern}$"'
    if site.certificate is None:
        files = _live(site.apps_lineage)
        words["chain"], words["key"] = files.chain, files.key
    return (_NGINX_APPS + _NGINX_TLS + _NGINX_ALL).format(**words)


def _live(lineage: str) -> CertificateFiles:
    """Where certbot has a certificate, and its key."""
    folder = f"/etc/letsencrypt/live/{lineage}"
    return CertificateFiles(f"{folder}/fullchain.pem", f"{folder}/privkey.pem")


def nginx_challenge_site(site: Site) -> str:
    """What answers Let's Encrypt before there is a certificate, without which nginx would not take
    the site itself."""
    return _NGINX_HTTP.format(**_nginx_words(site)).lstrip()


def _nginx_words(site: Site) -> dict[str, str]:
    files = site.certificate or _live(site.name)
    escaped = site.name.replace(".", r"\.")
    return {
        "url": site.url,
        "name": site.name,
        "server_name": site.name if len(site.name) <= _LONGEST_HASHED else f'"~^{escaped}$"',
        # nginx has one set of such names for all its sites, and likes them no longer than 22 bytes
        # with what stands behind.
        "own": f"jrt_{_digest(site.name)[:8]}",
        "prefix": site.prefix,
        "bare_prefix": site.prefix.rstrip("/"),
        "account": site.account,
        "upstream": f"127.0.0.1:{site.port}" if site.port else f"unix:{site.socket}",
        "chain": files.chain,
        "key": files.key,
        "webroot": WEBROOT,
        "listen_80": "\n    listen [::]:80;" if site.ipv6 else "",
        "listen_443": "\n    listen [::]:443 ssl;" if site.ipv6 else "",
    }


_NGINX_HEAD = """\
# {url}: the Jupyter of {account}. Made by jupyter_remote_tunnel.

map $http_upgrade ${own}_upgrade {{
    default "";
    "~*^websocket$" websocket;
}}
map ${own}_upgrade ${own}_connect {{
    default "";
    websocket upgrade;
}}
# Who guesses passwords is slowed down, and who holds connections keeps nobody else out: an address,
# or a network (/64) of IPv6.
map $binary_remote_addr ${own}_visitor {{
    default $binary_remote_addr;
    "~^(?s)(.{{8}}).{{8}}\\z" $1;
}}
map $request_method ${own}_login {{
    default "";
    POST ${own}_visitor;
}}
# Who has many addresses is slowed down, too.
map $request_method ${own}_logins {{
    default "";
    POST all;
}}
limit_req_zone ${own}_login zone={own}:1m rate=6r/m;
limit_req_zone ${own}_logins zone={own}_all:32k rate=60r/m;
limit_conn_zone ${own}_visitor zone={own}_held:1m;
# Addresses within Jupyter can be secret: none is logged.
log_format {own} '$remote_addr [$time_local] {name} $request_method $status $bytes_sent';
"""

_NGINX_HTTP = """
server {{
    listen 80;{listen_80}
    server_name {server_name};
    location ^~ /.well-known/acme-challenge/ {{
        root {webroot};
        default_type text/plain;
    }}
    location / {{
        return 301 https://{name}$request_uri;
    }}
}}
"""

_NGINX_TLS = """
server {{
    listen 443 ssl;{listen_443}
    server_name {server_name};
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    # Who comes by http:// to this port, which nginx would refuse.
    error_page 497 =301 https://$host$request_uri;
    add_header Strict-Transport-Security "max-age=31536000" always;
    access_log /var/log/nginx/access.log {own};
    error_log /var/log/nginx/error.log alert;
    limit_conn {own}_held 100;
    limit_conn_status 429;

    proxy_http_version 1.1;
    proxy_set_header Upgrade ${own}_upgrade;
    proxy_set_header Connection ${own}_connect;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Real-Ip "";
    proxy_set_header X-Scheme "";
    proxy_set_header X-Forwarded-Host "";
    proxy_set_header Forwarded "";
    proxy_redirect off;
    # What an application behind Jupyter answers gives no orders to nginx.
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;

    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_buffer_size 32k;
    proxy_buffers 8 32k;
    proxy_read_timeout 1d;
    proxy_send_timeout 1d;
    client_body_timeout 60s;
    send_timeout 60s;
"""  # noqa: E501 (one directive, one line)

_NGINX_LOGIN = """
    location = {prefix}login {{
        limit_req zone={own} burst=5 nodelay;
        limit_req zone={own}_all burst=59 nodelay;
        limit_req_status 429;
        proxy_pass http://{upstream};
    }}
"""

_NGINX_APPS = """
# Applications, each at a name of its own below {wildcard}
server {{
    listen 80;{listen_80}
    server_name {server_name};
    location / {{
        return 301 https://$host$request_uri;
    }}
}}
"""

_NGINX_ALL = """\
    location / {{
        proxy_pass http://{upstream};
    }}
}}
"""

_NGINX_PREFIX = """\
    location ^~ {prefix} {{
        proxy_pass http://{upstream};
    }}
    location = {bare_prefix} {{
        return 301 https://{name}{prefix};
    }}
    location / {{
        return 404;
    }}
}}
"""


def caddy_site(site: Site) -> str:
    """For Caddy 2.6 and newer, which limits no rate: its standard modules have none for that."""
    files = site.certificate
    words = {
        "url": site.url,
        "name": site.name,
        "account": site.account,
        "prefix": site.prefix,
        "bare_prefix": site.prefix.rstrip("/"),
        "tls": f"\ttls {files.chain} {files.key}\n" if files else "",
        "upstream": f"127.0.0.1:{site.port}" if site.port else f"unix/{site.socket}",
    }
    shown = _CADDY_ALL if site.prefix == "/" else _CADDY_PREFIX
    text = (_CADDY_HEAD + shown).format(**words)
    if site.apps is not None:
        apps = {"wildcard": site.apps.wildcard, "pattern": site.apps.pattern}
        own = _CADDY_OWN if site.apps.is_shared else ""
        text += (_CADDY_APPS + own + _CADDY_ALL).format(**words, **apps)
    return text


_CADDY_HEAD = """\
# {url}: the Jupyter of {account}. Made by jupyter_remote_tunnel.

# By itself Caddy would do this only where nothing else answers on port 80.
http://{name} {{
\tredir https://{name}{{uri}} 301
}}

{name} {{
{tls}\theader Strict-Transport-Security "max-age=31536000"
"""

_CADDY_APPS = """
# Applications, each at a name of its own
http://{wildcard} {{
\tredir https://{{host}}{{uri}} 301
}}

{wildcard} {{
{tls}\theader Strict-Transport-Security "max-age=31536000"
"""

_CADDY_OWN = """\
\t@other not header_regexp Host `(?i)^{pattern}(:[0-9]+)?$`
\trespond @other 404
"""

_CADDY_ALL = """\
\treverse_proxy {upstream} {{
\t\tflush_interval -1
\t\theader_up X-Forwarded-For {{remote_host}}
\t\theader_up X-Forwarded-Proto {{scheme}}
\t\theader_up -X-Forwarded-Host
\t\theader_up -X-Real-Ip
\t\theader_up -X-Scheme
\t\theader_up -Forwarded
\t}}
}}
"""

_CADDY_PREFIX = """\
\thandle {prefix}* {{
\t\treverse_proxy {upstream} {{
\t\t\tflush_interval -1
\t\t\theader_up X-Forwarded-For {{remote_host}}
\t\t\theader_up X-Forwarded-Proto {{scheme}}
\t\t\theader_up -X-Forwarded-Host
\t\t\theader_up -X-Real-Ip
\t\t\theader_up -X-Scheme
\t\t\theader_up -Forwarded
\t\t}}
\t}}
\tredir {bare_prefix} {prefix} 308
\thandle {{
\t\trespond 404
\t}}
}}
"""
