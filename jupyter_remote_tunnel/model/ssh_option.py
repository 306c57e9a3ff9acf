"""One `-o` option of ssh: its keyword and value as ssh reads them, and what may not be said by one.

Host keys are always verified here, whatever an option says. What would have ssh not do so is
refused by its meaning, not by how it is written: `SWITCHING_OFF` is the table.
"""

import re
from os.path import normpath

from .errors import BadInput

# Options of ssh that start a program on this machine. They come from the user's own ssh
# configuration or shell only.
EXECUTING = frozenset(
    {
        "proxycommand",
        "localcommand",
        "permitlocalcommand",
        "knownhostscommand",
        "pkcs11provider",
        "securitykeyprovider",
        "xauthlocation",
        "smartcarddevice",
        "match",
        "include",
        "host",
    }
)

# Options that say which host keys are taken for a host's. Who could name a file of their own, or
# another host's name, or have a revoked key forgotten, could have a host of theirs accepted: they
# come from the user's own ssh configuration or shell, too.
TRUSTING = frozenset(
    {"userknownhostsfile", "globalknownhostsfile", "hostkeyalias", "revokedhostkeys"}
)

# Options that give the host something of this machine: the use of an agent, the environment of the
# engine. They come from the user's own ssh configuration or shell, too.
LENDING = frozenset({"forwardagent", "sendenv"})

# Options by which another host name than the typed one is connected to.
RENAMING = frozenset(
    {
        "hostname",
        "canonicalizehostname",
        "canonicaldomains",
        "canonicalizefallbacklocal",
        "canonicalizemaxdots",
        "canonicalizepermittedcnames",
    }
)

_NOWHERE = "/dev/null"
_OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(\S.*)")
_ESCAPED = "'\"\\"


def split_option(option: str) -> tuple[str, str]:
    """The keyword (in lower case) and the value of an `-o` option.

    ssh takes `Key=Value` and `Key Value`, and unquotes the keyword: what is written in another way
    is refused, so that no keyword can hide.
    """
    found = _OPTION.fullmatch(option)
    if found is None:
        text = option if option.isprintable() else ""
        raise BadInput("An option behind -o is written Key=Value.", text=text, end=len(text))
    return found[1].lower(), found[2]


def words_of(value: str) -> list[str]:
    """The words of an option's value, as ssh reads them: either quotes may stand anywhere in a
    word, a backslash takes the meaning from a quote, a backslash and (outside of quotes) a space,
    and `#` at the beginning of a word ends the line. A quote that is not closed ends with it.
    """
    return _split(value)[0]


def has_open_quote(value: str) -> bool:
    """Whether a quote in an option's value is not closed, which ssh does not take in a file."""
    return _split(value)[1]


def _split(value: str) -> tuple[list[str], bool]:
    words: list[str] = []
    rest, quote = value.lstrip(" \t"), ""
    while rest and not rest.startswith("#"):
        word, quote, rest = _first_word(rest)
        words.append(word)
        rest = rest.lstrip(" \t")
    return words, bool(quote)


def _first_word(text: str) -> tuple[str, str, str]:
    """The word, the quote that is open at its end, and what stands behind it."""
    word, quote = "", ""
    position = 0
    while position < len(text):
        char, after = text[position], text[position + 1 : position + 2]
        if char == "\\" and after and (after in _ESCAPED or (after == " " and not quote)):
            word += after
            position += 1
        elif not quote and char in " \t":
            break
        elif not quote and char in "'\"":
            quote = char
        elif char == quote:
            quote = ""
        else:
            word += char
        position += 1
    return word, quote, text[position:]


def is_nowhere(path: str) -> bool:
    """Whether what is written into this known_hosts file is forgotten: /dev/null, by any of its
    names that can be told without looking, or ssh's word "none"."""
    return path.lower() == "none" or f"/{normpath(path).lstrip('/')}" == _NOWHERE


def refuse_unverified(option: str) -> None:
    """:raises BadInput: the option would switch off the verification of host keys."""
    key, value = split_option(option)
    words = words_of(value)
    if key in _KNOWN_HOSTS and any(map(is_nowhere, words)):
        raise BadInput(
            "Host keys are always verified here, and a known_hosts file of /dev/null knows none.",
            hint="Leave this option out.",
            text=option,
            end=len(option),
        )
    if any(word.lower() in SWITCHING_OFF.get(key, ()) for word in words):
        raise BadInput(
            f"Host keys are always verified here: {option} is not taken.",
            hint="Leave it out. To accept an unknown key, connect once with ssh and compare it.",
            text=option,
            end=len(option),
        )


_KNOWN_HOSTS = ("userknownhostsfile", "globalknownhostsfile")

# Keyword → its values (in lower case) with which ssh takes any host key, all of the same meaning.
SWITCHING_OFF = {
    "stricthostkeychecking": ("no", "off", "false"),
    "nohostauthenticationforlocalhost": ("yes", "on", "true"),
}
