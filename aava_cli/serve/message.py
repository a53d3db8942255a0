"""A request as it came, and what its replies repeat of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from aava_cli.serve.engines import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

Mode: TypeAlias = Literal["full", "stt", "llm", "tts"]
MODES: tuple[str, ...] = get_args(Mode)
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A request: its type, in the spelling that the daemon uses, and its fields."""

    type: str
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return the field *name*, which must be text where it is given; nothing where it is not.

        Raises:
            EngineError: it is something else.
        """
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise EngineError(f"`{name}` must be text")
        return value

    def flag(self, name: str) -> bool:
        """Return the field *name*, which must be true or false where it is given.

        Raises:
            EngineError: it is something else.
        """
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise EngineError(f"`{name}` must be true or false")
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
        return {} if self.id is None else {"request_id": self.id}

    @property
    def id(self) -> Any:  # noqa: ANN401 - any JSON value
        """The request's id, or None; what no JSON can say was not said in JSON."""
        found = self.fields.get("request_id")
        try:
            json.dumps(found, allow_nan=False)
        except (ValueError, RecursionError):
            return None
        return found


@dataclass(frozen=True, slots=True)
class Output:
    """How speech is sent: 0 Hz is the voice's own rate."""

    encoding: str = "mulaw"
    sample_rate_hz: int = 8000
