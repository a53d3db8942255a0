"""One at a time, and round robin."""

from __future__ import annotations

import asyncio

import pytest

from aava_cli.serve.turns import ASKER, NoTurn, Turns


async def work(turns: Turns, asker: str, done: list[str]) -> None:
    """Have a turn for *asker*, and say so."""
    ASKER.set(asker)
    await turns.take()
    done.append(asker)
    await asyncio.sleep(0)
    turns.give()


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_turns_go_round() -> None:
    """Three askers with different numbers of requests."""

    async def run() -> list[str]:
        turns, done = Turns(), list[str]()
        tasks = [asyncio.create_task(work(turns, each, done)) for each in "aaaabbc"]
        await asyncio.gather(*tasks)
        await work(turns, "d", done)
        return done

    assert "".join(asyncio.run(run())) == "aabcabad"


def test_turn_of_who_left_goes_to_the_next() -> None:
    """Whether it was waiting, or had just been given the turn."""

    async def run() -> list[str]:
        turns, done = Turns(), list[str]()
        await turns.take()
        tasks = [asyncio.create_task(work(turns, each, done)) for each in "abcd"]
        await settle()
        tasks[1].cancel()
        turns.give()
        tasks[0].cancel()
        await settle()
        return done

    assert asyncio.run(run()) == ["c", "d"]


def test_nobody_waits_for_turns_that_are_over() -> None:
    """Whoever waits is told, and whoever comes later."""

    async def run() -> None:
        turns = Turns()
        await turns.take()
        waiting = asyncio.create_task(turns.take())
        leaving = asyncio.create_task(turns.take())
        await settle()
        leaving.cancel()
        turns.end()
        for late in (waiting, turns.take()):
            with pytest.raises(NoTurn):
                await late
        with pytest.raises(asyncio.CancelledError):
            await leaving
        turns.give()

    asyncio.run(run())
