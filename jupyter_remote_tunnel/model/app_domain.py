"""Host names for applications below a domain that is for them alone.

    {id}.apps.example.org          {id} is the first label, or
    ann-{id}.apps.example.org      a part of it; below a domain of two labels or more

A page may set cookies for every domain above its host name up to its *site*: one label more than
what browsers take for a public suffix, below which names have different owners (`org`, `co.uk`). So
what lies in the site of the applications can be given cookies by their pages, whatever it is:
Jupyter must lie in another one. (It does no harm that Jupyter could give applications cookies, and
its own are for its name alone.) Which suffixes of several labels are public, browsers know by a
list (https://publicsuffix.org); here it has to be said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from .errors import BadInput
from .host_name import published_name
from .text import plain

LABEL = "a[a-z2-7]{20}"
"""What stands for the identifier of an application, as a regular expression."""

_PROBE = "probe-[0-9a-f]{20}"  # which is never one's where another begins with “probe-”
_ID = "{id}"
_LONGEST_LABEL = 63
_LONGEST_ID = 26
_EXAMPLE = "For example: {id}.apps.example.net"


@dataclass(frozen=True)
class AppDomain:
    """The template, taken apart; `str` gives it back.

    :param before: what the first label begins with; `after` is how it ends.
    :param parent: the domain.
    :param public_suffixes: those of several labels that are known, as DNS has them.
    """

    before: str
    after: str
    parent: str
    public_suffixes: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, template: str, public_suffixes: Iterable[str] = ()) -> Self:
        """Read a template.

        :raises BadInput: it is none.
        """
        label, _, domain = template.strip().partition(".")
        parts = label.split(_ID)
        is_one = len(parts) == 2 and _ID not in domain and label.isascii()
        if not is_one or not domain or set(template) & set("/:@"):
            raise BadInput(
                f"“{plain(template, 100)}” does not say where applications have their names.",
                hint=f"It is a host name with {_ID} once, in its first label. {_EXAMPLE}",
            )
        before, after = (part.lower() for part in parts)
        if len(before) + len(after) > _LONGEST_LABEL - _LONGEST_ID:
            raise BadInput(
                f"The first label of “{plain(template, 100)}” is too long.",
                hint=f"Beside {_ID} it has room for {_LONGEST_LABEL - _LONGEST_ID} characters.",
            )
        sample = f"{before}{'a' * _LONGEST_ID}{after}"
        named = published_name(f"{sample}.{domain}")
        parent = named.removeprefix(f"{sample}.")
        if parent == named or "." not in parent:
            raise BadInput(
                f"“{plain(template, 100)}” lies below no domain of two labels.",
                hint=f"No certificate stands for all names below a single one. {_EXAMPLE}",
            )
        if parent.endswith(".localhost"):
            raise BadInput(
                "Below localhost applications have their names without this setting.",
                hint=f"It is for a domain in DNS. {_EXAMPLE}",
            )
        return cls(before, after, parent, frozenset(map(published_name, public_suffixes)))

    def __str__(self) -> str:
        return self.host(_ID)

    @property
    def wildcard(self) -> str:
        """All names below the domain, as DNS and certificates have it."""
        return f"*.{self.parent}"

    @property
    def is_shared(self) -> bool:
        """Whether other names below the domain may be of others."""
        return (self.before, self.after) != ("", "")

    @property
    def pattern(self) -> str:
        """The host names that are ever asked for, as a regular expression. None is that of a
        template that begins in another way and ends as this one does."""
        parent = self.parent.replace(".", r"\.")
        return rf"{self.before}({LABEL}|{_PROBE}){self.after}\.{parent}"

    @property
    def site(self) -> str:
        """What browsers take for the owner of an application's name: its pages can give cookies to
        this, and to all below."""
        labels = str(self).split(".")
        for begin in range(1, len(labels) - 1):
            if ".".join(labels[begin:]) in self.public_suffixes:
                return ".".join(labels[begin - 1 :])
        return ".".join(labels[-2:])

    def host(self, identifier: str) -> str:
        """The host name with that identifier."""
        return f"{self.before}{identifier}{self.after}.{self.parent}"

    def identifier(self, host: str) -> str | None:
        """What stands for the identifier in a host name (lower case); None if it is another
        name."""
        label, _, parent = host.partition(".")
        is_ours = label.startswith(self.before) and label.endswith(self.after)
        room = len(label) - len(self.before) - len(self.after)
        if parent != self.parent or not is_ours or room < 1:
            return None
        return label[len(self.before) :][:room]

    def covers(self, host: str) -> bool:
        """Whether a host name (lower case) lies below the domain."""
        return host.endswith(f".{self.parent}")

    def is_apart(self, name: str) -> bool:
        """Whether no page of an application can give cookies to that host name (lower case)."""
        return name != self.site and not name.endswith(f".{self.site}")
