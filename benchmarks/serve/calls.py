"""A day of calls at speed: opened, fed, cut and abandoned; nothing of them is left behind."""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.serve.setting import left_over, serving
from tests.serve.sounds import encoded, silence, tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.daemon_fixture import Client, RunningDaemon

# As many as a small office takes in a day.
CALLS = 1440
_AT_ONCE = 8
# asyncio's own pool (Python's manual, concurrent.futures.ThreadPoolExecutor).
_POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)
# Until the allocator has what it holds on to.
_WARM_UP = 1500
_PIECE = tone(200)
_UTTERANCE = (tone(600) + silence(700), encoded(tone(1200)))


def run(count: int = CALLS, seed: int = 1) -> bool:
    """Print what was left over before and after *count* calls; return whether all is gone."""
    chance = random.Random(seed)  # noqa: S311 - the same day each time
    with serving() as daemon:
        _make(daemon, [chance.choice(ENDS) for _ in range(_WARM_UP)])
        before = _at_rest(daemon)
        ends = [chance.choice(ENDS) for _ in range(count)]
        start = time.monotonic()
        _make(daemon, ends)
        took_s = time.monotonic() - start
        after = _at_rest(daemon)
        log = daemon.log.read_text("utf-8")
    print(f"{count} calls in {took_s:.0f} s: {dict(Counter(each.__name__ for each in ends))}")
    print("before:", before)
    print("after: ", after)
    same = all(after[name] <= before[name] for name in ("tasks", "files", "processes"))
    # One waits for each process that has a model; the pool starts its threads as they are needed.
    same &= after["threads"] <= 1 + after["processes"] + _POOL_THREADS
    print("nothing is left behind:", same, "- no traceback:", "Traceback" not in log)
    return same and "Traceback" not in log


def _make(daemon: RunningDaemon, ends: list[Callable[[Client], None]]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda end: _call(daemon, end), ends))


def _call(daemon: RunningDaemon, end: Callable[[Client], None]) -> None:
    with daemon.connect() as client:
        client.ask({"type": "set_mode", "mode": "full", "call_id": "day"})
        client.send(_PIECE)
        end(client)


def answered(client: Client) -> None:
    """Hear, answer and speak, then hang up."""
    client.send({"type": "audio", "data": _UTTERANCE[1], "request_id": "r"})
    for _ in range(3):
        client.receive()
    client.receive_bytes()


def cut(client: Client) -> None:
    """Cut in while an answer is made, then hang up."""
    client.send({"type": "llm_request", "text": "hello"})
    client.ask({"type": "barge_in"})


def abandoned(client: Client) -> None:
    """Go away in the middle of speech, without a word."""
    client.send(_UTTERANCE[0])
    client.connection.socket.shutdown(socket.SHUT_RDWR)


def silent(client: Client) -> None:
    """Say nothing more and hang up."""


def confused(client: Client) -> None:
    """Send what nobody understands, and a request that fails."""
    client.ask("{")
    client.ask({"type": "tts_request", "text": "x" * 6000})


ENDS: tuple[Callable[[Client], None], ...] = (answered, cut, abandoned, silent, confused)


def _at_rest(daemon: RunningDaemon) -> dict[str, float]:
    daemon.wait_until(lambda status: not status["active_sessions"])
    # What was asked for by those who left is dropped when its turn comes.
    time.sleep(2)
    return left_over(daemon)
