"""What the generated sites are made of."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.app_domain import LABEL as LABEL_PATTERN
from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.host_name import published_name
from jupyter_remote_tunnel.publish.installing import (
    certbot_commands,
    folder_commands,
    site_commands,
    wildcard_commands,
)
from jupyter_remote_tunnel.publish.sites import CertificateFiles, Site, WebServer
from tests.publish.shown import APPS, PLACES, SITE
from tests.support.fuzzing import texts


def test_a_site_without_names_of_applications_has_none_of_it() -> None:
    for server in PLACES:
        plain = SITE.text(server)
        assert "apps" not in plain
        assert replace(SITE, apps=APPS).text(server).startswith(plain)


def test_the_certificate_for_all_names_is_got_by_dns() -> None:
    site = replace(SITE, certificate=None, apps=APPS)
    (line,) = wildcard_commands(site, PLACES["nginx"])
    assert "--manual --preferred-challenges dns" in line
    assert "-d '*.apps.example.net'" in line
    assert f"--cert-name {site.apps_lineage} " in line
    assert f"/etc/letsencrypt/live/{site.apps_lineage}/fullchain.pem;" in site.text("nginx")


def test_without_ipv6_nothing_listens_there() -> None:
    assert "[::]:443" in SITE.text("nginx")
    assert "[::]" not in replace(SITE, ipv6=False).text("nginx")


PARTS = st.sampled_from(
    [
        *("a", "b.c", "example", "-", "_", ".", "..", "/", "/a/", "0", "127.0.0.1", "[::1]", "é"),
        *("\n", " ", "\t", ";", "{", "}", "$", "$(id)", "`", "'", '"', "\\", "#", "*", "~", "%2F"),
        *("&", "|", ">", "END_OF_SITE", "\nEND_OF_SITE\n", "１", "ⓔ", "。", "\u202e", "\0"),
    ]
)


TYPED = st.lists(PARTS, min_size=1, max_size=6).map("".join) | texts


def shape(text: str) -> str:
    """What remains when every plain word is the same; long names are regular expressions."""
    text = re.sub(r'"~\^(?:[a-z0-9_-]|\\\.)+\$"', "w", text)
    identifier = re.escape(rf"({LABEL_PATTERN}|probe-[0-9a-f]{{20}})")
    text = re.sub(rf"{identifier}(?:[a-z0-9_-]|\\\.)+", "w", text)
    text = re.sub(r'"~\^w\$"', "w", text)
    text = re.sub(r'"\$\(id -nu \d+\)"', "w", text)  # of an account that is a number
    return re.sub(r"[A-Za-z0-9_~@+./-]+", "w", text.replace("*.", ""))


def everything(site: Site) -> str:
    """All that is made of a site."""
    lines: list[str] = []
    for places in PLACES.values():
        lines += [*folder_commands(site, places), *site_commands(site, places)]
    for way in ("webroot", "nginx", "standalone"):
        for_us = certbot_commands(site, way, None, for_us=True)
        lines += [*certbot_commands(site, way, PLACES["nginx"]), *for_us]
    lines += wildcard_commands(site, PLACES["nginx"])
    return "\n".join(lines)


REFERENCE = Site("a.example.org", "ann", "/x/", certificate=CertificateFiles("/c", "/k"), apps=APPS)


SHAPE = shape(everything(REFERENCE))


@given(typed=TYPED, part=st.sampled_from(["name", "account", "prefix", "chain", "key", "apps"]))
def test_nothing_typed_becomes_more_than_a_word(typed: str, part: str) -> None:
    try:
        site = changed(part, typed)
    except BadInput:
        return
    assert shape(everything(site)) == SHAPE
    assert ".." not in Path(site.folder).parts


def changed(part: str, typed: str) -> Site:
    """The reference with another part.

    :raises BadInput: it cannot have that.
    """
    match part:
        case "name":
            return replace(REFERENCE, name=published_name(typed))
        case "account":
            return replace(REFERENCE, account=typed)
        case "prefix":
            return replace(REFERENCE, prefix=f"/{typed}/")
        case "apps":
            return replace(REFERENCE, apps=AppDomain.parse(f"{{id}}.{typed}"))
        case "chain":
            return replace(REFERENCE, certificate=CertificateFiles(f"/{typed}", "/k"))
    return replace(REFERENCE, certificate=CertificateFiles("/c", f"/{typed}"))


@pytest.mark.parametrize("server", ["nginx", "caddy"])
@pytest.mark.parametrize("apps", [None, APPS])
def test_a_site_says_which_certificate_it_has(server: WebServer, apps: AppDomain | None) -> None:
    own = CertificateFiles("/etc/ssl/own.pem", "/etc/ssl/own.key")
    site = replace(REFERENCE, certificate=own, apps=apps)
    assert site.with_certificate_of(site.text(server)) == site
    of_certbot = replace(site, certificate=None)
    assert of_certbot.with_certificate_of(site.text(server)) == site
    assert of_certbot.with_certificate_of(of_certbot.text(server)) == of_certbot
    for text in ("", site.text(server).replace("/etc/ssl/own", "/etc/../own")):
        assert of_certbot.with_certificate_of(text) == of_certbot


def test_a_socket_fits_whatever_the_name_is() -> None:
    names = [f"{'a' * 60}.{end}.example.org" for end in ("b", "c")]
    sockets = [Site(name, 32 * "x").socket for name in names]
    assert len(set(sockets)) == 2
    assert all(len(socket) <= 100 for socket in sockets)
