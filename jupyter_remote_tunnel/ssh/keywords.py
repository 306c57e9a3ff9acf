"""Every keyword of ssh_config(5): whether it is honoured here, has no meaning for a tunnel, or is
left out, which is said.

The names are those that `ssh -G` prints, in lower case.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from . import algorithms

Configuration = Mapping[str, Sequence[str]]
"""What ssh would use for a host: lower-case keyword → its values, one for each line."""

HONOURED = frozenset(
    {
        # Where the host is, and as whom.
        *("host", "hostname", "port", "user", "tag"),
        *("canonicaldomains", "canonicalizefallbacklocal", "canonicalizehostname"),
        *("canonicalizemaxdots", "canonicalizepermittedcnames"),
        # How it is reached.
        *("addressfamily", "bindaddress", "bindinterface", "connecttimeout", "ipqos"),
        *("proxycommand", "proxyjump", "serveralivecountmax", "serveraliveinterval"),
        "tcpkeepalive",
        # Its key.
        *("globalknownhostsfile", "userknownhostsfile", "revokedhostkeys", "hostkeyalias"),
        *("hashknownhosts", "stricthostkeychecking", "updatehostkeys"),
        # The connection.
        *algorithms.KEYWORDS,
        *("compression", "rekeylimit"),
        # Logging in.
        *("certificatefile", "identityfile", "identitiesonly", "identityagent"),
        *("kbdinteractiveauthentication", "passwordauthentication", "pubkeyauthentication"),
        *("preferredauthentications", "numberofpasswordprompts"),
        *("gssapiauthentication", "gssapidelegatecredentials", "pkcs11provider"),
        # Commands on the host.
        *("forwardagent", "sendenv", "setenv"),
        # Offered as tunnels.
        *("dynamicforward", "localforward", "remoteforward"),
    }
)

NO_MEANING = frozenset(
    {
        # A terminal, a command or X11: there is none.
        *("enableescapecommandline", "escapechar", "forkafterauthentication", "forwardx11"),
        *("forwardx11timeout", "forwardx11trusted", "obscurekeystroketiming", "remotecommand"),
        *("requesttty", "sessiontype", "stdinnull", "xauthlocation"),
        # Connections are shared here without that, and tunnels say themselves when they fail.
        *("controlmaster", "controlpath", "controlpersist", "exitonforwardfailure"),
        "clearallforwardings",
        # What ssh itself writes, or how it is built.
        *("loglevel", "logverbose", "syslogfacility", "warnweakcrypto"),
        # About the configuration itself.
        "ignoreunknown",
    }
)

NOT_HONOURED = frozenset(
    {
        *("addkeystoagent", "batchmode", "channeltimeout", "checkhostip", "connectionattempts"),
        *("enablesshkeysign", "fingerprinthash", "gatewayports", "hostbasedacceptedalgorithms"),
        *("hostbasedauthentication", "gssapiclientidentity", "gssapikexalgorithms"),
        *("gssapikeyexchange", "gssapirenewalforcesrekey", "gssapiserveridentity"),
        *("gssapitrustdns", "kbdinteractivedevices", "knownhostscommand", "localcommand"),
        *("nohostauthenticationforlocalhost", "permitlocalcommand", "permitremoteopen"),
        *("proxyusefdpass", "refuseconnection", "requiredrsasize", "securitykeyprovider"),
        *("streamlocalbindmask", "streamlocalbindunlink", "tunnel", "tunneldevice"),
        *("verifyhostkeydns", "versionaddendum", "visualhostkey"),
    }
)

LISTS = frozenset(
    {
        *("certificatefile", "identityfile", "dynamicforward", "localforward", "remoteforward"),
        *("sendenv", "setenv", "globalknownhostsfile", "userknownhostsfile"),
    }
)
"""Keywords that can have several values."""

# Where ssh prints no default, each of these is what happens anyhow.
_OFF = ("no", "false", "none")

# Keyword → its value that is not honoured.
_PARTLY = {"updatehostkeys": "ask", "pubkeyauthentication": "host-bound"}

# Keyword → the package that asyncssh needs for it.
_EXTRAS = {
    "gssapiauthentication": "gssapi",
    "gssapidelegatecredentials": "gssapi",
    "pkcs11provider": "pkcs11",
}


def has_extra(keyword: str) -> bool:
    """Whether asyncssh has what it needs for a keyword."""
    return keyword not in _EXTRAS or find_spec(_EXTRAS[keyword]) is not None


def as_options(configuration: Configuration) -> dict[str, str | tuple[str, ...]]:
    """What `ssh -G` prints, by keyword: a text, or a list for those that can be several."""
    return {
        keyword: _several(keyword, values) if keyword in LISTS else values[-1]
        for keyword, values in configuration.items()
    }


def _several(keyword: str, values: Sequence[str]) -> tuple[str, ...]:
    """The values of a keyword. Paths of known_hosts stand in one line, without their quotes."""
    in_line = keyword in ("globalknownhostsfile", "userknownhostsfile")
    return tuple(values[0].split(" ")) if in_line else tuple(values)


def not_honoured(
    configuration: Configuration, defaults: Configuration, *, allow_unasked: bool = False
) -> tuple[str, ...]:
    """What somebody has configured and has no effect here: "keyword value", as `ssh -G` prints it.

    :param configuration: all that `ssh -G` prints for a host.
    :param defaults: the same with `-F none`.
    :param allow_unasked: the setting `allow_unasked_host_keys`.
    """
    return tuple(
        f"{keyword} {value}".rstrip()
        for keyword, values in configuration.items()
        if keyword not in NO_MEANING and list(values) != list(defaults.get(keyword, ()))
        for value in _without_effect(keyword, values, defaults, allow_unasked=allow_unasked)
    )


def _without_effect(
    keyword: str, values: Sequence[str], defaults: Configuration, *, allow_unasked: bool
) -> list[str]:
    """Those of the values of a keyword that change nothing here."""
    if keyword in algorithms.KEYWORDS:
        names, usual = _names(values), names_of(defaults, keyword)
        wanted = [name for name in names if name not in usual]
        return [",".join(left)] if (left := algorithms.left_out(keyword, wanted)) else []
    if keyword == "stricthostkeychecking":
        return [] if allow_unasked else [value for value in values if value in _OFF]
    if keyword in _PARTLY:
        return [value for value in values if value == _PARTLY[keyword]]
    if keyword in HONOURED and has_extra(keyword):
        return []
    return [value for value in values if keyword in defaults or value not in _OFF]


def names_of(configuration: Configuration, keyword: str) -> list[str]:
    """The algorithms that a configuration holds for a keyword."""
    return _names(configuration.get(keyword, ()))


def _names(values: Sequence[str]) -> list[str]:
    return [name for value in values for name in value.split(",")]
