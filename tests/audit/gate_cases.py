"""Calls that together meet the gate, or miss it by one step."""

from __future__ import annotations

from tests.audit.cases import BOOK, BOOKED, BYPASS, CHECK, FOUND, GOODBYE, HANGUP, enabled, zone
from tests.audit.logs import (
    Lines,
    Names,
    ai_said,
    barge_in,
    ending,
    opening,
    printed,
    turn,
    window,
)


def _whole(names: Names, middle: Lines) -> tuple[bytes, ...]:
    return printed((*opening(names), *middle, *ending(names)))


def normal(number: int = 1, *, good: int = 3) -> tuple[bytes, ...]:
    """Return a call with a barge-in and so many good seconds in a row."""
    names = Names(number)
    windows = (window(13, 5120.4), *(window() for _ in range(good)))
    return _whole(names, (*turn(names, 1, windows), *barge_in(names, 1)))


def appointment(number: int = 2) -> tuple[bytes, ...]:
    """Return a call in which an appointment is made."""
    names = Names(number)
    middle = (enabled(), CHECK, FOUND, BOOK, zone("2025-12-15T10:00:00+02:00"), BOOKED)
    return _whole(names, (*turn(names, 1, (window(), window())), *middle))


def edge(number: int = 3) -> tuple[bytes, ...]:
    """Return a call with a fast answer and a goodbye."""
    names = Names(number)
    middle = (BYPASS, ai_said("להתראות"), GOODBYE, HANGUP)
    return _whole(names, (*turn(names, 1, (window(), window())), *middle))
