"""Patterns that people write into marker packs: those that could hang on a line are refused.

A pattern is tried on every line with its tag, and goes back over and over where it does not fit.
How often at most follows from its structure: no line has to be tried.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aava_cli.audit.structure import EVERY, LONG, Part, Reading

# What is looked at behind a tag, at most: see `finding.py`.
_SEEN_BYTES = 4096
# About a millisecond.
_MOST_STEPS = 1 << 16
# At each byte of a line, which may have a megabyte.
_MOST_STEPS_ANYWHERE = 1 << 6


def compiled(
    text: str, where: str, *, is_followed: bool = False, is_anywhere: bool = False
) -> re.Pattern[bytes]:
    """Return the pattern that *text* is; complaints say *where* it stands.

    It *is_followed* by fields that a line may lack, or it *is_anywhere* in a line.

    Raises:
        ValueError: it is none, refers to its own groups, sets flags, or may take long.
    """
    try:
        pattern = re.compile(text.encode())
        if pattern.flags:
            raise ValueError(f"`{text}` sets flags, which would hold for every marker")  # noqa: TRY301
        parts = Reading(text).parts()
    except (ValueError, re.error, RecursionError) as error:
        raise ValueError(f"{where}: {error}") from error
    if is_followed and _is_endless(parts):
        raise ValueError(f"{where}: `{text}` has repeats without an end, and fields behind them")
    ways, steps = _through(parts, EVERY if is_followed else frozenset(), is_followed=is_followed)
    steps += ways * _SEEN_BYTES * is_followed
    if steps > (_MOST_STEPS_ANYWHERE if is_anywhere else _MOST_STEPS):
        raise ValueError(f"{where}: `{text}` has too many repeats with something behind them")
    return pattern


def _is_endless(parts: tuple[Part, ...]) -> bool:
    return any(each.most > LONG or any(map(_is_endless, each.branches)) for each in parts)


def _span(parts: tuple[Part, ...]) -> frozenset[int]:
    """Return every byte that *parts* may take."""
    inside = (_span(branch) for each in parts for branch in each.branches)
    return frozenset().union(*(each.some for each in parts), *inside)


def _first(parts: tuple[Part, ...], behind: frozenset[int]) -> frozenset[int]:
    """Return with which bytes *parts* may begin, or what is *behind* them."""
    found: frozenset[int] = frozenset()
    for part in parts:
        if part.looks or not (part.some or part.branches):
            return EVERY
        is_optional = part.least == 0
        for branch in part.branches:
            found |= _first(branch, frozenset())
            is_optional |= all(each.least == 0 for each in branch)
        found |= part.some
        if not is_optional:
            return found
    return found | behind


def _through(
    parts: tuple[Part, ...], behind: frozenset[int], *, is_followed: bool
) -> tuple[int, int]:
    """Return how many ways lead through *parts*, and how many steps it takes to try all.

    What is *behind* them may fail if it *is_followed*; else nobody goes back behind their last
    part that can.
    """
    last = max((index for index, each in enumerate(parts) if each.can_fail), default=-1)
    ways, steps = 1, 0
    passed: list[frozenset[int]] = []
    for index, part in enumerate(parts):
        rest = _first(parts[index + 1 :], behind)
        is_decided = is_followed or index < last
        own, work = _through_one(part, rest, is_followed=is_decided)
        # Two beginnings of what takes no such byte as is in front of it do not overlap.
        span = _span((part,))
        apart = [each for each in passed if each.isdisjoint(span)]
        is_once = bool(apart) or not (is_decided or index == last)
        steps += work if is_once else ways * work
        if own > 1:
            passed = []
        elif part.is_repeated or part.branches:
            passed = apart
        elif part.some:
            passed.append(part.some)
        ways *= own
    return ways, steps + ways - 1


def _through_one(part: Part, rest: frozenset[int], *, is_followed: bool) -> tuple[int, int]:
    """Return the same of one *part*, with *rest* behind it."""
    # A byte that has to be there is one step of the repeat in front of it.
    ways, work = 1, int(part.is_repeated)
    if part.branches:
        inside = [
            _through(each, rest, is_followed=is_followed and not part.looks)
            for each in part.branches
        ]
        work = sum(steps for _, steps in inside)
        ways = 1 if part.looks else sum(ways for ways, _ in inside)
    least, most = min(part.least, _SEEN_BYTES), min(part.most, _SEEN_BYTES)
    if not is_followed:
        # The first way is taken.
        return 1, work * max(1, least)
    choices = most - least
    begin = _first((replace(part, least=1, most=1),), frozenset())
    # Where the rest cannot begin within it, all ways but one end at once.
    return (ways if begin.isdisjoint(rest) else ways + choices), work * most + choices
