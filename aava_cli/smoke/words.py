"""Compare what was heard with what was said, word by word."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of *text* without case, punctuation and ways of writing one letter."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return tuple(_WORD.findall(folded))


def word_error_rate(said: str, heard: str) -> float:
    """Return how many words were wrong, missing or added, for each word of *said*."""
    expected, actual = words_of(said), words_of(heard)
    return _edits(expected, actual) / max(len(expected), 1)


def _edits(expected: Sequence[str], actual: Sequence[str]) -> int:
    """Return the fewest words to change, drop or add that turn *expected* into *actual*."""
    row = list(range(len(actual) + 1))
    for count, word in enumerate(expected, start=1):
        diagonal, row[0] = row[0], count
        for index, other in enumerate(actual, start=1):
            changed = diagonal + (word != other)
            diagonal = row[index]
            row[index] = min(changed, row[index] + 1, row[index - 1] + 1)
    return row[-1]
