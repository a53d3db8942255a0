"""What a value is, whatever its key says: a figure, the name of something, or prose."""

from __future__ import annotations

import re

_BEHIND = r"(?=[\s,;|)\]}]|$)"
_NOBODY = re.compile(
    r"(?:''|\"\"|(?P<mark>['\"]?)(?:True|False|true|false|None|null|\[\]|\{\}|\d+(?:\.\d+)?(?:ms|s|%)"
    r"|(?:CA|MZ)[0-9a-f]{6,32}|SES-\w{8}|(?:resp|item|event)_\w+(?:\.{3})?"
    rf"|\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d+)?)(?P=mark)){_BEHIND}"
)
_FIGURE = re.compile(rf"(?P<mark>['\"]?)-?\d{{1,4}}(?:\.\d+)?(?P=mark){_BEHIND}")
_HOUSE = re.compile(r"['\"]?\d{1,4}[A-Za-z]?,?\s+[A-Z][a-z]")
_LETTERS = re.compile(r"\w")
_MANY_WORDS = re.compile(r"\S\s+\S")
_MOMENT = re.compile(r"[\d\s:.,TZ+/-]+[A-Za-z%]{0,5}")
# A code, or what the libraries of the pipeline say: its connections, its sockets, the GPU.
_OF_PROGRAM = re.compile(
    r"['\"]?[a-z]+(?:_[a-z]+)+['\"]?\s*$"
    r"|\s*$|\[Errno \d+\]|CUDA |CUBLAS|cuDNN|Unexpected ASGI message |Cannot call \"\w+\""
)


def end_of_nobody(text: str, begin: int, *, is_figure_too: bool) -> int | None:
    """Return where the figure, or the name of a thing, that begins at *begin* ends, if one does.

    With *is_figure_too* short figures that measure nothing count as well.
    """
    found = _NOBODY.match(text, begin)
    if found is None and is_figure_too:
        found = _FIGURE.match(text, begin)
    return None if found is None else found.end()


def is_of_house(text: str, begin: int) -> bool:
    """Return whether the figure at *begin* has a name behind it: `12 Main St`."""
    return _HOUSE.match(text, begin) is not None


def has_letters(text: str) -> bool:
    """Return whether anything in *text* can be read."""
    return _LETTERS.search(text) is not None


def is_prose(text: str) -> bool:
    """Return whether *text* is more than one word, and no moment or measure."""
    return _MANY_WORDS.search(text) is not None and _MOMENT.fullmatch(text) is None


def is_of_program(text: str, begin: int) -> bool:
    """Return whether all behind *begin* is a program's own word for why something failed."""
    return _OF_PROGRAM.match(text, begin) is not None
