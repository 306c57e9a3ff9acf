"""What is looked at before anything opens, beside this Jupyter itself: the one place where the
checks of a gateway, of a name and of a certificate are asked for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..engine.folders import data_dir
from ..model.address import is_ipv6
from ..model.app_domain import AppDomain
from ..model.errors import BadInput, Fatal, RemoteTunnelError
from ..model.host_name import published_name
from ..model.listeners import Holders, Listener, listing_of
from ..model.publication import Check, PublishRequest
from ..model.spec import TunnelRequest
from ..model.text import plain
from ..publish.checking_certificates import check_files, check_presented
from ..publish.fetching import fetch
from ..publish.gateway import Gateway, ServerThere, Shell, leave_site, look
from ..publish.gateway_checks import (
    certificate_commands,
    check_app_certificate,
    check_gateway,
    check_loopback,
    check_port,
    check_port_80,
    installation_commands,
    without_certificate,
)
from ..publish.given_certificate import check_given
from ..publish.names import (
    about_apps,
    any_app,
    check_app_names,
    check_name,
    reached_addresses,
)
from ..publish.own_folder import check_own_folder
from ..publish.sites import CertificateFiles, Site, shown_below
from .listening import Certificate, check_port_here
from .probes import ANYBODY, WELL_KNOWN

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who


RENEWAL = "renewal"
"""The check that notes that a certificate was not renewed here."""


class Engine(Protocol):
    """Who has a connection to an engine: `HeldEngine`, and `pulling.OwnEngine`."""

    async def client(self) -> "EngineClient":
        """The connection."""


def understood(request: PublishRequest) -> PublishRequest:
    """The request with its name as DNS and certificates have it.

    :raises BadInput: it is asked for what cannot be.
    """
    request.check()
    if request.way == "direct" and is_ipv6(request.name):
        return request
    return replace(request, name=published_name(request.name))


class Looking:
    """Goes through it for one request, more than once where it is asked to, and keeps what it found
    of use for later.

    `socket` is the path of the socket on the gateway that its web server's site names, "" where
    there is none; `certificate` is that with which TLS ends here; `apps` is the domain below which
    applications can be shown, None where there is none; `here` is whether this machine is the
    gateway; `listens` is whether it is published, so that who answers by its name may be this one.
    """

    here = False

    def __init__(
        self,
        request: PublishRequest,
        base_url: str,
        engine: Engine,
        person: "Who | None",
        apps: AppDomain | None = None,
    ) -> None:
        """:param request: as `understood`.
        :param base_url: Jupyter's.
        :param person: who can be asked what the gateway wants to know.
        :param apps: the domain that is set for applications.
        """
        self.listens = False
        self._apps_set = apps
        name = request.name
        is_used = apps is not None and apps.is_apart(name) and not apps.covers(name)
        self.apps = apps if is_used else None
        self.socket = request.socket or ""
        self.certificate: Certificate | None = None
        if request.way != "proxy" and request.certificate and request.key:
            self.certificate = Certificate(Path(request.certificate), Path(request.key))
        self.request = request
        self._base_url = base_url
        self._engine = engine
        self._person = person
        self._host = TunnelRequest(host=request.gateway, ssh=request.ssh)
        self._gateway: Gateway | None = None

    async def checks(self) -> AsyncIterator[Check]:
        """What is found, one after the other."""
        try:
            for check in self._domain():
                yield check
            if self.request.way == "direct":
                assert self.certificate is not None
                for check in await self._judged(self.certificate):
                    yield check
                here = None if self.listens else await check_port_here(self.request.public_port)
                if here is not None:
                    yield here
                return
            ours = await self._reach()
            gateway = plain(self.request.gateway)
            yield Check("gateway", "ok", f"{gateway} lets us in.")
            name = await check_name(self.request.name, gateway, ours)
            yield name
            if self.apps is not None:
                yield await check_app_names(self.apps, gateway, ours)
            ends_here = self.request.way == "bind"
            port = await self._port_there()
            if port is not None:
                yield port
            is_taken = port is not None and port.verdict == "failed"
            named = name.verdict
            rest = self._brought() if ends_here else self._web_server(named=named, taken=is_taken)
            async for check in rest:
                yield check
        except RemoteTunnelError as error:
            yield failed("site" if isinstance(error, BadInput) else "gateway", error)
        finally:
            self._person = None  # who is asked later is nobody

    def _domain(self) -> Iterator[Check]:
        """What is wrong with the domain that is set for applications."""
        domain, name = self._apps_set, self.request.name
        if domain is None:
            return
        if domain.covers(name):  # also where that domain is a public suffix
            says = f"{name} lies below {domain.parent}, where all is taken for applications."
            advice = "Publish under a name elsewhere, or take another domain for applications."
            yield Check("app names", "failed", says, advice=advice)
            return
        if domain.is_apart(name):
            return
        advice = (
            f"Give applications a domain that is not below {domain.site} (app_domain), or publish"
            " under a name that is not."
        )
        says = (
            f"{domain} is not used: pages of applications there could set cookies for"
            f" {domain.site}, which reach {name} as well."
        )
        yield about_apps(Check("app names", "failed", says, advice=advice))

    async def _reach(self) -> set[Any]:
        """Look at the gateway; the addresses that it has.

        :raises RemoteTunnelError: it is out of reach.
        """
        request, person = self.request, self._person
        known: set[Any] = set()
        try:
            shell = await self._shell()
            self._gateway = await look(shell, self._host, request.name, person=person)
            known.update(self._gateway.addresses)
        except Fatal as error:
            # It lets us in, and runs no commands: a tunnel is enough where all else is here.
            if request.way != "bind" or not request.certificate or error.code != "not_found":
                raise
        return known | await self._reached()

    async def _shell(self) -> Shell:
        """Who runs commands on the gateway."""
        return await self._engine.client()

    async def _reached(self) -> set[Any]:
        """The addresses by which the gateway is reached."""
        return set(await reached_addresses(await self._engine.client(), self._host))

    def _site(self, gateway: Gateway) -> Site:
        """The site of the gateway's web server.

        :raises BadInput: what it would hold cannot stand in a configuration.
        """
        request, certificate = self.request, None
        if request.way == "proxy" and request.certificate and request.key:
            certificate = CertificateFiles(request.certificate, request.key)
        site = Site(
            request.name,
            gateway.account,
            self._base_url,
            request.loopback_port,
            certificate,
            gateway.has_ipv6,
            self.apps if request.way == "proxy" else None,
        )
        if request.way != "proxy" or certificate is not None:
            return site
        # Nobody has to name it again.
        return site.with_certificate_of(self._installed(gateway, site))

    def _installed(self, gateway: Gateway, site: Site) -> str:
        """The text of the site of that name that is there; "" if none is."""
        server = gateway.choose(self.request.proxy)
        file = "" if server is None else gateway.places(server).file(site)
        return gateway.sites.get(file) or ""

    # TLS ends on the gateway.

    async def _web_server(self, *, named: str, taken: bool = False) -> AsyncIterator[Check]:
        """:param named: what came of the name.
        :param taken: whether somebody else has the port to which the site leads.
        """
        request, gateway = self.request, self._gateway
        assert gateway is not None
        is_there, below = True, self._base_url
        lines: tuple[str, ...] = ()
        last: list[Check] = []
        if not request.has_own_site:
            site = self._site(gateway)
            if site.port is None:
                self.socket = site.socket
            *before, installed = await self._of_the_site(gateway, site, taken=taken)
            for check in before:
                yield check
            is_there = all(check.verdict != "failed" for check in (*before, installed))
            below = self._base_url if is_there else shown_below(self._installed(gateway, site))
            if gateway.choose(request.proxy) is not None:
                lines = certificate_commands(gateway, site, request.proxy)
            # nginx takes no site without its certificate.
            waits = named == "failed" and lines and not taken
            last = [_in_turn(installed, "the name, then the certificate") if waits else installed]
        elif (place := await self._own_place()) is not None:
            yield place
        async for check in self._certificates(named, lines, is_there=is_there):
            yield check
        if named != "failed" and below and not self.listens and not taken:
            async for check in self.taken(below, by_any=is_there):
                last = [_in_turn(one, "the name") for one in last]
                yield check
        for check in last:
            yield check

    async def _port_there(self) -> Check | None:
        """What there is to say of the port on which the gateway will be asked to listen; None where
        that is nothing, is not known, or we listen there ourselves.
        """
        bind = self.request.port_there
        if bind is None or self.listens:
            return None
        shell, listeners = await self._shell(), tuple[Listener, ...]()
        with contextlib.suppress(RemoteTunnelError):
            argv = ["sh", "-c", listing_of(bind.port)]
            done = await shell.exec(self._host, argv, person=self._person)
            holders = Holders.parse(done.stdout.decode(errors="replace"))
            listeners = () if holders is None else holders.all_at(bind)
        uid = None if self._gateway is None else self._gateway.uid
        return check_port(plain(self.request.gateway), bind, listeners, uid)

    async def _own_place(self) -> Check | None:
        """Who can come between a site that is not ours and what listens for it."""
        request = self.request
        gateway = plain(request.gateway)
        if request.loopback_port is not None:
            return check_loopback(gateway, request.loopback_port, own_site=True)
        if request.socket is None:
            return None
        shell, person = await self._shell(), self._person
        return await check_own_folder(shell, self._host, gateway, request.socket, person=person)

    async def _certificates(
        self, named: str, lines: tuple[str, ...], *, is_there: bool
    ) -> AsyncIterator[Check]:
        """What is shown to those who come by the name, and by those of applications."""
        if named != "failed" and (is_there or lines):
            async for check in self._presented(() if is_there else lines):
                yield check
        async for check in self._presented_to_apps(is_there=is_there):
            yield check

    async def _of_the_site(self, gateway: Gateway, site: Site, *, taken: bool) -> list[Check]:
        """What is thought of the web server. If something has to be installed, the files that it
        names are looked at before, and its text is left there; not if the port to which it would
        lead is `taken`.
        """
        wanted = self.request.proxy
        *before, found = check_gateway(gateway, site, wanted, here=self.here)
        server = gateway.choose(wanted)
        if server is None or found.verdict != "failed":
            return [*before, found]
        given = await self._given(site)
        if taken:
            found = _in_turn(found, "another port, which the site names")
        elif any(check.verdict == "failed" for check in given):
            found = _in_turn(found, "the certificate")
        else:
            left_at = await self._leave(site, server)
            *_, found = check_gateway(gateway, site, wanted, left_at=left_at)
        return [*before, *given, found]

    async def _given(self, site: Site) -> list[Check]:
        """What is thought of the certificate that the site names, if it names one."""
        if site.certificate is None:
            return []
        shell, insist = await self._shell(), self.request.self_signed
        return await check_given(
            shell, self._host, site.certificate, [site.name], insist=insist, person=self._person
        )

    async def _leave(self, site: Site, server: ServerThere) -> str:
        """Leave its text in the user's home; "" where that cannot be."""
        shell = await self._shell()
        try:
            return await leave_site(shell, self._host, site, server.kind, person=self._person)
        except Fatal:
            return ""

    async def _presented(self, lines: tuple[str, ...]) -> AsyncIterator[Check]:
        """What is shown to those who come by the name.

        :param lines: what gets a certificate, where none is shown.
        """
        request, gateway = self.request, self._gateway
        assert gateway is not None
        name, port = request.name, request.public_port
        shown = await check_presented(name, port, name, insist=request.self_signed)
        if shown.verdict != "failed" or not lines:
            yield shown
            return
        yield check_port_80(gateway, request.proxy)
        advice = (
            "This gets one from Let's Encrypt. It has to be typed there once, by someone who may"
            " use sudo, before the site is shown."
        )
        yield replace(shown, typed=lines, advice=advice)

    async def _presented_to_apps(self, *, is_there: bool) -> AsyncIterator[Check]:
        """What is shown to those who come by the name of an application, if they have names.

        :param is_there: whether the site is installed.
        """
        request, domain, gateway = self.request, self.apps, self._gateway
        if domain is None or gateway is None:
            return
        host, port = any_app(domain), request.public_port
        shown = await check_presented(host, port, host, insist=request.self_signed)
        says = shown.says.replace(host, domain.wildcard)
        shown = replace(shown, name="app cert", says=says, remedy="")
        if request.has_own_site:
            yield about_apps(shown)
            return
        site, wanted = self._site(gateway), request.proxy
        yield check_app_certificate(gateway, site, shown, wanted, is_there=is_there)

    async def taken(self, below: str = "", *, by_any: bool = True) -> AsyncIterator[Check]:
        """Whether another Jupyter is published under the name already.

        :param below: the path of the site that is there; "" is our own.
        :param by_any: whether its site leads to nobody else.
        """
        from ..publish.probing import is_answered

        authority = self.request.authority
        url = f"https://{authority}{below or self._base_url}{WELL_KNOWN}{ANYBODY}"
        by_any = by_any and not (self.here or self.request.has_own_site)
        if await is_answered(url, by_any=by_any):
            says = f"Another Jupyter is published under this name: {plain(authority)}."
            yield Check("name", "failed", says, advice="End that one, or choose another name.")

    async def installation(self) -> dict[str, Any]:
        """The site as it has to be, and what installs it: {"host", "url", "server", "file",
        "text", "left_at", "notes", "commands"}; "left_at" is the path there at which its text lies,
        or "", and "notes" are sentences about the certificate that it names.

        :raises BadInput: TLS does not end there, or it has another site.
        :raises RemoteTunnelError: the gateway is out of reach, or has no web server.
        """
        if self.request.way != "proxy" or self.request.has_own_site:
            raise BadInput(
                "There is a site to be had for the gateway's web server, its socket and port 443.",
                hint="Leave --bind, --direct, --socket and --port out.",
            )
        await self._reach()
        gateway, wanted = self._gateway, self.request.proxy
        assert gateway is not None
        site, server = self._site(gateway), gateway.choose(wanted)
        if server is None:
            (lacking,) = check_gateway(gateway, site, wanted, here=self.here)
            hint = f"{lacking.advice} With apt: {'; '.join(lacking.typed)}"
            raise Fatal(lacking.says, code="not_found", hint=hint)
        port = await self._port_there()
        if port is not None and port.verdict == "failed":
            raise Fatal(port.says, code="port_in_use", hint=port.advice)
        given = await self._given(site)
        for check in given:
            if check.verdict == "failed":
                raise Fatal(check.says, code="unsupported", hint=check.advice)
        left_at = await self._leave(site, server)
        return {
            "host": gateway.host,
            "url": site.url,
            "server": server.kind,
            "file": gateway.places(server).file(site),
            "text": site.text(server.kind),
            "left_at": left_at,
            "notes": [check.says for check in given if check.verdict == "note"],
            "commands": installation_commands(gateway, site, server, left_at=left_at),
        }

    # TLS ends here.

    async def _judged(self, certificate: Certificate) -> list[Check]:
        """What is thought of the files that are here."""
        names, insist = [self.request.name], self.request.self_signed
        return await asyncio.to_thread(check_files, *certificate.files, names, insist=insist)

    async def _brought(self) -> AsyncIterator[Check]:
        """The certificate's files here, or the gateway's one, which is brought here."""
        if self.certificate is not None:
            again = self.renewed() if self.fetches else self._judged(self.certificate)
            for check in await again:
                yield check
            return
        gateway = self._gateway
        assert gateway is not None
        try:
            for check in await self.fetch():
                yield check
        except RemoteTunnelError as error:
            found = failed("certificate", error)
            if error.code == "not_found":
                yield check_port_80(gateway)
                found = without_certificate(gateway, self._site(gateway), found)
            yield replace(found, remedy="certificate")

    async def renewed(self) -> list[Check]:
        """What is thought of the certificate here, after that of the gateway was brought, if it is
        another one and can be; a note says why it was not."""
        assert self.certificate is not None
        try:
            return list(await self.fetch())
        except RemoteTunnelError as error:
            says = f"The gateway's certificate was not brought here again. {error.message}"
            note = Check(RENEWAL, "note", says, advice=error.hint)
            return [*await self._judged(self.certificate), note]

    @property
    def fetches(self) -> bool:
        """Whether the certificate is the gateway's, which renews it."""
        return self.request.way == "bind" and not self.request.certificate

    async def fetch(self) -> tuple[Check, ...]:
        """Bring the gateway's certificate here; what is thought of it.

        :raises RemoteTunnelError: there is none that can be used; that from before is as it was.
        """
        assert self._gateway is not None
        fetched = await fetch(
            await self._engine.client(),
            self._host,
            self._site(self._gateway),
            data_dir() / "remote-tunnel" / "certificates",
            insist=self.request.self_signed,
            person=self._person,
        )
        if self.certificate is None:
            self.certificate = Certificate(fetched.file, fetched.file)
        return fetched.checks


def _in_turn(site: Check, first: str) -> Check:
    """A site that cannot be installed yet.

    :param first: what has to be right before.
    """
    if site.verdict != "failed":
        return site
    return replace(site, typed=(), advice=f"First {first}; look again then.", remedy="")


def failed(name: str, error: RemoteTunnelError) -> Check:
    """An error as what was found."""
    where = f"{error.hop}: " if error.hop and error.hop not in error.message else ""
    return Check(name, "failed", f"{where}{error.message}", advice=error.hint)
