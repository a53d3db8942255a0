"""The lines around places, as they follow each other in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.places import Place


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Neighbouring lines of one source; the first is number *line*.

    Those of records have *numbers* of their own, because they do not follow each other.
    """

    source: str
    line: int
    lines: tuple[bytes, ...]
    numbers: tuple[int, ...] = ()


def excerpts(places: Iterable[Place]) -> tuple[Excerpt, ...]:
    """Return the lines around *places*, those that overlap or touch as one."""
    found: dict[tuple[str, int], tuple[int, bytes]] = {}
    for place in places:
        for ordinal, number, text in place.numbered():
            found[place.source, ordinal] = (number, text)
    return tuple(_run(source, told) for source, told in _neighbours(sorted(found.items())))


def _neighbours(
    found: list[tuple[tuple[str, int], tuple[int, bytes]]],
) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    begin = 0
    for end in range(1, len(found) + 1):
        (source, ordinal), _ = found[end - 1]
        if end == len(found) or found[end][0] != (source, ordinal + 1):
            yield source, [told for _, told in found[begin:end]]
            begin = end


def _run(source: str, told: list[tuple[int, bytes]]) -> Excerpt:
    numbers = tuple(number for number, _ in told)
    follow = numbers == tuple(range(numbers[0], numbers[0] + len(numbers)))
    return Excerpt(source, numbers[0], tuple(text for _, text in told), () if follow else numbers)
