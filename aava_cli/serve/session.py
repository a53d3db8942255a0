"""One connection: who it is, what it is in the middle of, and how it is answered."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from aava_cli.serve.defaults import RANGES
from aava_cli.serve.message import Message, Output, Reply
from aava_cli.serve.replies import CUT_OFF
from aava_cli.serve.segments import Segmentation, Segmenter
from aava_cli.serve.shared import Shared, TooBusy
from aava_cli.serve.whole import to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aava_cli.backends import Values
    from aava_cli.serve.models import Models

_LOG = logging.getLogger(__name__)
_SEGMENT = "LOCAL_STT_SEGMENT_"


class Socket(Protocol):
    """What a session needs of a connection."""

    async def send_text(self, data: str) -> None:
        """Send one text message."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, with a code and words that the client gets."""
        ...

    def drop(self) -> None:
        """End the connection without a word."""
        ...


@dataclass(slots=True)
class Owed:
    """The reply that somebody still waits for, as it is where the answer is cut off."""

    reply: Reply | None = None


@dataclass(slots=True, eq=False)
class Session:
    """The state of one connection."""

    socket: Socket
    models: Models
    authenticated: bool
    shared: Shared = field(default_factory=Shared)
    mode: str = "full"
    call_id: str = "unknown"
    system_prompt: str | None = None
    output: Output = field(default_factory=Output)
    in_call: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)
    _answers: dict[asyncio.Task[object], Owed] = field(default_factory=dict)
    _rules: Segmentation = field(init=False)
    _segmenter: Segmenter = field(init=False)
    _idle: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        """Listen as `.env` says."""
        self.listen_by(_segmentation(self.models.values))

    @property
    def rules(self) -> Segmentation:
        """What counts as speech on this connection."""
        return self._rules

    def listen_by(self, rules: Segmentation) -> None:
        """Cut the audio of this connection by *rules* from now on."""
        self._rules, self._segmenter = rules, Segmenter(rules)

    def join_call(self, message: Message) -> None:
        """Take the call's id from *message*; the connection carries a call from now on.

        Raises:
            TooBusy: the daemon carries as many calls as it may.
        """
        self.call_id = message.text("call_id") or self.call_id
        self.carry_call()

    def carry_call(self) -> None:
        """Count this connection among the calls; raises as `join_call` does."""
        if not self.in_call:
            self.shared.join()
            self.in_call = True

    async def send(
        self, reply: Reply, payload: bytes | None = None, *, owed: Owed | None = None
    ) -> None:
        """Send *reply*, and *payload* right after it; then nothing is *owed* any more."""
        async with self._sending:
            await self.socket.send_text(json.dumps(reply))
            if owed is not None:
                owed.reply = None
            if payload is not None:
                # What was announced has to come, also where a caller cuts in.
                await to_its_end(self.socket.send_bytes(payload))

    async def send_payload(self, payload: bytes) -> None:
        """Send *payload* alone."""
        async with self._sending:
            await self.socket.send_bytes(payload)

    def listen(self, work: Coroutine[Any, Any, object], *, sound_bytes: int = 0) -> None:
        """Do *work* while the connection goes on; only its end stops it.

        Raises:
            TooBusy: too much waits already; *work* is not begun.
        """
        self._start(work, sound_bytes)

    def answer(
        self, work: Coroutine[Any, Any, object], owed: Owed, *, follows: bool = False
    ) -> None:
        """Do *work* while the connection goes on; it stops when the caller cuts in.

        What *follows* takes the place of the work that asks for it, and so always has one.

        Raises:
            TooBusy: too much waits already; *work* is not begun.
        """
        task = self._run(work) if follows else self._start(work, 0)
        self._answers[task] = owed
        task.add_done_callback(self._answers.pop)

    def _start(self, work: Coroutine[Any, Any, object], sound_bytes: int) -> asyncio.Task[object]:
        try:
            self._require_place()
            self.shared.take_sound(sound_bytes)
        except TooBusy:
            work.close()
            raise
        return self._run(work, sound_bytes)

    def _require_place(self) -> None:
        waiting = len(self._tasks)
        if waiting >= self.shared.limits.queue:
            problem = f"{waiting} requests of this connection wait already; take their answers"
            raise self.shared.refusal(problem)

    def _run(self, work: Coroutine[Any, Any, object], sound_bytes: int = 0) -> asyncio.Task[object]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._finished, sound_bytes))
        return task

    def _finished(self, sound_bytes: int, task: asyncio.Task[object]) -> None:
        self.shared.give_sound(sound_bytes)
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # A client that has left misses nothing.
        if error is not None and not isinstance(error, ConnectionError):
            _LOG.error("a request ended without an answer", exc_info=error)

    def stop_answering(self) -> list[Reply]:
        """Drop the answers in progress, and return what is told to those who wait for them.

        What the caller said is still written down.
        """
        for task in self._answers:
            task.cancel()
        replies = [owed.reply | {"error": CUT_OFF} for owed in self._answers.values() if owed.reply]
        for owed in self._answers.values():
            owed.reply = None
        return replies

    def hear(self, pcm16_16k: bytes, heard: Callable[[bytes], None]) -> None:
        """Take a piece of the stream and call *heard* with each utterance that ends.

        An utterance also ends when nothing more comes for `LOCAL_STT_IDLE_MS`.
        """
        for utterance in self._segmenter.feed(pcm16_16k):
            heard(utterance)
        self._stop_waiting()
        if self._segmenter.speaking:
            idle_s = int(self.models.values["LOCAL_STT_IDLE_MS"]) / 1000
            self._idle = asyncio.get_running_loop().call_later(idle_s, self._end_speech, heard)

    def _end_speech(self, heard: Callable[[bytes], None]) -> None:
        try:
            for utterance in self._segmenter.flush():
                heard(utterance)
        except TooBusy as error:
            # Nobody's message is being handled, so nobody else would tell.
            self._run(self.send({"type": "error", "message": str(error)}))

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def close(self) -> None:
        """Stop everything that the connection asked for."""
        self._stop_waiting()
        if self.in_call:
            self.in_call = False
            self.shared.leave()
        for task in self._tasks:
            task.cancel()


def changed_rules(message: Message, rules: Segmentation) -> Segmentation:
    """Return *rules* with what *message* says of them.

    Raises:
        EngineError: a number is out of its range.
    """
    threshold = message.integer(
        "segment_energy_threshold", rules.energy_threshold, among=_range_of("ENERGY_THRESHOLD")
    )
    silence_ms = message.integer(
        "segment_silence_ms", rules.silence_ms, among=_range_of("SILENCE_MS")
    )
    return replace(rules, energy_threshold=threshold, silence_ms=silence_ms)


def _range_of(name: str) -> range:
    """Return which numbers `.env` may have under *name*; a request may have no others."""
    numbers = RANGES[f"{_SEGMENT}{name}"]
    return range(int(numbers.least), int(numbers.most) + 1)


def _segmentation(values: Values) -> Segmentation:
    return Segmentation(
        energy_threshold=int(values[f"{_SEGMENT}ENERGY_THRESHOLD"]),
        preroll_ms=int(values[f"{_SEGMENT}PREROLL_MS"]),
        min_ms=int(values[f"{_SEGMENT}MIN_MS"]),
        silence_ms=int(values[f"{_SEGMENT}SILENCE_MS"]),
        max_ms=int(values[f"{_SEGMENT}MAX_MS"]),
    )
