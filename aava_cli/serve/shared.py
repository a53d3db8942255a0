"""What all connections share: how much waits already, and whether more is taken on."""

from __future__ import annotations

from dataclasses import dataclass, field

from aava_cli.serve.engines import EngineError
from aava_cli.serve.limits import Limits


class TooBusy(EngineError):
    """It would be taken on later; nothing was begun."""


@dataclass(slots=True)
class Shared:
    """How much is taken on at the moment, by all connections together."""

    limits: Limits = field(default_factory=Limits)
    calls: int = 0
    calls_ever: int = 0
    waiting_bytes: int = 0
    refused: int = 0
    stopping: bool = False

    def join(self) -> None:
        """Take one more call on.

        Raises:
            TooBusy: there are as many as there may be, or the daemon is about to end.
        """
        if self.stopping:
            raise self.refusal("the daemon is stopping")
        if self.calls >= self.limits.sessions:
            raise self.refusal(f"the daemon carries {self.calls} calls already; try again later")
        self.calls += 1
        self.calls_ever += 1

    def leave(self) -> None:
        """Let one call go."""
        self.calls -= 1

    def take_sound(self, count: int) -> None:
        """Take *count* bytes of sound that wait for an engine.

        Raises:
            TooBusy: there is no room for them.
        """
        if self.waiting_bytes + count > self.limits.waiting_bytes:
            raise self.refusal("too much sound waits for the model already; try again later")
        self.waiting_bytes += count

    def give_sound(self, count: int) -> None:
        """Let go of *count* bytes of sound."""
        self.waiting_bytes -= count

    def refusal(self, problem: str) -> TooBusy:
        """Return the refusal of something, and count it."""
        self.refused += 1
        return TooBusy(problem)
