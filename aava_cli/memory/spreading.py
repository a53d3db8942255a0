"""Where the layers of a language model go, beside the models that hear and speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.memory.amounts import NOTHING, Amount
from aava_cli.memory.course import course_of, divide, on_gpu, on_host
from aava_cli.memory.room import at
from aava_cli.memory.terms import EVERY_LAYER

if TYPE_CHECKING:
    from aava_cli.memory.course import Course
    from aava_cli.memory.needs import Basis, Language
    from aava_cli.memory.room import Level, Room
    from aava_cli.memory.terms import FitTerms

_STEP = 256
_LONGEST_CONTEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other models of the set take on the host, and on the first GPU."""

    host: Amount = NOTHING
    gpu: Amount = NOTHING


@dataclass(frozen=True, slots=True)
class Spread:
    """*count* layers on GPUs, divided as *parts*; what that takes there and on the host."""

    count: int
    parts: tuple[tuple[int, int], ...]
    gpus: tuple[Amount, ...]
    host: Amount


@dataclass(frozen=True, slots=True)
class Spreading:
    """A language model to be spread over the *gpus* of *room*, with others *beside* it.

    Others are on the first of them.
    """

    language: Language
    basis: Basis
    terms: FitTerms
    room: Room
    gpus: tuple[int, ...]
    beside: Beside

    def course(self, context: int) -> Course:
        """Return what the model takes at *context*."""
        return course_of(self.language, self.basis, self.terms, context)

    def budgets(self, course: Course, level: Level) -> tuple[int, ...]:
        """Return what each GPU has left for the model; nothing where it is not seen."""
        room, beside = self.room, self.beside
        host = room.host_bytes - at(beside.host + on_host(course, course.slots), level)
        own = [
            min(free, host) if shares else free
            for free, shares in zip(room.gpu_bytes, room.shares, strict=True)
        ]
        for gpu in self.gpus[:1]:
            own[gpu] -= at(beside.gpu, level)
        return tuple(max(0, each) if gpu in self.gpus else 0 for gpu, each in enumerate(own))

    def spread(self, course: Course, count: int, level: Level) -> Spread:
        """Return how *count* layers lie on GPUs."""
        parts = divide(course.slots, count, self.budgets(course, level))
        is_whole = count == course.slots
        gpus = tuple(on_gpu(course, *part, is_whole=is_whole) for part in parts)
        return Spread(count, parts, gpus, on_host(course, count))

    def holds(self, course: Course, count: int, level: Level) -> bool:
        """Return whether *count* layers on GPUs, and the rest on the host, fit by *level*."""
        lying = self.spread(course, count, level)
        budgets = self.budgets(course, level)
        fits = all(at(used, level) <= free for used, free in zip(lying.gpus, budgets, strict=True))
        taken = at(self.beside.host + lying.host, level)
        taken += sum(
            at(used, level)
            for used, shares in zip(lying.gpus, self.room.shares, strict=True)
            if shares
        )
        return fits and taken <= self.room.host_bytes

    def wanted(self, course: Course) -> int:
        """Return how many layers are to be on GPUs."""
        if not self.gpus:
            return 0
        asked = self.terms.gpu_layers
        return course.slots if asked == EVERY_LAYER else min(asked, course.slots)

    def most(self, course: Course, level: Level) -> int | None:
        """Return the most layers on GPUs that fit by *level*; None where none do."""
        counts = range(self.wanted(course), -1, -1)
        return next((count for count in counts if self.holds(course, count, level)), None)

    def chosen(self, course: Course) -> int:
        """Return how many layers go to GPUs: all if they usually fit, else what surely does."""
        wanted = self.wanted(course)
        if self.terms.gpu_layers != EVERY_LAYER or self.holds(course, wanted, "likely"):
            return wanted
        sure, likely = self.most(course, "high"), self.most(course, "likely")
        return next((each for each in (sure, likely) if each is not None), 0)

    def largest_context(self, count: int) -> int:
        """Return the longest context with *count* layers on GPUs; 0 where none fits."""
        longest = self.language.shape.trained_context or _LONGEST_CONTEXT
        few, many = 0, longest // _STEP
        while few < many:
            middle = (few + many + 1) // 2
            course = self.course(middle * _STEP)
            if self.holds(course, count, "high"):
                few = middle
            else:
                many = middle - 1
        return few * _STEP
