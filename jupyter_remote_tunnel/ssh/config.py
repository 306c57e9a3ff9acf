"""From a host as it is typed to its route of hops, as ssh itself would go.

`resolve` asks `ssh -G` (which reads the user's and the system's ssh_config, Match and Include with
it) for every host of the route; each jump host has a configuration of its own. Without OpenSSH on
this machine what was typed is all there is, with ssh's defaults. What `ssh -G` prints is nearly a
configuration file, but lossy: `expand` and `_paths` mend that."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..model.address import check_host
from ..model.errors import BadInput, Fatal
from ..model.settings import EngineSettings
from ..model.spec import AddressFamily, HostArgument, SshOptions, check_user
from ..model.ssh_option import split_option, words_of
from ..model.text import plain
from .errors import file_error
from .expand import Expander, Tokens, expand, home_directory, local_user
from .files import Files, exists
from .hop import Hop

RESOLVE_TIMEOUT = 10.0
"""Seconds that `ssh -G` may take: a `Match exec` of the user runs in it."""

_KILLED_WITHIN = 1.0
"""Seconds until a process that was killed and still waits for a dead drive is left to itself."""

MAX_HOPS = 16

_PATHS = (
    *("userknownhostsfile", "globalknownhostsfile", "revokedhostkeys"),
    *("identityfile", "certificatefile", "identityagent"),
)
_ALGORITHMS = ("ciphers", "macs")
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_dsa")

_Question = tuple[str, SshOptions]
"""A host and the options with which ssh is asked how to reach it."""

Configuration = Mapping[str, Sequence[str]]
"""What ssh would use for a host: lower-case keyword → its values, one for each line."""


async def resolve(host: str, options: SshOptions, settings: EngineSettings) -> tuple[Hop, ...]:
    """The route to a host: its jump hosts in the order in which they are connected, then the host.

    :param host: a host alias, a host name or an address, without user and port.
    :raises BadInput: the name cannot be a host's, or ssh cannot read its configuration.
    :raises Fatal: the route leads in a circle, or needs what is not supported.
    :raises Transient: a file that the configuration names is on a drive that does not answer.
    """
    route = await _resolve(host, options, settings, behind=())
    return tuple(hop.at(number, len(route)) for number, hop in enumerate(route, start=1))


async def _resolve(
    host: str, options: SshOptions, settings: EngineSettings, *, behind: tuple[_Question, ...]
) -> tuple[Hop, ...]:
    """The route to a host, by which those are reached that were asked for before, in `behind`."""
    check_host(host, host, 0)
    if options.user is not None:
        check_user(options.user, options.user, 0)
    _refuse_circle((host, options), behind)
    configuration = await _configuration(host, options, settings)
    hop = await make_hop(host, configuration, options, settings)
    jump = _first(configuration, "proxyjump")
    if jump is None:
        return (hop,)
    earlier, _, last = jump.rpartition(",")
    gate = HostArgument.parse(last if "://" in last else f"ssh://{last}")
    # ssh gives its jump hosts nothing of what was typed but -F: the rest is their own
    # configuration.
    gate_options = SshOptions(
        user=gate.user,
        port=gate.ssh_port,
        jump=earlier or None,
        config_file=options.config_file,
        agent_socket=options.agent_socket,
    )
    behind = (*behind, (host, options))
    return *await _resolve(gate.host, gate_options, settings, behind=behind), hop


def _refuse_circle(question: _Question, behind: tuple[_Question, ...]) -> None:
    """Refuse a question that was asked before: its answer would be asked for without end.

    Two hosts of one address are no circle: ssh, too, goes by the one to the other.
    """
    host, _ = question
    if len(behind) >= MAX_HOPS:
        raise Fatal(
            f"The route to {behind[0][0]} has more than {MAX_HOPS} hops.", code="unsupported"
        )
    if question in behind:
        raise Fatal(
            f"The route to {behind[0][0]} leads in a circle: {host} is its own jump host.",
            code="unsupported",
            hint=f"Give {host} “ProxyJump none” in ~/.ssh/config.",
        )


async def _configuration(host: str, options: SshOptions, settings: EngineSettings) -> Configuration:
    """What ssh would use for a host. Algorithms stand in it only where they are not ssh's own
    defaults."""
    ssh = await Files().look_at("ssh", shutil.which)
    if ssh is None:
        return typed_configuration(host, options)
    words = options.words()
    if options.config_file is None and settings.ssh_config is not None:
        words += ["-F", settings.ssh_config]
    # Debian's ssh has other defaults in batch mode, which would look as if the user had set them.
    command = [ssh, "-T", "-G", "-o", "BatchMode=no"]
    environment = dict(os.environ)
    if options.agent_socket is not None:
        environment["SSH_AUTH_SOCK"] = options.agent_socket
    asked, default = await asyncio.gather(
        _ssh_g([*command, *words, "--", host], host, environment),
        _ssh_g([*command, "-F", "none", "--", host], host, environment),
    )
    same = {key for key in _ALGORITHMS if asked.get(key) == default.get(key)}
    return {key: values for key, values in asked.items() if key not in same}


async def _ssh_g(command: list[str], host: str, environment: dict[str, str]) -> Configuration:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,  # so that what a Match exec started ends with it
    )
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            output, complaint = await process.communicate()
    except TimeoutError:
        raise BadInput(
            f"ssh took more than {RESOLVE_TIMEOUT:g} s to read its configuration for {host}.",
            hint="Does a “Match exec” hang, or a network drive that it names a file of? "
            f"Try: ssh -G {host}",
        ) from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KILLED_WITHIN):
                    await process.wait()
    if process.returncode != 0:
        raise BadInput(
            f"ssh cannot resolve {host}: {plain(complaint.decode(errors='replace'), 300)}",
            hint=f"Try: ssh -G {host}",
        )
    return parse_ssh_g(output.decode(errors="surrogateescape"))


def parse_ssh_g(output: str) -> Configuration:
    """The lines of `ssh -G` by their keyword."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).append(value)
    return found


def typed_configuration(host: str, options: SshOptions) -> Configuration:
    """What was typed, and ssh's defaults for the rest: for a machine without OpenSSH."""
    folder = f"{home_directory()}/.ssh"
    found: dict[str, list[str]] = {}
    for option in options.options:
        key, value = split_option(option)
        found.setdefault(key, []).append(" ".join(words_of(value)))
    typed = {
        "user": options.user,
        "port": None if options.port is None else str(options.port),
        "proxyjump": options.jump,
        "bindaddress": options.bind_address,
        "ciphers": options.ciphers,
        "macs": options.macs,
        "compression": "yes" if options.compression else None,
        "addressfamily": None if options.address_family == "any" else options.address_family,
    }
    found |= {key: [value] for key, value in typed.items() if value is not None}
    if options.identities:
        found["identityfile"] = [*options.identities, *found.get("identityfile", [])]
    found.setdefault("hostname", [host])
    found.setdefault("identityfile", [f"{folder}/{name}" for name in _DEFAULT_KEYS])
    found.setdefault("userknownhostsfile", [f"{folder}/known_hosts {folder}/known_hosts2"])
    found.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"])
    return found


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
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            return await _make_hop(found, options, settings, files, full)
    except TimeoutError:
        path = full.shown(files.waiting_for or "A file")
        raise file_error(path, RESOLVE_TIMEOUT, alias) from None


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
    interval = _number(found, "serveraliveinterval", 0)
    return Hop(
        alias=alias,
        host=host,
        port=port,
        user=user,
        host_key_alias=name,
        known_hosts=await _paths(found, "userknownhostsfile", full, files)
        + await _paths(found, "globalknownhostsfile", full, files),
        revoked_host_keys=_path(found, "revokedhostkeys", full),
        identities=_files(found, "identityfile", full),
        certificates=_files(found, "certificatefile", full),
        identities_only=_yes(found, "identitiesonly"),
        agent=_agent(found, options, full),
        address_family=_address_family(found),
        bind_address=_first(found, "bindaddress"),
        bind_interface=_first(found, "bindinterface"),
        compression=_yes(found, "compression"),
        ciphers=_algorithms(found, "ciphers"),
        macs=_algorithms(found, "macs"),
        proxy_command=proxy_command,
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
