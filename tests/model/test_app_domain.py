"""The names of applications below a domain of theirs: what is a template, and whom their pages can
give cookies."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.errors import BadInput
from tests.support.fuzzing import mutated_text, texts

LABEL = "a" + 20 * "b"


@pytest.mark.parametrize(
    ("typed", "read", "name"),
    [
        ("{id}.apps.example.org", "{id}.apps.example.org", f"{LABEL}.apps.example.org"),
        ("{id}.Example.ORG.", "{id}.example.org", f"{LABEL}.example.org"),
        (" ann-{id}-x.apps.example.org ", "ann-{id}-x.apps.example.org", f"ann-{LABEL}-x.apps."),
        ("{id}.bücher.example", "{id}.xn--bcher-kva.example", f"{LABEL}.xn--bcher-kva.example"),
        (f"{'x' * 37}{{id}}.example.org", f"{'x' * 37}{{id}}.example.org", f"{'x' * 37}{LABEL}."),
    ],
)
def test_a_template(typed: str, read: str, name: str) -> None:
    domain = AppDomain.parse(typed)
    assert str(domain) == read
    assert AppDomain.parse(str(domain)) == domain
    host = domain.host(LABEL)
    assert host.startswith(name)
    assert domain.identifier(host) == LABEL
    assert domain.covers(host)


@pytest.mark.parametrize(
    "typed",
    [
        *("", "apps.example.org", "{id}", "{id}.", "{id}.org", "{id}.localhost", "x.{id}.a.org"),
        *("{id}{id}.example.org", "{id}.{id}.example.org", "{ID}.example.org", "{x}.example.org"),
        *("https://{id}.example.org", "{id}.example.org:8443", "{id}.example.org/", "u@{id}.a.org"),
        *("*.{id}.example.org", "{id}.*.org", "{id}.203.0.113.7", "{id}.apps.localhost"),
        *("-{id}.example.org", "{id}-.example.org", "{id}..org", "{id}.exa mple.org"),
        *("{id};x.example.org", "{id}.example.org\nx", f"{'x' * 38}{{id}}.example.org", "[{id}]"),
        *("ü{id}.example.org", f"{{id}}.{'x' * 64}.org", f"{{id}}.{'.'.join(130 * ['a'])}"),
    ],
)
def test_what_is_none_is_refused_with_what_it_has_to_be(typed: str) -> None:
    with pytest.raises(BadInput) as caught:
        AppDomain.parse(typed)
    assert caught.value.message


@pytest.mark.parametrize(
    ("template", "suffixes", "name", "apart"),
    [
        # A page there may set a cookie for example.org, which is sent to all of these.
        ("{id}.apps.example.org", [], "example.org", False),
        ("{id}.apps.example.org", [], "jupyter.example.org", False),
        ("{id}.apps.example.org", [], "apps.example.org", False),
        ("{id}.apps.example.org", [], "jupyter.apps.example.org", False),
        ("{id}.jupyter.example.org", [], "jupyter.example.org", False),
        ("ann-{id}.example.org", [], "ann.example.org", False),
        # Another owner, as far as browsers know.
        ("{id}.apps.example.org", [], "jupyter.example.net", True),
        ("{id}.apps.example.org", [], "notexample.org", True),
        ("{id}.apps.example.org", [], "org", True),
        ("{id}.apps.example.org", [], "203.0.113.7", True),
        ("{id}.example-apps.org", [], "jupyter.example.org", True),
        ("{id}.apps.co.uk", [], "jupyter.co.uk", False),
        ("{id}.apps.co.uk", ["co.uk"], "jupyter.co.uk", True),
        ("{id}.apps.co.uk", ["CO.UK."], "x.apps.co.uk", False),
        ("{id}.apps.example.org", ["apps.example.org"], "jupyter.example.org", True),
        ("{id}.apps.example.org", ["apps.example.org"], "jupyter.apps.example.org", True),
        ("{id}.apps.example.org", ["example.org"], "jupyter.example.org", True),
        ("{id}.apps.example.org", ["example.org"], "jupyter.apps.example.org", False),
        ("{id}.apps.example.org", ["net"], "jupyter.example.org", False),
        ("{id}.apps.example.org", ["ps.example.org"], "jupyter.example.org", False),
    ],
)
def test_whom_pages_there_can_give_cookies(
    template: str, suffixes: list[str], name: str, apart: bool
) -> None:
    assert AppDomain.parse(template, suffixes).is_apart(name) == apart


@pytest.mark.parametrize(
    "host",
    [
        *("jupyter.example.net", "apps.example.org", ".apps.example.org", "a.b.apps.example.org"),
        *("x.apps.example.org", "ann-.apps.example.org", "ann-.x.apps.example.org"),
        *("ann-x.apps.example.org.evil.net", "ann-x.evilapps.example.org", "", "ann-x"),
    ],
)
def test_other_names_have_no_identifier(host: str) -> None:
    assert AppDomain.parse("ann-{id}.apps.example.org").identifier(host) is None


NAMES = st.lists(st.from_regex(r"[a-z]([a-z0-9]{0,8})", fullmatch=True), min_size=2, max_size=5)


@given(parent=NAMES, name=NAMES, suffix=st.integers(1, 4))
def test_apart_is_what_shares_no_more_than_a_public_suffix(
    parent: list[str], name: list[str], suffix: int
) -> None:
    """As browsers decide it, said in another way: which domains may a page set cookies for?"""
    public = parent[-suffix:] if suffix > 1 else []
    domain = AppDomain.parse("{id}." + ".".join(parent), [".".join(public)] if public else [])
    own = [LABEL, *parent]
    longest = len(public) if len(public) <= len(parent) else 1
    may_set = [own[begin:] for begin in range(len(own)) if len(own) - begin > max(longest, 1)]
    reached = any(name[-len(one) :] == one for one in may_set)
    assert domain.is_apart(".".join(name)) == (not reached)


@given(typed=mutated_text("ann-{id}.apps.example.org") | texts)
def test_whatever_is_typed_is_read_or_refused(typed: str) -> None:
    try:
        domain = AppDomain.parse(typed)
    except BadInput:
        return
    assert AppDomain.parse(str(domain)) == domain
    assert domain.identifier(domain.host(LABEL)) == LABEL
    assert domain.host(LABEL).isascii()


def test_its_pattern_is_of_what_is_asked_for() -> None:
    domain = AppDomain.parse("ann-{id}-x.apps.example.net")
    for identifier in (LABEL, "probe-" + 20 * "a"):
        assert re.fullmatch(domain.pattern, domain.host(identifier))
    for identifier in (LABEL[1:], LABEL + "b", "b-" + LABEL, "probe-" + LABEL, "www", ""):
        assert not re.fullmatch(domain.pattern, domain.host(identifier))
    assert not re.fullmatch(domain.pattern, domain.host(LABEL).replace(".apps", "xapps"))


BEGINNINGS = st.lists(st.sampled_from(["a", "b", "-", "2", "probe", "ann"]), max_size=6)
IDENTIFIERS = st.from_regex(r"(a[a-z2-7]{20}|probe-[0-9a-f]{20})\Z", fullmatch=True)


@given(
    one=BEGINNINGS.map("".join), other=BEGINNINGS.map("".join), after=..., identifier=IDENTIFIERS
)
def test_no_name_is_of_two_beginnings(one: str, other: str, after: bool, identifier: str) -> None:
    end = "-x" if after else ""
    hosts = AppDomain(one, end, "apps.example.net")
    theirs = AppDomain(other, end, "apps.example.net")
    found = re.fullmatch(theirs.pattern, hosts.host(identifier))
    assert (found is not None) == (one == other)
