"""What was said, made comparable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PUNCTUATION = " .,!?…'\""
_CLAUSES = re.compile(r"[.,!?;:…\n]+")
_WORDS = re.compile(r"[\w']+")
# A print that follows on the same line begins with a tag, behind an emoji or what a logger puts
# in front of it. Read in another code page, an emoji is a few letters.
_NEXT_PRINT = re.compile(
    r"""
    \s?(?:[^\w\s.,!?\u2026'"]{1,4}\s?|(?<=[.!?\u2026])\S{1,8}\s)?
    (?:\d{4}-\d\d-\d\d[ T][\d:.,]+\s|[A-Z]{4,8}:[\w.]+:\S{0,4}\s?)?
    \[[A-Z][A-Z0-9\ _.+-]+\]
    """,
    re.VERBOSE,
)
# A negation says no to what follows it closely.
_NEAR_WORDS = 3


def bare(text: str) -> str:
    """Return *text* without what the log cut it with, its punctuation and its capitals."""
    return text.removesuffix("...").strip(_PUNCTUATION).lower()


def spoken(text: str) -> str:
    """Return *text* without the print that follows on the same line, if one does."""
    found = _NEXT_PRINT.search(text) if "[" in text else None
    return text if found is None else text[: found.start()]


def says(text: str, phrases: Collection[str], negations: Collection[str]) -> bool:
    """Return whether *text* has one of *phrases* with no negation close before it."""
    said = text.lower().replace("\u2019", "'")
    # Hardly anything that is said has one.
    for phrase in phrases:
        if phrase in said and any(
            not _is_denied(clause.partition(phrase)[0], negations)
            for clause in _CLAUSES.split(said)
            if phrase in clause
        ):
            return True
    return False


def _is_denied(before: str, negations: Collection[str]) -> bool:
    near = _WORDS.findall(before)[-_NEAR_WORDS:]
    return any(word in negations or word.endswith("n't") for word in near)
