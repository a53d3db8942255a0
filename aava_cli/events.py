"""What a running command reports: progress, log lines, and where they go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one task is; `done` never decreases for a task.

    What is not known is None: *verified* of the first bytes are checked, *per_second* is the
    rate, *remaining_s* the time that is left at this rate, and nothing came for *stalled_s*.
    """

    task: str
    done: int
    total: int | None
    unit: Literal["bytes", "steps"] = "bytes"
    verified: int | None = None
    per_second: int | None = None
    remaining_s: int | None = None
    stalled_s: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """One line for the person who watches; a warning also reaches `--quiet`."""

    message: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Item:
    """What one check found, as soon as it is known; the answer has it again.

    *remediation* is what to do about it in words, *command* the command of that, if it is one.
    """

    name: str
    group: str
    status: Literal["pass", "warn", "fail", "skip"]
    message: str
    details: str | None = None
    remediation: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a command found out of *subject* while it goes on, with what makes it so."""

    subject: str
    status: str
    reasons: tuple[str, ...] = ()


Event: TypeAlias = Progress | Log | Item | Finding
Emit: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Drop *event*: for callers that nobody watches."""
