"""Which log a file is a part of, and how old a part, by the names that rotation gives."""

from __future__ import annotations

import re
from posixpath import normpath
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Container

Age: TypeAlias = "tuple[int, tuple[int, ...], int]"
"""What sorts the oldest part of a log first: dates grow, numbers shrink, then comes none."""

NO_AGE: Age = (2, (), 0)
_PACKED = (".gz", ".zst", ".zstd")
_EXTENSION = r"(?P<extension>\.[A-Za-z]{1,8})"
# logrotate's numbers, which its `extension` puts in front of one.
_NUMBERED = re.compile(r"(?P<base>.+)\.(?P<number>\d{1,3})")
_NUMBERED_INSIDE = re.compile(rf"{_NUMBERED.pattern}{_EXTENSION}")
# logrotate's dates and Python's, with a time or the count of that day behind them; also without
# another name in front of them.
_DAY = r"(?:19|20)\d\d(?P<dash>[-_.]?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01])"
_DATED = re.compile(
    rf"(?P<base>.*?)(?:[._-]|(?<![^/]))(?P<day>{_DAY})"
    rf"(?P<behind>(?:\d\d){{0,3}}(?:[-_.:T]\d+)*)Z?{_EXTENSION}?"
)


class Part(NamedTuple):
    """One file of a log: the *group* is the name of the log itself."""

    group: str
    age: Age


def plain_name(name: str) -> str:
    """Return *name* as other names of the same file have it, without what says it is packed."""
    name = normpath(name)
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name


def part_of(name: str, named: Container[str]) -> Part:
    """Return which part of a log *name* is; *named* are the plain names that are read with it.

    `web.1.log` may also be the log of a process called `web.1`: it is a part only beside
    `web.log`.
    """
    name = plain_name(name)
    inside = _NUMBERED_INSIDE.fullmatch(name)
    if inside is not None and (whole := inside["base"] + inside["extension"]) in named:
        return Part(whole, (1, (), -int(inside["number"])))
    if (dated := _dated(name, 0)) is not None:
        return dated
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        return Part(name, NO_AGE)
    number = int(numbered["number"])
    return _dated(numbered["base"], number) or Part(numbered["base"], (1, (), -number))


def _dated(name: str, number: int) -> Part | None:
    """Return which part a log with a date is, or the one with *number* of that log."""
    found = _DATED.fullmatch(name)
    if found is None:
        return None
    day = int(re.sub(r"\D", "", found["day"]))
    behind = map(int, re.findall(r"\d+", found["behind"]))
    return Part(found["base"] + (found["extension"] or ""), (0, (day, *behind), -number))
