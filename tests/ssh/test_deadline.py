"""A time limit that leaves out the time in which a person thinks."""

import asyncio

import pytest

from jupyter_remote_tunnel.ssh.deadline import Deadline


async def test_it_ends_a_block_that_takes_too_long() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(0.05):
            await asyncio.get_running_loop().create_future()


async def test_no_time_passes_while_it_stands_still() -> None:
    async with Deadline(1) as deadline:
        for _ in range(3):
            with deadline.standing_still():
                await asyncio.sleep(0.5)  # three of these are more than the limit


async def test_what_was_left_before_is_left_afterwards() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def think_and_dawdle() -> None:
        async with Deadline(1) as deadline:
            await asyncio.sleep(0.2)  # a part of the limit: time itself is what is tried
            with deadline.standing_still():
                await asyncio.sleep(1)  # as long as the limit, and not counted
            await loop.create_future()

    with pytest.raises(TimeoutError):
        await think_and_dawdle()
    assert 2 <= loop.time() - began < 30


async def test_who_asks_may_go_on_when_the_block_is_over() -> None:
    deadline = Deadline(30)
    asks, ended = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        with deadline.standing_still():
            asks.set()
            await ended.wait()

    async with asyncio.TaskGroup() as group:
        async with deadline:
            group.create_task(ask())
            await asks.wait()
        ended.set()


async def test_who_begins_to_ask_when_the_time_is_over_changes_nothing() -> None:
    async def ask_too_late() -> None:
        async with Deadline(0.05) as deadline:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                with deadline.standing_still():
                    pass

    with pytest.raises(TimeoutError):
        await ask_too_late()
