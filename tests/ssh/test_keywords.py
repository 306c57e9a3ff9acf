"""Every keyword of ssh is sorted, and what has no effect here is said."""

import re
import subprocess

import pytest

from jupyter_remote_tunnel.ssh.keywords import HONOURED, NO_MEANING, NOT_HONOURED, not_honoured
from tests.support.process import program

DEFAULTS = {
    "checkhostip": ["no"],
    "compression": ["no"],
    "kexalgorithms": ["curve25519-sha256,diffie-hellman-group-exchange-sha256"],
    "permitremoteopen": ["any"],
    "pubkeyauthentication": ["true"],
    "stricthostkeychecking": ["ask"],
    "updatehostkeys": ["true"],
    "verifyhostkeydns": ["false"],
}


def printed_by_ssh() -> set[str]:
    done = subprocess.run(
        [program("ssh"), "-T", "-F", "none", "-G", "gpu01"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.partition(" ")[0].lower() for line in done.stdout.splitlines()}


def test_every_keyword_that_ssh_prints_is_sorted_once() -> None:
    assert printed_by_ssh() <= HONOURED | NO_MEANING | NOT_HONOURED
    assert not HONOURED & NO_MEANING
    assert not NOT_HONOURED & (HONOURED | NO_MEANING)
    assert all(re.fullmatch("[a-z0-9]+", name) for name in HONOURED | NO_MEANING | NOT_HONOURED)


@pytest.mark.parametrize(
    ("keyword", "values", "said"),
    [
        ("compression", ["yes"], ()),
        ("controlmaster", ["auto"], ()),
        ("verifyhostkeydns", ["true"], ("verifyhostkeydns true",)),
        ("updatehostkeys", ["false"], ()),  # as it is here
        ("updatehostkeys", ["ask"], ("updatehostkeys ask",)),
        ("pubkeyauthentication", ["unbound"], ()),  # as it is here
        ("pubkeyauthentication", ["host-bound"], ("pubkeyauthentication host-bound",)),
        ("checkhostip", ["yes"], ("checkhostip yes",)),
        ("permitremoteopen", ["none"], ("permitremoteopen none",)),  # that is no default
        ("localcommand", ["none"], ()),
        ("stricthostkeychecking", ["false"], ("stricthostkeychecking false",)),
        ("stricthostkeychecking", ["true"], ()),
        ("knownhostscommand", ["/bin/keys %h"], ("knownhostscommand /bin/keys %h",)),
        ("comesinalaterssh", ["yes"], ("comesinalaterssh yes",)),
        ("localforward", ["1 [a]:1", "2 [b]:2"], ()),
        ("ciphers", ["aes128-ctr,no-such-cipher"], ("ciphers no-such-cipher",)),
        # ssh's own are not the user's affair; what the user adds is.
        ("kexalgorithms", [f"{DEFAULTS['kexalgorithms'][0]},curve448-sha512"], ()),
        (
            "kexalgorithms",
            ["diffie-hellman-group-exchange-sha1"],
            ("kexalgorithms diffie-hellman-group-exchange-sha1",),
        ),
    ],
)
def test_what_has_no_effect_is_said(keyword: str, values: list[str], said: tuple[str, ...]) -> None:
    assert not_honoured({**DEFAULTS, keyword: values}, DEFAULTS) == said


def test_a_setting_takes_who_switches_checks_off_at_their_word() -> None:
    configuration = {**DEFAULTS, "stricthostkeychecking": ["false"]}
    assert not_honoured(configuration, DEFAULTS, allow_unasked=True) == ()


@pytest.mark.parametrize("keyword", ["gssapiauthentication", "pkcs11provider"])
def test_what_needs_an_extra_is_said_where_that_is_missing(
    keyword: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = {**DEFAULTS, keyword: ["set"]}
    find = "jupyter_remote_tunnel.ssh.keywords.find_spec"
    monkeypatch.setattr(find, lambda _: None)
    assert not_honoured(configuration, DEFAULTS) == (f"{keyword} set",)
    monkeypatch.setattr(find, lambda name: name)
    assert not_honoured(configuration, DEFAULTS) == ()
