"""What was said, made comparable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PUNCTUATION = " .,!?…'\""
_CLAUSES = re.compile(r"[.,!?;:…\n]+")
_WORDS = re.compile(r"[\w']+")
# A negation says no to what follows it closely.
_NEAR_WORDS = 3


def bare(text: str) -> str:
    """Return *text* without what the log cut it with, its punctuation and its capitals."""
    return text.removesuffix("...").strip(_PUNCTUATION).lower()


def says(text: str, phrases: Collection[str], negations: Collection[str]) -> bool:
    """Return whether *text* has one of *phrases* with no negation close before it."""
    for clause in _CLAUSES.split(text.lower().replace("\u2019", "'")):
        for phrase in phrases:
            head, found, _ = clause.partition(phrase)
            near = _WORDS.findall(head)[-_NEAR_WORDS:]
            if found and not any(word in negations or word.endswith("n't") for word in near):
                return True
    return False
