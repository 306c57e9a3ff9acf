"""What has to be typed on a gateway, by someone who may use sudo there, to have a site shown.

Each function gives whole lines for a shell; nothing is run from here. All that stands in them was
checked by `Site` and `Places`: plain names and paths, so that no shell makes anything else of them.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ..model.errors import BadInput
from ..model.text import plain
from .sites import FOLDER, WEBROOT, Site, WebServer, is_plain_path, nginx_challenge_site

CertbotWay = Literal["webroot", "nginx", "standalone"]
"""How it shows Let's Encrypt that the name is ours: files that a web server hands out; a site that
it adds to nginx for a moment; a server of its own, for which port 80 has to be free."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9_-]+)*")
_END = "END_OF_SITE"

CADDYFILE = "/etc/caddy/Caddyfile"
CADDY_IMPORT = "import sites/*.caddy"


@dataclass(frozen=True)
class Places:
    """Where a gateway's web server has its sites.

    :param group: of the processes that answer requests.
    :param folder: of the sites' files.
    :param suffix: how they have to end.
    :param enabled: the folder for links to those that are shown; "" where all in `folder` are.
    :param imported: whether the server's own file names `folder` already (Caddy).
    :param takes_orders: whether it can be told to read its files again while it runs (Caddy).
    :raises BadInput: they are no plain names and paths.
    """

    server: WebServer
    group: str
    folder: str
    suffix: str = ".conf"
    enabled: str = ""
    imported: bool = True
    takes_orders: bool = True

    def __post_init__(self) -> None:
        is_plain = (
            _NAME.fullmatch(self.group)
            and is_plain_path(self.folder)
            and (not self.enabled or is_plain_path(self.enabled))
            and _SUFFIX.fullmatch(self.suffix)
        )
        if not is_plain:
            raise BadInput(f"The gateway keeps its sites in {plain(self.folder)}: not understood.")

    def file(self, site: Site) -> str:
        """The path of the site's file."""
        return self._file(site.file_name)

    def link(self, site: Site) -> str:
        """The path of the link by which it is shown; "" where none is needed."""
        return self._link(site.file_name)

    def _file(self, name: str) -> str:
        return f"{self.folder}/{name}{self.suffix}"

    def _link(self, name: str) -> str:
        return f"{self.enabled}/{name}{self.suffix}" if self.enabled else ""

    def write(self, name: str, text: str) -> list[str]:
        """The commands that write a site's file."""
        return _written(text, self._file(name))

    def show(self, name: str) -> list[str]:
        """The commands by which a site that is there is shown. One that the server does not take,
        as its certificate is lacking, is taken out: the server would not start again with it."""
        file, link = self._file(name), self._link(name)
        lines = [f"sudo ln -sf {file} {link}"] if link else []
        if not self.imported:
            lines.append(f"echo '{CADDY_IMPORT}' | sudo tee -a {CADDYFILE} >/dev/null")
        look, again = "nginx -t", "nginx -s reload"
        if self.server == "caddy":
            look = f"caddy validate --config {CADDYFILE}"
            again = f"caddy reload --config {CADDYFILE}"
            if not self.takes_orders:
                again = "systemctl restart caddy"
        return [*lines, f"sudo sh -c '{look} || {{ rm {link or file}; exit 1; }}; {again}'"]

    def remove(self, name: str) -> str:
        """The command that takes a site away, if it is there."""
        return " ".join(["sudo rm -f", self._file(name), self._link(name)]).rstrip()


def folder_commands(site: Site, places: Places) -> list[str]:
    """Make the folder of the socket: the user's, and for the web server to go through."""
    return [
        f"sudo install -d -m 0755 -o root {FOLDER}",
        f"sudo install -d -m 0710 -o {site.account} -g {places.group} {site.folder}",
    ]


def site_commands(site: Site, places: Places, *, left_at: str = "") -> list[str]:
    """Install the site as it has to be, and show it.

    :param left_at: where its text lies on the gateway already, in a file of the user's.
    """
    text = site.text(places.server)
    if left_at and is_plain_path(left_at):
        # Read as its user: what is a link by now leads to nothing that only root may read.
        user = f"'#{site.account}'" if site.account.isdecimal() else site.account
        install = f"sudo install -m 0644 /dev/stdin {places.file(site)}"
        # Without a text, which may be gone by then, there would be an empty site.
        is_there = f"sudo -u {user} test -s {left_at}"
        lines = [*_folder_of(places), f"{is_there} && sudo -u {user} cat {left_at} | {install}"]
    else:
        lines = [*_folder_of(places), *places.write(site.file_name, text)]
    return [*lines, *enable_commands(site, places)]


def enable_commands(site: Site, places: Places) -> list[str]:
    """Show a site that is installed. It answers Let's Encrypt itself: what has done so before
    goes."""
    before = [] if places.server == "caddy" or site.certificate else [site.challenge_name]
    return [*map(places.remove, before), *places.show(site.file_name)]


def start_command(server: WebServer) -> str:
    """Start a server that is installed, now and whenever that machine starts."""
    return f"sudo systemctl enable --now {server}"


def certbot_commands(
    site: Site,
    way: CertbotWay,
    places: Places | None,
    *,
    answered: bool = False,
    for_us: bool = False,
) -> list[str]:
    """Get a certificate from Let's Encrypt, and have it renewed.

    :param places: of the web server that runs there, nginx for any way but "standalone"; None where
        none does.
    :param answered: whether a site that is shown there answers Let's Encrypt, for "webroot".
    :param for_us: whether the certificate is for this machine: after each renewal, a copy that the
        user can read is left in their folder, which `fetching` reads.
    """
    hooks = _copies(site, "$RENEWED_LINEAGE") if for_us else []
    words = ["sudo certbot certonly", f"--{way}"]
    before: list[str] = []
    if way == "webroot":
        words.append(f"-w {WEBROOT}")
        before = [f"sudo install -d -m 0755 {WEBROOT}"]
        if places is not None and not answered:
            before += places.write(site.challenge_name, nginx_challenge_site(site))
            before += places.show(site.challenge_name)
    if way == "standalone" and places is not None:
        # At each renewal, too: then that server has the port.
        server = places.server
        words.append(f"--pre-hook 'systemctl stop {server}' --post-hook 'systemctl start {server}'")
    elif places is not None:
        hooks.append("nginx -s reload")
    if for_us:
        before.append(_own_folder(site))
    words.append(f"-d {site.name}")
    if hooks:
        words.append(f"--deploy-hook '{' && '.join(hooks)}'")
    return [*before, " ".join(words)]


def wildcard_commands(site: Site, places: Places) -> list[str]:
    """Get the certificate for the names of applications, from Let's Encrypt: it gives one for all
    names of a domain to those who can enter a record in its DNS, and certbot says which.

    It is renewed by itself only where certbot has a plugin for that DNS in the place of `--manual`.
    """
    assert site.apps is not None
    words = ["sudo certbot certonly --manual --preferred-challenges dns"]
    words += [f"--cert-name {site.apps_lineage} -d '{site.apps.wildcard}'"]
    if places.server == "nginx":
        words.append("--deploy-hook 'nginx -s reload'")
    return [" ".join(words)]


def readable_chain(site: Site) -> str:
    """The path of the copy of the certificate that `copy_commands` leave."""
    return site.socket.removesuffix(".sock") + ".pem"


def readable_key(site: Site) -> str:
    """The path of the copy of its key."""
    return site.socket.removesuffix(".sock") + ".key"


def copy_commands(site: Site) -> list[str]:
    """Leave the user a copy of what Let's Encrypt gave."""
    live = f"/etc/letsencrypt/live/{site.name}"
    return [_own_folder(site), *(f"sudo sh -c '{copy}'" for copy in _copies(site, live))]


def _own_folder(site: Site) -> str:
    return f"test -d {site.folder} || sudo install -d -m 0700 -o {site.account} {site.folder}"


def _copies(site: Site, folder: str) -> list[str]:
    """The copies are written by the user, not by root: in the user's folder, a name that root
    writes to could be a link to anything."""
    files = {"fullchain.pem": readable_chain(site), "privkey.pem": readable_key(site)}
    return [
        f'su -s /bin/sh {_login(site)} -c "umask 077 && cat >{path}.new && mv -f {path}.new {path}"'
        f" <{folder}/{name}"
        for name, path in files.items()
    ]


def _login(site: Site) -> str:
    """The user as `su` knows them: by name."""
    if not site.account.isdigit():
        return site.account
    return f'"$(id -nu {site.account})"'


def _folder_of(places: Places) -> list[str]:
    if places.server == "nginx":
        return []  # it comes with the package
    return [f"sudo install -d -m 0755 {places.folder}"]


def _written(text: str, path: str) -> list[str]:
    assert _END not in text.splitlines()
    return [f"sudo tee {path} >/dev/null <<'{_END}'", *text.splitlines(), _END]
