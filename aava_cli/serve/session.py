"""One connection: who it is, what it is in the middle of, and how it is answered."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from aava_cli.serve.engines import EngineError
from aava_cli.serve.segments import Segmentation, Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from aava_cli.backends import Values
    from aava_cli.serve.models import Models

Mode: TypeAlias = Literal["full", "stt", "llm", "tts"]
MODES: tuple[str, ...] = get_args(Mode)
Reply = dict[str, Any]

_LOG = logging.getLogger(__name__)


class Socket(Protocol):
    """What a session needs of a connection."""

    async def send_text(self, data: str) -> None:
        """Send one text message."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A request: its type, in the spelling that the daemon uses, and its fields."""

    type: str
    fields: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """Return the field *name*, which must be text where it is given.

        Raises:
            EngineError: it is something else.
        """
        value = self.fields.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise EngineError(f"`{name}` must be text")
        return value

    def integer(self, name: str, default: int, *, among: range) -> int:
        """Return the field *name*, which must be one of *among* where it is given.

        Raises:
            EngineError: it is something else.
        """
        value = self.fields.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value not in among:
            raise EngineError(f"`{name}` must be a whole number from {among[0]} to {among[-1]}")
        return value

    def request_id(self) -> Reply:
        """Return the request's id as a reply repeats it: nothing where there is none."""
        found = self.fields.get("request_id")
        return {} if found is None else {"request_id": found}


@dataclass(frozen=True, slots=True)
class Output:
    """How speech is sent: 0 Hz is the voice's own rate."""

    encoding: str = "mulaw"
    sample_rate_hz: int = 8000


@dataclass(slots=True)
class Session:
    """The state of one connection."""

    socket: Socket
    models: Models
    authenticated: bool
    mode: str = "full"
    call_id: str = "unknown"
    system_prompt: str | None = None
    output: Output = field(default_factory=Output)
    in_call: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _answers: set[asyncio.Task[None]] = field(default_factory=set)
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
        """Take the call's id from *message*; the connection carries a call from now on."""
        self.call_id = message.text("call_id") or self.call_id
        self.in_call = True

    async def send(self, reply: Reply, payload: bytes | None = None) -> None:
        """Send *reply*, and *payload* right after it."""
        async with self._sending:
            await self.socket.send_text(json.dumps(reply))
            if payload is not None:
                await self.socket.send_bytes(payload)

    async def send_payload(self, payload: bytes) -> None:
        """Send *payload* alone."""
        async with self._sending:
            await self.socket.send_bytes(payload)

    def listen(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* while the connection goes on; only its end stops it."""
        self._start(work)

    def answer(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* while the connection goes on; it stops when the caller cuts in."""
        task = self._start(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # A client that has left misses nothing.
        if error is not None and not isinstance(error, ConnectionError):
            _LOG.error("a request ended without an answer", exc_info=error)

    def stop_answering(self) -> None:
        """Drop the answers in progress; what the caller said is still written down."""
        for task in self._answers:
            task.cancel()

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
        for utterance in self._segmenter.flush():
            heard(utterance)

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def close(self) -> None:
        """Stop everything that the connection asked for."""
        self._stop_waiting()
        for task in self._tasks:
            task.cancel()


def changed_rules(message: Message, rules: Segmentation) -> Segmentation:
    """Return *rules* with what *message* says of them.

    Raises:
        EngineError: a number is out of its range.
    """
    threshold = message.integer(
        "segment_energy_threshold", rules.energy_threshold, among=range(32_768)
    )
    silence_ms = message.integer("segment_silence_ms", rules.silence_ms, among=range(20, 5001))
    return replace(rules, energy_threshold=threshold, silence_ms=silence_ms)


def _segmentation(values: Values) -> Segmentation:
    prefix = "LOCAL_STT_SEGMENT_"
    return Segmentation(
        energy_threshold=int(values[f"{prefix}ENERGY_THRESHOLD"]),
        preroll_ms=int(values[f"{prefix}PREROLL_MS"]),
        min_ms=int(values[f"{prefix}MIN_MS"]),
        silence_ms=int(values[f"{prefix}SILENCE_MS"]),
        max_ms=int(values[f"{prefix}MAX_MS"]),
    )
