"""Tickets, sessions and capabilities, and when each of them ends. Only the clock is a fake."""

import asyncio

import pytest

from jupyter_remote_tunnel.server.views.grants import Grant, Grants

LAB = "http://localhost:8888"


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def grants(clock: Clock) -> Grants:
    return Grants(clock)


def grant(login: str = "ann", app_id: str = "app", label: str = "a1") -> Grant:
    return Grant(login, app_id, LAB, label)


def session(grants: Grants, login: str = "ann", app_id: str = "app") -> str:
    value = grants.enter(grants.ticket(grant(login, app_id)), "a1", [], framed=False)
    assert value is not None
    return value


def test_a_ticket_ends_after_30_seconds(grants: Grants, clock: Clock) -> None:
    ticket = grants.ticket(grant())
    clock.now = 30.0
    assert grants.enter(ticket, "a1", [], framed=False) is None


def test_a_session_ends_after_30_days(grants: Grants, clock: Clock) -> None:
    value = session(grants)
    clock.now = 29 * 86400.0
    assert grants.session([value], "a1") is not None
    clock.now = 30 * 86400.0
    assert grants.session([value], "a1") is None


def test_a_session_counts_on_its_own_host_only(grants: Grants) -> None:
    value = session(grants)
    assert grants.session([value], "a2") is None
    found = grants.session(["forged", value], "a1")
    assert found is not None
    assert found.app_id == "app"


def test_a_session_that_the_browser_holds_goes_on_if_it_opens_the_same(grants: Grants) -> None:
    held = session(grants)
    assert grants.enter(grants.ticket(grant()), "a1", ["forged", held], framed=False) == held
    for other in (grant("bob"), grant(app_id="other")):
        assert grants.enter(grants.ticket(other), "a1", [held], framed=False) != held
    assert grants.enter(grants.ticket(grant()), "a1", [held], framed=True) != held


def test_a_capability_is_one_for_a_login_and_an_application(grants: Grants) -> None:
    mine = grants.capability("ann", "app", LAB)
    assert len(mine) == 32
    assert grants.capability("ann", "app", LAB) == mine
    assert (
        len({mine, grants.capability("bob", "app", LAB), grants.capability("ann", "b", LAB)}) == 3
    )
    grants.revoke_login("ann")
    assert grants.capable(mine) is None
    assert grants.capability("ann", "app", LAB) != mine


def test_revoking_ends_the_right_ones(grants: Grants) -> None:
    mine, hers = session(grants), session(grants, "bob")
    ticket = grants.ticket(grant())
    grants.revoke_login("ann")
    assert grants.session([mine], "a1") is None
    assert grants.enter(ticket, "a1", [], framed=False) is None
    assert grants.session([hers], "a1") is not None
    grants.revoke_app("app")
    assert grants.session([hers], "a1") is None


def test_a_detour_leads_back_once_and_for_30_seconds(grants: Grants, clock: Clock) -> None:
    first, second = grants.detour("/a"), grants.detour("/b")
    assert grants.way_back(first) == "/a"
    assert grants.way_back(first) is None
    clock.now = 30.0
    assert grants.way_back(second) is None


def test_there_are_only_so_many_detours(grants: Grants) -> None:
    first, *others = (grants.detour(f"/{number}") for number in range(101))
    assert grants.way_back(first) is None
    assert [grants.way_back(value) for value in others] == [f"/{n}" for n in range(1, 101)]


def test_there_are_only_so_many_for_an_application(grants: Grants) -> None:
    """A program that is another login each time takes the place of those that are not used."""
    mine, unused, others = (
        grants.capability(login, app_id, LAB)
        for login, app_id in (("ann", "app"), ("bob", "app"), ("ann", "other"))
    )
    for number in range(999):
        grants.capability(f"program {number}", "app", LAB)
        assert grants.capable(mine) is not None
    assert grants.capable(unused) is None
    assert grants.capable(others) is not None


def test_the_newest_frame_of_a_host(grants: Grants, clock: Clock) -> None:
    for app_id, framed in (("one", True), ("two", True), ("tab", False)):
        grants.enter(grants.ticket(grant(app_id=app_id)), "a1", [], framed=framed)
    newest = grants.framed_at("a1")
    assert newest is not None
    assert newest.app_id == "two"
    assert grants.framed_at("a2") is None
    clock.now = 30 * 86400.0
    assert grants.framed_at("a1") is None


async def test_close_ends_and_awaits_what_is_under_way(grants: Grants) -> None:
    ended = asyncio.Event()

    async def serve() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    found = grants.session([session(grants)], "a1")
    assert found is not None
    task = asyncio.get_running_loop().create_task(serve(), name="request")
    found.carry(task)
    await asyncio.sleep(0)
    await grants.close()
    assert ended.is_set()
    assert not found.live
