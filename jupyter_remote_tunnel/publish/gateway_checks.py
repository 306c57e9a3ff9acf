"""What is thought of a gateway, as lines of the list that is gone through before a Jupyter is shown
by its web server. What has to be typed there goes with it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from ..model.forward import TcpBind
from ..model.listeners import STALE, Listener, named
from ..model.publication import Check
from ..model.text import plain
from .gateway import FolderRights, Gateway, ServerThere
from .installing import (
    CertbotWay,
    Places,
    certbot_commands,
    copy_commands,
    enable_commands,
    folder_commands,
    site_commands,
    start_command,
    wildcard_commands,
)
from .names import about_apps
from .sites import Site, WebServer

_OLDEST: dict[WebServer, tuple[int, int]] = {"nginx": (1, 18), "caddy": (2, 6)}
_ROOTS_PORTS = 1024
_TITLES: dict[WebServer, str] = {"nginx": "nginx", "caddy": "Caddy"}
_WEB_SERVER_COMMANDS = {
    "nginx": ("sudo apt install nginx",),
    "caddy": ("sudo apt install caddy",),
}


def check_gateway(
    gateway: Gateway,
    site: Site,
    wanted: WebServer | None = None,
    *,
    left_at: str = "",
    here: bool = False,
) -> list[Check]:
    """Whether its web server shows the site.

    :param wanted: the web server to use; None is the one that is there.
    :param left_at: where the site's text lies on the gateway, in the user's home.
    :param here: whether this machine is the gateway, where there is no way without a web server.
    :returns: the last one is of the site itself, if there is a web server.
    :raises BadInput: what the gateway says of its web server is not understood.
    """
    server = gateway.choose(wanted)
    if server is None:
        return [_no_server(gateway, wanted, here=here)]
    places = gateway.places(server)
    checks = [_server(gateway, server)]
    if site.port is None:
        checks.append(_folder(gateway, site, places, server))
    else:
        checks.append(check_loopback(gateway.host, site.port))
    if gateway.claimed and server.kind == "nginx":
        checks.append(_claimed(gateway, site))
    if server.kind == "caddy":
        checks += _caddy(gateway)
    return [*checks, _site(gateway, site, places, left_at)]


def check_loopback(host: str, port: int, *, own_site: bool = False) -> Check:
    """What a port of the gateway's loopback means, in the place of a socket.

    :param own_site: whether the site that leads there is not ours.
    """
    return Check(
        "port",
        "note",
        f"It is port {port} of the loopback of {host}. Its other users can connect there, and see"
        " the login page without TLS. Whenever this is not shown, any of them can take the port:"
        " visitors who come by the name are theirs then, with passwords and cookies. A socket"
        " cannot be taken.",
        advice="Your site has to name 127.0.0.1: of “localhost” another user can have half."
        if own_site
        else "",
    )


def check_port(
    host: str, bind: TcpBind, listeners: Sequence[Listener], uid: int | None
) -> Check | None:
    """What there is to say of a port of the gateway before it is asked to listen there.

    :param listeners: who has it, while it is not ours.
    :param uid: ours there; None where that is not known.
    """
    option = "--port" if bind.public else "--tcp"
    instead = "" if bind.public else "; or have a socket, without --tcp, which nobody can take"
    lowest = f" from {_ROOTS_PORTS} on" if bind.port < _ROOTS_PORTS and uid != 0 else ""
    other = f"another one{lowest} with {option}{instead}."
    advice = f"Choose {other}"
    if listeners:
        others = [one for one in listeners if one.uid != uid]
        who = f"another user ({named(others)}) listens there"
        if not others:
            who = "a program of yours listens there, or a connection that was lost"
            advice = f"{STALE} Try again then, or choose {other}"
        says = f"Port {bind.port} of {host} is taken: {who}."
        return Check("port", "failed", says, advice=advice)
    if not lowest:
        return None
    says = f"Ports below {_ROOTS_PORTS} are for root: {host} may not let you have {bind.port}."
    return Check("port", "note", says, advice=advice)


def installation_commands(
    gateway: Gateway, site: Site, server: ServerThere, *, left_at: str = ""
) -> tuple[str, ...]:
    """What is still to be typed on a gateway to have a site shown there.

    :param left_at: as in `check_gateway`.
    :raises BadInput: what the gateway says of its web server is not understood.
    """
    places = gateway.places(server)
    by_certbot = site.certificate is None and server.kind == "nginx"
    lines = [] if server.running else [start_command(server.kind)]
    if site.port is None:
        lines += _to_type(_folder(gateway, site, places, server))
    if by_certbot and not (server.running and _names(gateway, site, places, site.chain)):
        lines += certificate_commands(gateway, site, server.kind)
    if by_certbot and site.apps and not _names(gateway, site, places, site.apps_chain):
        lines += wildcard_commands(site, places)
    return (*lines, *_to_type(_site(gateway, site, places, left_at)))


def _to_type(check: Check) -> tuple[str, ...]:
    return check.typed if check.verdict == "failed" else ()


def _names(gateway: Gateway, site: Site, places: Places, chain: str) -> bool:
    """Whether nginx shows a site of ours with that certificate, as it would take none without."""
    text = gateway.sites.get(places.file(site)) or ""
    is_shown = gateway.enabled or not places.enabled
    return is_shown and f"    ssl_certificate {chain};" in text.splitlines()


def certbot_way(gateway: Gateway, server: ServerThere | None) -> CertbotWay:
    """How certbot can best show there that the name is ours. Of two sites that have the name, nginx
    shows one: where there is another than ours, its answer is put into that by the plugin."""
    if server is not None and server.kind == "nginx" and server.running:
        return "nginx" if gateway.certbot_nginx or gateway.claimed else "webroot"
    return "standalone"


def certificate_commands(
    gateway: Gateway, site: Site, wanted: WebServer | None = None, *, for_us: bool = False
) -> tuple[str, ...]:
    """What to type on the gateway to get a certificate for the name; () where nothing has to be:
    the site names another one, or Caddy gets its own.

    :param for_us: whether TLS ends on this machine.
    :raises BadInput: what the gateway says of its web server is not understood.
    """
    server = gateway.choose(wanted)
    is_caddy = server is not None and server.kind == "caddy"
    if site.certificate is not None or (is_caddy and not for_us):
        return ()
    way = certbot_way(gateway, server)
    lacking = [] if gateway.certbot else ["certbot"]
    if way == "nginx" and not gateway.certbot_nginx:
        lacking.append("python3-certbot-nginx")
    lines = [f"sudo apt install {' '.join(lacking)}"] if lacking else []
    # One that does not run has no port that certbot wants; but where it shows the site, it will.
    is_there = server is not None and (server.running or not for_us)
    places = gateway.places(server) if server is not None and is_there else None
    answered = gateway.answers
    return (*lines, *certbot_commands(site, way, places, answered=answered, for_us=for_us))


def without_certificate(gateway: Gateway, site: Site, found: Check) -> Check:
    """How to get one where TLS ends on this machine, and there is none that we can read."""
    lines = (
        "# It has one already (for another web server):",
        *copy_commands(site),
        "# It has none:",
        *certificate_commands(gateway, site, for_us=True),
    )
    advice = (
        "Type what stands below the one or the other there, once, as a user who may use sudo."
        " certbot copies it again after each renewal; where it has one already, its --deploy-hook"
        " has to."
    )
    return replace(found, typed=lines, advice=advice)


def check_app_certificate(
    gateway: Gateway, site: Site, shown: Check, wanted: WebServer | None = None, *, is_there: bool
) -> Check:
    """What comes of a certificate that is shown to those who ask for the name of an application.

    :param shown: what was thought of it.
    :param is_there: whether the site is installed: without the certificate, nginx takes none.
    """
    server = gateway.choose(wanted)
    if shown.verdict != "failed" or site.apps is None or site.certificate or server is None:
        return about_apps(shown)
    if server.kind == "caddy":
        names = f"{site.name} and {site.apps.wildcard}"
        advice = (
            "Caddy gets one for all names of a domain only with a module for its DNS, which has to"
            " be built in: then begin its Caddyfile with this. Else give a certificate for"
            f" {names}: --certfile FILE --keyfile FILE"
        )
        first = ("{", "\tacme_dns PROVIDER …", "}")
        return about_apps(replace(shown, typed=first, advice=advice))
    advice = (
        "This gets one from Let's Encrypt, which asks for a record in the DNS of"
        f" {site.apps.parent}. It is renewed by itself only where certbot has a plugin for that"
        " DNS: then give that in the place of --manual."
    )
    lines = tuple(wildcard_commands(site, gateway.places(server)))
    found = replace(shown, typed=lines, advice=advice)
    return about_apps(found) if is_there else found


def check_port_80(gateway: Gateway, wanted: WebServer | None = None) -> Check:
    """Whether Let's Encrypt can ask there whose the name is."""
    server = gateway.choose(wanted)
    if 80 not in gateway.listening:
        return Check("port 80", "ok", f"Nobody listens on port 80 of {gateway.host}.")
    if server is not None and server.running:
        says = f"{_TITLES[server.kind]} listens on port 80 of {gateway.host}."
        return Check("port 80", "ok", says)
    return Check(
        "port 80",
        "note",
        f"Something other than nginx or Caddy listens on port 80 of {gateway.host}.",
        advice="Let's Encrypt asks there: have that server hand out what certbot puts into its"
        " folder (certbot certonly --webroot), or prove the name by DNS.",
    )


def _no_server(gateway: Gateway, wanted: WebServer | None, *, here: bool) -> Check:
    lacking = _TITLES[wanted] if wanted else "nginx or Caddy"
    without = "" if here else f" Without one: jupyter tunnel publish --bind {gateway.host}"
    return Check(
        "web server",
        "failed",
        f"{gateway.host} has no {lacking}.",
        _WEB_SERVER_COMMANDS[wanted or "nginx"],
        f"Install it there, as its system does it, and look again.{without}",
    )


def _server(gateway: Gateway, server: ServerThere) -> Check:
    title = _TITLES[server.kind]
    version = ".".join(map(str, server.version)) if server.version > (0, 0) else ""
    named = f"{title} {version}".rstrip()
    if not server.running:
        return Check(
            "web server",
            "failed",
            f"{named} is installed on {gateway.host} and does not run.",
            (start_command(server.kind),),
            "Start it there.",
        )
    if (0, 0) < server.version < _OLDEST[server.kind]:
        oldest = ".".join(map(str, _OLDEST[server.kind]))
        return Check(
            "web server",
            "note",
            f"{named} runs on {gateway.host}.",
            advice=f"The site is written for {oldest} and newer.",
        )
    if gateway.selinux:
        return Check(
            "web server",
            "note",
            f"{named} runs on {gateway.host}, below SELinux.",
            ("sudo setsebool -P httpd_can_network_connect 1",),
            "SELinux mostly keeps web servers from the sockets of users: if the way through the"
            " name fails, use --tcp, and have SELinux allow connections.",
        )
    return Check("web server", "ok", f"{named} runs on {gateway.host}.")


def _folder(gateway: Gateway, site: Site, places: Places, server: ServerThere) -> Check:
    found, fault = gateway.folder, ""
    if found is None:
        fault = f"{site.folder} is not there."
    elif found.uid != gateway.uid:
        fault = f"{site.folder} is not yours."
    elif found.mode & 0o007:
        fault = f"Other users of {gateway.host} can enter {site.folder} ({found.mode:04o})."
    elif found.group != places.group or not found.mode & 0o010:
        fault = f"{_TITLES[places.server]} cannot enter {site.folder}: its group is {places.group}."
    elif not _is_safe_parent(gateway.parent):
        fault = f"The folder in which {site.folder} stands is not root's alone."
    if fault:
        return Check(
            "folder",
            "failed",
            fault,
            tuple(folder_commands(site, places)),
            f"The socket is made there, so that none but you and {_TITLES[places.server]} reach it."
            " This has to be typed there once, by someone who may use sudo.",
            "site",
        )
    if others := _also_let_in(gateway, server):
        return Check(
            "folder",
            "note",
            f"Others in the group {places.group} reach {site.folder}, too, and can give themselves"
            f" any address: {plain(', '.join(others))}.",
            advice=f"Take everybody but {_TITLES[places.server]} out of that group (gpasswd -d).",
        )
    return Check(
        "folder",
        "ok",
        f"None but you and {_TITLES[places.server]} reach {site.folder}.",
    )


def _also_let_in(gateway: Gateway, server: ServerThere) -> list[str]:
    """Who is in the group of the folder, and neither its owner, root nor the web server."""
    known = {gateway.uid, 0, *server.uids}
    members = gateway.members.items()
    return [name for name, uid in members if uid not in known and name != server.user]


def _is_safe_parent(parent: FolderRights | None) -> bool:
    return parent is not None and parent.uid == 0 and not parent.mode & 0o022


def _site(gateway: Gateway, site: Site, places: Places, left_at: str) -> Check:
    path, wanted = places.file(site), site.text(places.server)
    install = tuple(site_commands(site, places, left_at=left_at))
    advice = "This has to be typed there once, by someone who may use sudo."
    if path not in gateway.sites:
        return Check("site", "failed", f"{path} is not there.", install, advice, "site")
    there = gateway.sites[path]
    if there is None:
        return Check(
            "site", "failed", f"{path} cannot be read, or is no site of ours.", install, advice,
            "site",
        )  # fmt: skip
    if there != wanted:
        says = f"{path} is not as it has to be: {_difference(there, wanted)}."
        return Check("site", "failed", says, install, advice, "site")
    if places.enabled and not gateway.enabled:
        says = f"{path} is there, and not among {places.enabled}."
        commands = tuple(enable_commands(site, places))
        if site.certificate is not None:
            # As after a first time, when nginx did not take them.
            advice += (
                f" If nginx then does not take the key ({site.certificate.key}), name other files"
                " than those that stand in the site: --certfile FILE --keyfile FILE"
            )
        return Check("site", "failed", says, commands, advice, "site")
    if not places.imported:
        says = f"{path} is there, and Caddy's own file does not name that folder."
        commands = tuple(enable_commands(site, places))
        return Check("site", "failed", says, commands, advice, "site")
    return Check("site", "ok", f"{path} is as it has to be.")


def _difference(there: str, wanted: str) -> str:
    """The first of them."""
    pairs = itertools.zip_longest(there.splitlines(), wanted.splitlines(), fillvalue="")
    for number, (found, right) in enumerate(pairs, 1):
        if found != right:
            return f"line {number} is “{plain(found, 160)}” in place of “{plain(right, 160)}”"
    return "it ends in another way"


def _claimed(gateway: Gateway, site: Site) -> Check:
    return Check(
        "other site",
        "failed",
        f"{gateway.host} has another site of the name {site.name}.",
        advice="nginx shows only one of them. Take the name out there, or publish under another"
        " one.",
        details=gateway.claimed,
    )


def _caddy(gateway: Gateway) -> list[Check]:
    checks = [
        Check(
            "guessing",
            "note",
            "Caddy does not limit how fast passwords are tried, as nginx does.",
            advice="Have a long one.",
        )
    ]
    if 2019 in gateway.listening:
        checks.append(
            Check(
                "orders",
                "note",
                f"Every user of {gateway.host} can give orders to Caddy, on port 2019.",
                ("{", "\tadmin off", "}"),
                "Caddy comes so. Where others log in, begin its Caddyfile with this, and restart"
                " it in place of a reload from then on.",
            )
        )
    return checks
