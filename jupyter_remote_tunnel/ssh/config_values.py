"""The value of each keyword as `ssh -G` prints it, from the line of ssh_config that it stands in.

`set_value` puts it into what was found before, where for most keywords the first mention counts.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..model.address import TcpAddress, UnixAddress
from ..model.errors import BadInput
from ..model.forward import ForwardKind, ForwardSpec, TcpBind
from ..model.spec import HostArgument
from ..model.text import plain
from . import algorithms
from .config_lines import Line
from .keywords import Configuration
from .patterns import fits
from .walking import Found

Render = Callable[[Line, Configuration], list[str]]

# The words of IPQoS, and the number in a packet's header.
TYPES_OF_SERVICE = {
    **{f"af{high}{low}": high << 5 | low << 3 for high in (1, 2, 3, 4) for low in (1, 2, 3)},
    **{f"cs{number}": number << 5 for number in range(8)},
    "ef": 0xB8,
    "le": 0x04,
    "lowdelay": 0x10,
    "throughput": 0x08,
    "reliability": 0x04,
}

OTHER_NAMES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "tisauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "identityfile2": "identityfile",
    "keepalive": "tcpkeepalive",
    "hostbasedkeytypes": "hostbasedacceptedalgorithms",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "smartcarddevice": "pkcs11provider",
}
"""Old names of keywords."""

IGNORED = frozenset(
    {
        *("afstokenpassing", "cipher", "compressionlevel", "fallbacktorsh", "protocol"),
        *("globalknownhostsfile2", "kerberosauthentication", "kerberostgtpassing"),
        *("rhostsauthentication", "rhostsrsaauthentication", "rsaauthentication"),
        *("useprivilegedport", "useroaming", "userknownhostsfile2", "usersh"),
    }
)
"""Keywords that ssh once had, and passes over."""

_FLAG_NAMES = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_STATE_NAMES = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SCALES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Kind(NamedTuple):
    """How a keyword's line is read. `more`: each mention adds to those before it."""

    render: Render
    more: bool = False


def _one(line: Line) -> str:
    """The only word of a line."""
    if not line.words or not line.words[0]:
        raise line.error(f"{line.keyword} has no value.")
    if len(line.words) > 1:
        raise line.error(f"{line.keyword} takes one value; what stands behind it is too much.")
    return line.words[0]


def _text(line: Line, _: Configuration) -> list[str]:
    return [_one(line)]


def _or_none(line: Line, _: Configuration) -> list[str]:
    """A text that “none” takes back."""
    word = _one(line)
    return [] if word.lower() == "none" else [word]


def _rest(line: Line, _: Configuration) -> list[str]:
    """All that stands behind the keyword, quotes and all."""
    return [] if line.value.lower() == "none" else [line.value]


def _joined(line: Line, _: Configuration) -> list[str]:
    return [" ".join(line.words)]


def _words(line: Line, _: Configuration) -> list[str]:
    return list(line.words)


def _choice(names: Mapping[str, str]) -> Render:
    def render(line: Line, _: Configuration) -> list[str]:
        word = _one(line).lower()
        if word not in names:
            raise line.error(f"“{plain(word, 40)}” is no value of {line.keyword}.")
        return [names[word]]

    return render


def _upper(line: Line, _: Configuration) -> list[str]:
    word = _one(line).upper()
    return ["DEBUG" if word == "DEBUG1" else word]


def _number(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    if not (word.isascii() and word.isdigit()):
        raise line.error(f"“{plain(word, 40)}” is not a number.")
    return [str(int(word))]


def _port(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    if not (word.isascii() and word.isdigit() and 0 < int(word[:6]) <= 65535):
        raise line.error(f"“{plain(word, 40)}” is not a port.")
    return [str(int(word))]


def _octal(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    if not re.fullmatch("[0-7]{1,4}", word):
        raise line.error(f"“{plain(word, 40)}” is no octal number.")
    return [f"0{int(word, 8):o}"]


def _seconds(line: Line, word: str) -> int:
    """A time as ssh writes it: "90", "1m30s", "2H"."""
    parts = re.findall(r"(\d+)([smhdw]?)", word.lower())
    if not parts or "".join(map("".join, parts)) != word.lower():
        raise line.error(f"“{plain(word, 40)}” is no time.")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _time(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    return ["none" if word.lower() == "none" else str(_seconds(line, word))]


def _flag_or_time(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    return [_FLAG_NAMES.get(word.lower()) or str(_seconds(line, word))]


def _agent_keys(line: Line, _: Configuration) -> list[str]:
    """AddKeysToAgent: yes, no, ask, confirm, each but the second with a time."""
    first, *rest = (word.lower() for word in line.words)
    if first in ("yes", "true", "no", "false", "ask") and not rest:
        return [_STATE_NAMES.get(first, first)]
    if first == "confirm" and len(rest) < 2:
        return [" ".join(["confirm", *(str(_seconds(line, word)) for word in rest)])]
    return [str(_seconds(line, _one(line)))]


def _rekey_limit(line: Line, _: Configuration) -> list[str]:
    if not 1 <= len(line.words) <= 2:
        raise line.error("RekeyLimit takes a size and perhaps a time.")
    size, time = line.words[0].lower(), line.words[-1].lower()
    found = re.fullmatch(r"(\d+)([kmg]?)", size)
    if size != "default" and (found is None or 0 < int(found[1]) * _SCALES[found[2]] < 16):
        raise line.error(f"“{plain(size, 40)}” is no size for RekeyLimit.")
    number = 0 if found is None else int(found[1]) * _SCALES[found[2]]
    seconds = 0 if len(line.words) == 1 or time == "none" else _seconds(line, time)
    return [f"{number} {seconds}"]


def _type_of_service(line: Line, _: Configuration) -> list[str]:
    if not 1 <= len(line.words) <= 2:
        raise line.error("IPQoS takes one or two values.")
    names = [_service_name(line, word.lower()) for word in line.words]
    return [f"{names[0]} {names[-1]}"]


def _service_name(line: Line, word: str) -> str:
    if word == "none" or word in TYPES_OF_SERVICE:
        return word
    try:
        number = int(word, 0)
    except ValueError:
        raise line.error(f"“{plain(word, 40)}” is no value of IPQoS.") from None
    known = [name for name, value in TYPES_OF_SERVICE.items() if value == number]
    return known[0] if known else f"0x{number:02x}"


def _escape_char(line: Line, _: Configuration) -> list[str]:
    word = _one(line)
    return [f"\\^{word[1].upper()}" if len(word) == 2 and word[0] == "^" else word]


def _jump(line: Line, _: Configuration) -> list[str]:
    """The jump hosts; of the last one, whose form ssh changes, user, host and port."""
    word = _one(line)
    if word.lower() == "none":
        return ["none"]
    earlier, comma, last = word.rpartition(",")
    try:
        for jump in earlier.split(",") if comma else ():
            HostArgument.parse(jump)
        gate = HostArgument.parse(last if "://" in last else f"ssh://{last}")
    except BadInput as error:
        raise line.error(f"ProxyJump {plain(word, 100)}: {error.message}") from None
    if "://" in earlier:
        raise line.error(
            f"ProxyJump {plain(word, 100)}: ssh takes a URL for one jump host only.",
            "Write user@host:port.",
        )
    user = "" if gate.user is None else f"{gate.user}@"
    port = "" if gate.ssh_port is None else f":{gate.ssh_port}"
    numeric = ":" in gate.host or re.fullmatch("[0-9.]*", gate.host)
    host = f"[{gate.host}]" if numeric else gate.host
    return [f"{earlier}{comma}{user}{host}{port}"]


def _algorithms(line: Line, defaults: Configuration) -> list[str]:
    """A list of algorithms: in full, or as a change of ssh's own (`+a,b`, `-a*`, `^a`)."""
    value = _one(line)
    change = value[0] if value[0] in "+-^" else ""
    names = value[len(change) :].split(",")
    usual = [name for text in defaults.get(line.keyword, ()) for name in text.split(",")]
    if change == "-":
        return [",".join(name for name in usual if not any(fits(name, one) for one in names))]
    for name in names:
        if set("*?!") & set(name):
            raise line.error(
                f"the pattern {plain(name, 60)} can only be resolved with OpenSSH.",
                "Write the names of the algorithms, or install OpenSSH.",
            )
        if name not in usual and algorithms.left_out(line.keyword, [name]):
            raise line.error(f"the algorithm “{plain(name, 60)}” is unknown here.")
    found = {"": names, "+": [*usual, *names], "^": [*names, *usual]}[change]
    return [",".join(dict.fromkeys(found))]


def _environment(line: Line, _: Configuration) -> list[str]:
    for word in line.words:
        if "=" not in word:
            raise line.error(f"SetEnv takes NAME=VALUE, not “{plain(word, 40)}”.")
    return list(line.words)


def _forward(kind: ForwardKind) -> Render:
    def render(line: Line, _: Configuration) -> list[str]:
        try:
            spec = ForwardSpec.parse_body(kind, ":".join(line.words))
        except BadInput as error:
            raise line.error(f"{line.keyword}: {error.message}", error.hint) from None
        return [printed_forward(spec)]

    return render


def printed_forward(spec: ForwardSpec) -> str:
    """A forward as `ssh -G` prints it."""
    bind, destination = spec.bind, spec.destination
    if not isinstance(bind, TcpBind):
        listens = bind.path if isinstance(bind, UnixAddress) else str(bind)
    else:
        host = "*" if bind.host == "" else bind.host
        listens = str(bind.port) if host is None else f"[{host}]:{bind.port}"
    if destination is None:
        return listens if spec.kind is ForwardKind.DYNAMIC else f"{listens} [socks]:0"
    leads = (
        f"[{destination.host}]:{destination.port}"
        if isinstance(destination, TcpAddress)
        else destination.path
    )
    return f"{listens} {leads}"


_FLAG = Kind(_choice(_FLAG_NAMES))
_PUBLIC_KEY_NAMES = {**_STATE_NAMES, "unbound": "unbound", "host-bound": "host-bound"}
_ASK_NAMES = {**_STATE_NAMES, "ask": "ask"}
_MASTER_NAMES = {**_ASK_NAMES, "auto": "auto", "autoask": "autoask"}
_STRICT_NAMES = {**_ASK_NAMES, "off": "false", "accept-new": "accept-new"}
_TUNNEL_NAMES = {
    "yes": "point-to-point",
    "true": "point-to-point",
    "point-to-point": "point-to-point",
    "ethernet": "ethernet",
    "no": "false",
    "false": "false",
}

_FLAGS = (
    *("batchmode", "canonicalizefallbacklocal", "checkhostip", "clearallforwardings"),
    *("compression", "enableescapecommandline", "enablesshkeysign", "exitonforwardfailure"),
    *("forkafterauthentication", "forwardx11", "forwardx11trusted", "gatewayports"),
    *("gssapiauthentication", "gssapidelegatecredentials", "gssapikeyexchange"),
    *("gssapirenewalforcesrekey", "gssapitrustdns", "hashknownhosts"),
    *("hostbasedauthentication", "identitiesonly", "kbdinteractiveauthentication"),
    *("nohostauthenticationforlocalhost", "passwordauthentication", "permitlocalcommand"),
    *("proxyusefdpass", "stdinnull", "streamlocalbindunlink", "tcpkeepalive", "visualhostkey"),
)
_TEXTS = (
    *("bindaddress", "bindinterface", "gssapiclientidentity", "gssapikexalgorithms"),
    *("gssapiserveridentity", "hostkeyalias", "hostname", "identityagent", "ignoreunknown"),
    *("kbdinteractivedevices", "preferredauthentications", "tag", "tunneldevice", "user"),
    *("versionaddendum", "xauthlocation"),
)
_NUMBERS = (
    *("canonicalizemaxdots", "connectionattempts", "numberofpasswordprompts", "requiredrsasize"),
    "serveralivecountmax",
)
_JOINED = (
    *("canonicaldomains", "canonicalizepermittedcnames", "channeltimeout", "globalknownhostsfile"),
    *("logverbose", "obscurekeystroketiming", "permitremoteopen", "refuseconnection"),
    *("userknownhostsfile", "warnweakcrypto"),
)

KINDS: dict[str, Kind] = {
    **dict.fromkeys(_FLAGS, _FLAG),
    **dict.fromkeys(_TEXTS, Kind(_text)),
    **dict.fromkeys(_NUMBERS, Kind(_number)),
    **dict.fromkeys(_JOINED, Kind(_joined)),
    **dict.fromkeys((*algorithms.KEYWORDS, "hostbasedacceptedalgorithms"), Kind(_algorithms)),
    **dict.fromkeys(("connecttimeout", "forwardx11timeout", "serveraliveinterval"), Kind(_time)),
    **dict.fromkeys(("knownhostscommand", "localcommand", "proxycommand"), Kind(_rest)),
    **dict.fromkeys(("certificatefile", "identityfile"), Kind(_text, more=True)),
    **dict.fromkeys(("fingerprinthash", "loglevel", "syslogfacility"), Kind(_upper)),
    **dict.fromkeys(
        ("controlpath", "pkcs11provider", "revokedhostkeys", "securitykeyprovider"),
        Kind(_or_none),
    ),
    "addkeystoagent": Kind(_agent_keys),
    "addressfamily": Kind(_choice({name: name for name in ("any", "inet", "inet6")})),
    "canonicalizehostname": Kind(_choice({**_STATE_NAMES, "always": "always"})),
    "controlmaster": Kind(_choice(_MASTER_NAMES)),
    "controlpersist": Kind(_flag_or_time),
    "dynamicforward": Kind(_forward(ForwardKind.DYNAMIC), more=True),
    "escapechar": Kind(_escape_char),
    "forwardagent": Kind(_text),
    "ipqos": Kind(_type_of_service),
    "localforward": Kind(_forward(ForwardKind.LOCAL), more=True),
    "port": Kind(_port),
    "proxyjump": Kind(_jump),
    "pubkeyauthentication": Kind(_choice(_PUBLIC_KEY_NAMES)),
    "rekeylimit": Kind(_rekey_limit),
    "remotecommand": Kind(_rest),
    "remoteforward": Kind(_forward(ForwardKind.REMOTE), more=True),
    "requesttty": Kind(_choice({**_STATE_NAMES, "auto": "auto", "force": "force"})),
    "sendenv": Kind(_words, more=True),
    "sessiontype": Kind(_choice({name: name for name in ("none", "subsystem", "default")})),
    "setenv": Kind(_environment),
    "streamlocalbindmask": Kind(_octal),
    "stricthostkeychecking": Kind(_choice(_STRICT_NAMES)),
    "tunnel": Kind(_choice(_TUNNEL_NAMES)),
    "updatehostkeys": Kind(_choice(_ASK_NAMES)),
    "verifyhostkeydns": Kind(_choice(_ASK_NAMES)),
}
"""How each keyword is read, but those that open a block or include a file."""


def set_value(found: Found, line: Line, defaults: Configuration, *, active: bool) -> None:
    """Take what a line says of `line.keyword`. A line that is not `active` is only checked.

    :raises BadInput: it cannot be read; file and line are named.
    """
    kind = KINDS[line.keyword]
    values = kind.render(line, defaults)
    if not active:
        return
    key = line.keyword
    if key == "sendenv":
        _send(found, values)
    elif kind.more:
        known = found.setdefault(key, [])
        known += [value for value in values if value not in known]
    elif not (_is_settled(found, key)):
        found[key] = values


def _is_settled(found: Found, key: str) -> bool:
    """Whether something said before counts: of ProxyJump and ProxyCommand, too, the first does."""
    if key == "proxyjump":
        return "proxyjump" in found or "proxycommand" in found
    if key == "proxycommand":
        return "proxycommand" in found or found.get("proxyjump", ["none"]) != ["none"]
    return key in found


def _send(found: Found, patterns: list[str]) -> None:
    """`-PATTERN` takes back what was said before."""
    for pattern in patterns:
        known = found.setdefault("sendenv", [])
        if pattern.startswith("-"):
            known[:] = [name for name in known if not fits(name, pattern[1:])]
        else:
            known.append(pattern)
