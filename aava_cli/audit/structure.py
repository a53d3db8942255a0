"""What a pattern is made of: bytes, groups, and how often each may come."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

_QUANTIFIER = re.compile(r"(?:([*+?])|\{(?=\d*,?\d*\})(\d*)(,?)(\d*)\})[?+]?")
_GROUP = re.compile(r"\((?:\?(?:P<\w+>|[:>]|(?P<look><?[=!])|(?P<flags>[a-zA-Z-]+):))?")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_ATOM = re.compile(r"\\x..|\\0[0-7]{0,2}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")
LONG = 255
_ENDLESS = 1 << 16
EVERY = frozenset(range(256))


@dataclass(frozen=True, slots=True)
class Part:
    """One byte of *some*, or a group of *branches*, and how often it may come.

    What has neither is a place between two bytes; a group *looks* if it takes no byte.
    """

    some: frozenset[int] = frozenset()
    branches: tuple[tuple[Part, ...], ...] = ()
    looks: bool = False
    least: int = 1
    most: int = 1

    @property
    def is_repeated(self) -> bool:
        """Whether it may be missing, or come more than once."""
        return (self.least, self.most) != (1, 1)

    @property
    def is_ambiguous(self) -> bool:
        """Whether there may be more than one way through it."""
        inside = (each.is_repeated or each.is_ambiguous for some in self.branches for each in some)
        return len(self.branches) > 1 or any(inside)

    @property
    def can_fail(self) -> bool:
        """Whether something has to be there for it."""
        inside = (any(each.can_fail for each in some) for some in self.branches)
        return self.least > 0 and (self.looks or not self.branches or all(inside))


class Reading:
    """Reads a pattern that compiles, byte by byte."""

    def __init__(self, text: str) -> None:
        self._shown = text
        self._text = text.encode().decode("latin-1")
        self._at = 0
        self._is_flagged = False

    def parts(self) -> tuple[Part, ...]:
        """Return what it is made of.

        Raises:
            ValueError: it may take too long, whatever else is in it, or cannot be judged.
        """
        return (Part(branches=self._branches()),)

    def _branches(self) -> tuple[tuple[Part, ...], ...]:
        branches: list[tuple[Part, ...]] = []
        parts: list[Part] = []
        while self._text[self._at : self._at + 1] not in ("", ")"):
            if self._taken(_COMMENT):
                continue
            if self._text[self._at] == "|":
                self._at += 1
                branches.append(tuple(parts))
                parts = []
                continue
            part = self._repeated(self._part())
            if parts and min(part.most, parts[-1].most) > LONG:
                raise ValueError(f"`{self._shown}` has two repeats without an end side by side")
            parts += _spread(part)
        return (*branches, tuple(parts))

    def _taken(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _part(self) -> Part:
        if _REFERENCE.match(self._text, self._at):
            raise ValueError(f"`{self._shown}` refers to one of its groups, which a marker cannot")
        if (group := self._taken(_GROUP)) is None:
            atom = self._taken(_ATOM)
            some = _bytes_of(atom[0]) if atom else EVERY
            # With flags it may mean others as well.
            return Part(EVERY if some and self._is_flagged else some)
        if "x" in (group["flags"] or ""):
            raise ValueError(f"`{self._shown}` sets flags that change how it is read")
        before, self._is_flagged = self._is_flagged, self._is_flagged or bool(group["flags"])
        branches = self._branches()
        self._is_flagged = before
        self._at += 1
        return Part(branches=branches, looks=group["look"] is not None)

    def _repeated(self, part: Part) -> Part:
        while self._taken(_COMMENT):
            pass
        if (found := self._taken(_QUANTIFIER)) is None:
            return part
        least, most = _bounds(found)
        if most > 1 and part.is_ambiguous:
            raise ValueError(f"`{self._shown}` repeats what has repeats or alternatives in it")
        return replace(part, least=least, most=most)


def _bounds(found: re.Match[str]) -> tuple[int, int]:
    """Return how often a quantifier repeats."""
    sign, least, comma, most = found.groups()
    if sign:
        return int(sign == "+"), 1 if sign == "?" else _ENDLESS
    return int(least or 0), int(most or _ENDLESS) if comma else int(least)


def _spread(part: Part) -> tuple[Part, ...]:
    """Return what a group consists of, where that is all that it says."""
    is_plain = len(part.branches) == 1 and not part.looks and not part.is_repeated
    return part.branches[0] if is_plain else (part,)


@lru_cache
def _bytes_of(atom: str) -> frozenset[int]:
    pattern = re.compile(atom.encode("latin-1"), re.DOTALL if atom == "." else 0)
    return frozenset(code for code in range(256) if pattern.fullmatch(bytes((code,))))
