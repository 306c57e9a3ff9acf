"""From what ssh would use for a host to the `Hop` that is connected to.

What `ssh -G` prints is nearly a configuration file, but lossy: `expand` and `_paths` mend that.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from ..model.address import check_host
from ..model.errors import BadInput, Fatal
from ..model.settings import EngineSettings
from ..model.spec import AddressFamily, SshOptions, check_user
from ..model.ssh_option import is_nowhere, split_option, words_of
from ..model.text import plain
from . import keywords
from .config_values import TYPES_OF_SERVICE
from .expand import Expander, Tokens, expand, local_user
from .files import Files, exists, file_error
from .hop import METHODS, Hop
from .keywords import Configuration
from .patterns import fits

READ_TIMEOUT = 10.0
"""Seconds that the files which a configuration names may take to be looked at."""

_PATHS = (
    *("userknownhostsfile", "globalknownhostsfile", "revokedhostkeys"),
    *("identityfile", "certificatefile", "identityagent", "forwardagent"),
)


async def make_hop(
    alias: str, found: Configuration, options: SshOptions, settings: EngineSettings
) -> Hop:
    """The hop that a configuration describes.

    :raises BadInput: a value in it is none.
    :raises Fatal: it needs what is not supported.
    :raises Transient: a file that it names is on a drive that does not answer.
    """
    files, full = Files(), _expander(alias, found, options)
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await _make_hop(found, options, settings, files, full)
    except TimeoutError:
        path = full.shown(files.waiting_for or "A file")
        raise file_error(path, READ_TIMEOUT, alias) from None


def _expander(alias: str, found: Configuration, options: SshOptions) -> Expander:
    full = Expander(
        Tokens(
            alias=alias,
            host=_first(found, "hostname") or alias,
            port=_number(found, "port", 22),
            user=_first(found, "user") or local_user(),
            host_key_alias=_first(found, "hostkeyalias") or alias,
        )
    )
    # `ssh -G` has replaced the variables in some of them already.
    for key, value in map(split_option, options.options):
        if key in _PATHS:
            for word in words_of(value):
                full(word)
    return full


async def _make_hop(
    found: Configuration,
    options: SshOptions,
    settings: EngineSettings,
    files: Files,
    full: Expander,
) -> Hop:
    tokens = full.tokens
    alias, host, port, user = tokens.alias, tokens.host, tokens.port, tokens.user
    name = _first(found, "hostkeyalias")
    if _yes(found, "proxyusefdpass"):
        raise Fatal(f"“ProxyUseFdpass yes” for {alias} is not supported.", code="unsupported")
    proxy_command = _first(found, "proxycommand")
    if proxy_command is not None:
        # It is handed to a shell. ssh refuses such names, too.
        check_host(host, host, 0)
        check_user(user, user, 0)
        check_host(name or alias, name or alias, 0)
        proxy_command = expand(proxy_command, tokens, home=False)
    await _require_identities(options, full, files)
    own_known_hosts = await _paths(found, "userknownhostsfile", full, files)
    interval = _number(found, "serveraliveinterval", 0)
    agent = _agent(found, options, full)
    rekey_bytes, rekey_seconds = _rekey_limit(found)
    return Hop(
        alias=alias,
        host=host,
        port=port,
        user=user,
        host_key_alias=name,
        known_hosts=own_known_hosts + await _paths(found, "globalknownhostsfile", full, files),
        strict_host_keys=_strict_host_keys(found, settings),
        hash_known_hosts=_yes(found, "hashknownhosts"),
        remember_in=next((path for path in own_known_hosts if not is_nowhere(path)), None),
        learn_host_keys=_yes(found, "updatehostkeys"),
        revoked_host_keys=_path(found, "revokedhostkeys", full),
        identities=_files(found, "identityfile", full),
        certificates=_files(found, "certificatefile", full),
        identities_only=_yes(found, "identitiesonly"),
        agent=agent,
        address_family=_address_family(found),
        bind_address=_first(found, "bindaddress"),
        bind_interface=_first(found, "bindinterface"),
        compression=_yes(found, "compression"),
        ciphers=_algorithms(found, "ciphers"),
        macs=_algorithms(found, "macs"),
        key_exchanges=_algorithms(found, "kexalgorithms"),
        host_key_algorithms=_algorithms(found, "hostkeyalgorithms"),
        key_algorithms=_algorithms(found, "pubkeyacceptedalgorithms"),
        authority_algorithms=_algorithms(found, "casignaturealgorithms"),
        methods=_methods(found, alias),
        gssapi_delegates=_yes(found, "gssapidelegatecredentials"),
        pkcs11_provider=_pkcs11_provider(found),
        forward_agent=_forward_agent(found, agent, full),
        environment=_environment(found),
        rekey_bytes=rekey_bytes,
        rekey_seconds=rekey_seconds,
        tcp_keepalive=not _no(found, "tcpkeepalive"),
        type_of_service=_type_of_service(found),
        proxy_command=proxy_command,
        password_prompts=_number(found, "numberofpasswordprompts", 3),
        keepalive_interval=interval or settings.keepalive_interval,
        keepalive_count=_number(found, "serveralivecountmax", 3)
        if interval
        else settings.keepalive_count,
        connect_timeout=_number(found, "connecttimeout", 0) or settings.connect_timeout,
        command=_command(alias, found, options, settings),
        written=tuple(full.written.items()),
    )


def _command(
    alias: str, found: Configuration, options: SshOptions, settings: EngineSettings
) -> tuple[str, ...]:
    """The ssh that reaches the host in the same way, and asks a person about an unknown key."""
    strict = _first(found, "stricthostkeychecking") in ("yes", "true")
    ask = ["-o", "StrictHostKeyChecking=ask"] if strict else []
    words = replace(options, user=None).words()
    if options.config_file is None and settings.ssh_config is not None:
        words += ["-F", settings.ssh_config]
    # The first mention of an option counts.
    return ("ssh", *ask, *words, alias if options.user is None else f"{options.user}@{alias}")


async def _require_identities(options: SshOptions, full: Expander, files: Files) -> None:
    """Refuse an identity that was typed and is not there: ssh would go on without it."""
    for typed in options.identities:
        if not await files.look_at(full(typed), exists):
            raise BadInput(f"The identity file {plain(typed)} does not exist.", hint="Look at -i.")


def _first(found: Configuration, key: str) -> str | None:
    """A keyword's value; ssh writes "none" for some that are not set."""
    values = found.get(key, [])
    return values[0] if values and values[0] not in ("", "none") else None


def _yes(found: Configuration, key: str) -> bool:
    return _first(found, key) in ("yes", "true")


def _number(found: Configuration, key: str, default: int) -> int:
    value = _first(found, key)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()):
        raise BadInput(f"{key} {plain(value, 40)} in the configuration of ssh is not a number.")
    return int(value)


def _no(found: Configuration, key: str) -> bool:
    return _first(found, key) in ("no", "false")


def _strict_host_keys(
    found: Configuration, settings: EngineSettings
) -> Literal["yes", "ask", "accept-new"]:
    """Who switches checks off is asked all the same, unless the settings say otherwise."""
    match _first(found, "stricthostkeychecking"):
        case "yes" | "true":
            return "yes"
        case "accept-new":
            return "accept-new"
        case "no" | "false" | "off" if settings.allow_unasked_host_keys:
            return "accept-new"
        case _:
            return "ask"


def _address_family(found: Configuration) -> AddressFamily:
    match _first(found, "addressfamily"):
        case "inet":
            return "inet"
        case "inet6":
            return "inet6"
        case _:
            return "any"


def _algorithms(found: Configuration, key: str) -> tuple[str, ...] | None:
    value = _first(found, key)
    return None if value is None else tuple(value.split(","))


def _methods(found: Configuration, alias: str) -> tuple[str, ...]:
    """How to log in, in the order that the configuration prefers.

    :raises Fatal: unsupported, it leaves no way that is known here.
    """
    allowed = {
        "gssapi-with-mic": _yes(found, "gssapiauthentication")
        and keywords.has_extra("gssapiauthentication"),
        "publickey": not _no(found, "pubkeyauthentication"),
        "keyboard-interactive": not _no(found, "kbdinteractiveauthentication"),
        "password": not _no(found, "passwordauthentication"),
    }
    preferred = _first(found, "preferredauthentications")
    order = ("gssapi-with-mic", *METHODS) if preferred is None else preferred.split(",")
    methods = tuple(method for method in order if allowed.get(method))
    if not methods:
        raise Fatal(
            f"The configuration of ssh for {alias} leaves no way to log in that is known here.",
            code="unsupported",
            hint="PreferredAuthentications, PubkeyAuthentication, KbdInteractiveAuthentication and"
            " PasswordAuthentication in ~/.ssh/config decide that.",
        )
    return methods


def _pkcs11_provider(found: Configuration) -> str | None:
    provider = _first(found, "pkcs11provider")
    return provider if keywords.has_extra("pkcs11provider") else None


def _forward_agent(found: Configuration, agent: str | None, full: Expander) -> str | None:
    """The agent that is lent to the host: the one that is asked here, or another one."""
    value = _first(found, "forwardagent")
    if value is None or value in ("no", "false"):
        return None
    if value in ("yes", "true"):
        return agent
    if value.startswith("$") and not value.startswith("${"):
        return full.variable(value) or None
    return full(value)


def _environment(found: Configuration) -> tuple[tuple[str, str], ...]:
    """What SendEnv takes from our environment, and what SetEnv says."""
    sent = {
        name: value
        for name, value in os.environ.items()
        for pattern in found.get("sendenv", [])
        if fits(name, pattern)
    }
    for line in found.get("setenv", []):
        name, _, value = line.partition("=")
        sent[name] = value
    return tuple(sorted(sent.items()))


def _rekey_limit(found: Configuration) -> tuple[int | None, int | None]:
    """Bytes and seconds, as `ssh -G` prints them: 0 bytes are the cipher's default."""
    size, _, seconds = (_first(found, "rekeylimit") or "0 0").partition(" ")
    if (size, seconds) == ("0", "0"):
        return None, None
    limits = {"rekeylimit": [size], "rekeylimit time": [seconds]}
    return _number(limits, "rekeylimit", 0) or None, _number(limits, "rekeylimit time", 0)


def _type_of_service(found: Configuration) -> int | None:
    """What IPQoS says for a connection without a terminal: the second of its words."""
    value = (_first(found, "ipqos") or "none").split(" ")[-1]
    if value == "none":
        return None
    if value in TYPES_OF_SERVICE:
        return TYPES_OF_SERVICE[value]
    try:
        return int(value, 0)
    except ValueError:
        raise BadInput(
            f"ipqos {plain(value, 40)} in the configuration of ssh is unknown."
        ) from None


def _path(found: Configuration, key: str, full: Expander) -> str | None:
    value = _first(found, key)
    return None if value is None else full(value)


def _files(found: Configuration, key: str, full: Expander) -> tuple[str, ...]:
    """One path a line, in full."""
    return tuple(full(value) for value in found.get(key, []) if value != "none")


async def _paths(found: Configuration, key: str, full: Expander, files: Files) -> tuple[str, ...]:
    """Several paths in one line. A path with spaces lost its quotes: what exists is taken to be
    meant."""
    words = (_first(found, key) or "").split(" ")
    paths: list[str] = []
    while words:
        count = 1
        if len(words) > 1:
            look = partial(_length, words=tuple(words), tokens=full.tokens)
            count = await files.look_at(full(words[0]), look)
        paths.append(full(" ".join(words[:count])))
        del words[:count]
    return tuple(filter(None, paths))


def _length(_first: str, words: Sequence[str], tokens: Tokens) -> int:
    """How many of the words make the first path: as many as name a file that exists, or one."""
    for count in range(len(words), 1, -1):
        if exists(expand(" ".join(words[:count]), tokens)):
            return count
    return 1


def _agent(found: Configuration, options: SshOptions, full: Expander) -> str | None:
    """The socket of the agent: the caller's, unless ssh's configuration names another, or none."""
    value = found.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if value == "none":
        return None
    if value.startswith("$") and not value.startswith("${"):
        return full.variable(value) or None
    if value == "SSH_AUTH_SOCK":
        return options.agent_socket or os.environ.get("SSH_AUTH_SOCK") or None
    return full(value)
