"""Patterns that people write into marker packs: those that could hang on a line are refused.

A pattern is tried on every line with its tag, so that one that goes back over and over would
never end. Its structure tells; no line has to be tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Repeats without an end, each of which may multiply the time by the length of a line if something
# behind it is not found.
_MOST_LONG = 2
_LONG = 255
_ENDLESS = 1 << 16
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(?=\d*,?\d*\})(\d*)(,?)(\d*)\})[?+]?")
_GROUP = re.compile(r"\((?:\?(?:P<\w+>|[:=!>]|<[=!]|[a-zA-Z-]+:|#[^)]*))?")
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")


def compiled(text: str, *, is_followed: bool = False) -> re.Pattern[bytes]:
    """Return the pattern that *text* is; it *is_followed* by fields that a line may lack.

    Raises:
        ValueError: it refers to its own groups, sets flags, or may take without end.
        re.error: it is none.
    """
    pattern = re.compile(text.encode())
    if pattern.flags:
        raise ValueError(f"`{text}` sets flags, which would hold for every marker")
    scan = _Scan(text)
    scan.run()
    if is_followed and scan.repeats:
        raise ValueError(f"`{text}` has repeats without an end, and fields behind them")
    if scan.most_long() > _MOST_LONG:
        raise ValueError(f"`{text}` has too many repeats without an end")
    return pattern


@dataclass(slots=True)
class _Part:
    """A group, or the whole pattern, as far as it was read.

    It is ambiguous where there is more than one way through it. *group* is the one that ended
    just now, and *is_long* says that a repeat without an end did.
    """

    start: int = 0
    is_ambiguous: bool = False
    group: _Part | None = None
    is_long: bool = False
    is_behind_long: bool = False


class _Scan:
    """Goes once over a pattern that compiles."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open = [_Part()]
        # Where repeats without an end end, and where a group begins that may be missing at last.
        self.repeats: list[int] = []
        self._tail = len(text)

    def run(self) -> None:
        """Raise ValueError where the pattern may take too long."""
        position = 0
        while position < len(self._text):
            position = self._step(position)

    def _step(self, position: int) -> int:
        """Read what is at *position*, and return where it ends."""
        text, part = self._text, self._open[-1]
        if _REFERENCE.match(text, position):
            raise ValueError(f"`{text}` refers to one of its groups, which a marker cannot")
        if (found := _QUANTIFIER.match(text, position)) is not None:
            self._repeat(part, found)
            return found.end()
        if (found := _GROUP.match(text, position)) is not None:
            self._open.append(_Part(position))
            return found.end()
        group = self._open.pop() if text[position] == ")" else None
        part = self._open[-1]
        part.is_ambiguous |= text[position] == "|" or (group is not None and group.is_ambiguous)
        part.group, part.is_behind_long, part.is_long = group, part.is_long, False
        atom = _ATOM.match(text, position)
        return atom.end() if atom else position + 1

    def _repeat(self, part: _Part, found: re.Match[str]) -> None:
        most, end, position = _most(found), found.end(), found.start()
        if most > 1 and part.group is not None and part.group.is_ambiguous:
            raise ValueError(f"`{self._text}` repeats what has repeats or alternatives in it")
        part.is_ambiguous = True
        part.is_long = most > _LONG
        if part.is_long:
            self.repeats.append(end)
        if part.is_long and part.is_behind_long:
            raise ValueError(f"`{self._text}` has two repeats without an end side by side")
        if part.group is not None and self._text[position:] in {"?", "??"}:
            self._tail = part.group.start

    def most_long(self) -> int:
        """Return how many repeats are gone through again and again if the rest is not found.

        Nothing has to be found behind the last one, and a group at the end may be missing.
        """
        counted = [each for each in self.repeats if set(self._text[each:]) - {*")?"}]
        before = sum(each <= self._tail for each in counted)
        return max(before, len(counted) - before)


def _most(found: re.Match[str]) -> int:
    """Return how often a quantifier repeats at most."""
    sign, least, comma, most = found.groups()
    if sign:
        return 1 if sign == "?" else _ENDLESS
    if not comma:
        return int(least)
    return int(most) if most else _ENDLESS
