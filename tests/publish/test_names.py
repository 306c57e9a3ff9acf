"""Names as a real resolver finds them, with a DNS server of a network of its own."""

import json
import subprocess
import sys

import pytest

from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.publish.names import about_apps
from tests.support.dns import zone
from tests.support.netns import Namespace
from tests.support.process import environment

ZONE = {
    "right.example.org": ["A 203.0.114.7", "AAAA 2001:4860::7"],
    "by-ssh.example.org": ["A 198.52.100.1"],
    "alias.example.org": ["CNAME right.example.org"],
    "half.example.org": ["A 203.0.114.7", "AAAA 2001:4860::8"],
    "elsewhere.example.org": ["A 203.0.114.99"],
    "orange.example.org": ["A 104.21.3.4", "A 172.67.5.6"],
    "front.example.org": ["CNAME d111.cloudfront.net"],
    "d111.cloudfront.net": ["A 203.0.114.50"],
    "empty.example.org": [],
    "local.example.org": ["A 10.0.0.9"],
    "private.example.org": ["A 10.0.0.5"],
    "*.right.example.net": ["A 203.0.114.7"],
    "*.elsewhere.example.net": ["A 203.0.114.99"],
}
DOMAINS = ["right.example.net", "elsewhere.example.net", "missing.example.net"]
OURS = ["203.0.114.7", "2001:4860::7", "10.0.0.5", "198.52.100.1"]
NAMES = [
    *(name for name in ZONE if "*" not in name),
    "missing.example.org",
    "here.example.org",
    "203.0.114.7",
]

BEHIND_A_ROUTER = {"router": ["10.0.0.5"], "router for IPv4": ["10.0.0.5", "2001:4860::7"]}
ONLY_PRIVATE = {"none yet": "missing.example.org", "its own": "private.example.org"}
"""Names asked for where the gateway knows no other address of its own."""

# Prints what is found out about each name by the system's own resolver, as JSON.
ASK = """
import asyncio, json, sys
from ipaddress import ip_address
from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.publish.names import check_app_names, check_name
async def main():
    checks = []
    for name, ours in json.loads(sys.argv[1]):
        checks.append(await check_name(name, "gw", [ip_address(text) for text in ours]))
    for domain in json.loads(sys.argv[2]):
        apps, ours = AppDomain.parse("{id}." + domain), [ip_address("203.0.114.7")]
        checks.append(await check_app_names(apps, "gw", ours))
    print(json.dumps([check.as_dict() for check in checks]))
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Check]:
    """By name; and by what the gateway knows of itself, for one that leads there."""
    questions = [(name, OURS) for name in NAMES]
    questions += [("right.example.org", known) for known in BEHIND_A_ROUTER.values()]
    questions += [(name, ["10.0.0.5"]) for name in ONLY_PRIVATE.values()]
    with Namespace() as network, zone(network, ZONE) as asking:
        argv = [sys.executable, "-c", ASK, json.dumps(questions), json.dumps(DOMAINS)]
        done = subprocess.run(
            asking(argv), capture_output=True, text=True, check=True, env=environment()
        )
    checks = [Check.from_dict(check) for check in json.loads(done.stdout)]
    asked = [*NAMES, *BEHIND_A_ROUTER, *ONLY_PRIVATE, *DOMAINS]
    return dict(zip(asked, checks, strict=True))


@pytest.mark.parametrize("name", ["right", "by-ssh", "alias"])
def test_names_that_lead_there(found: dict[str, Check], name: str) -> None:
    check = found[f"{name}.example.org"]
    assert (check.verdict, check.name) == ("ok", "name")
    assert check.says.endswith("which is gw.")


def test_an_address_leads_there(found: dict[str, Check]) -> None:
    assert found["203.0.114.7"].verdict == "ok"


def test_a_name_that_leads_there_in_part(found: dict[str, Check]) -> None:
    check = found["half.example.org"]
    assert check.verdict == "failed"
    assert "2001:4860::8 as well, which is not" in check.says


def test_a_name_that_leads_elsewhere(found: dict[str, Check]) -> None:
    check = found["elsewhere.example.org"]
    assert check.verdict == "failed"
    assert "leads to another host: elsewhere.example.org is 203.0.114.99" in check.says
    assert "elsewhere.example.org A 198.52.100.1." in check.advice, "a public address"


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_names_that_stand_for_nothing(found: dict[str, Check], name: str) -> None:
    check = found[f"{name}.example.org"]
    assert check.verdict == "failed"
    assert "has no address" in check.says
    assert f"{name}.example.org A 198.52.100.1." in check.advice


def test_a_private_address_is_none_for_visitors(found: dict[str, Check]) -> None:
    check = found["private.example.org"]
    assert check.verdict == "note"
    assert check.says == (
        "private.example.org is 10.0.0.5, which is gw. None but its own network reaches 10.0.0.5:"
        " that is no public address."
    )
    assert check.advice.endswith("in DNS: private.example.org A 198.52.100.1.")
    assert found["its own"].verdict == "note"
    for name, check in (("private", found["its own"]), ("missing", found["none yet"])):
        advised = (
            f"{name}.example.org A, with the public address of gw (which is none of 10.0.0.5)."
        )
        assert check.advice.endswith(advised)


@pytest.mark.parametrize(
    ("advice", "said"),
    [
        ("", "Until then"),
        ("To take it as it is: --self-signed", "--self-signed. Until then"),
        ("Does something else listen there?", "there? Until then"),
    ],
)
def test_what_is_said_of_applications_ends_in_one_full_stop(advice: str, said: str) -> None:
    assert said in about_apps(Check("app cert", "failed", "It is.", advice=advice)).advice


@pytest.mark.parametrize(
    ("name", "cdn"), [("orange", "Cloudflare"), ("front", "Amazon CloudFront")]
)
def test_proxies(found: dict[str, Check], name: str, cdn: str) -> None:
    check = found[f"{name}.example.org"]
    assert check.verdict == "failed"
    assert f"leads to a proxy of {cdn}" in check.says
    assert "Have the name lead to gw itself" in check.advice


def test_a_name_of_this_machine(found: dict[str, Check]) -> None:
    check = found["here.example.org"]
    assert check.verdict == "failed"
    assert "/etc/hosts" in check.advice


@pytest.mark.parametrize("behind", BEHIND_A_ROUTER)
def test_a_gateway_that_does_not_know_its_public_address(
    found: dict[str, Check], behind: str
) -> None:
    """Behind a router, and reached through a jump host."""
    check = found[behind]
    assert check.verdict == "note"
    assert "It is not known whether right.example.org leads to gw" in check.says


def test_all_names_below_a_domain(found: dict[str, Check]) -> None:
    right, elsewhere, missing = (found[name] for name in DOMAINS)
    assert (right.name, right.verdict) == ("app names", "ok")
    assert right.says == "*.right.example.net is 203.0.114.7, which is gw."
    for other in (elsewhere, missing):
        assert (other.name, other.verdict) == ("app names", "note")
        assert other.advice.endswith("Until then applications are shown in sandboxed pages.")
    assert "leads to another host" in elsewhere.says
    assert "*.missing.example.net A 203.0.114.7." in missing.advice
