"""What was said, made comparable."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PUNCTUATION = " .,!?…'\""
# A clause with the signs that end it.
_CLAUSES = re.compile(r"[^.,!?;:…\n]+[.!?…]*")
_WORDS = re.compile(r"[\w']+")
# A print that follows on the same line begins with a tag or with words that no voice says, behind
# an emoji or what a logger puts in front of it. Read in another code page, an emoji is a few
# letters.
_NEXT_PRINT = re.compile(
    r"""
    \s?(?:[^\w\s.,!?\u2026'"]{1,4}\s?|(?<=[.!?\u2026])\S{1,8}\s)?
    (?:\d{4}-\d\d-\d\d[ T][\d:.,]+\s|[A-Z]{4,8}:[\w.]+:\S{0,4}\s?)?
    (?:\[[A-Z][A-Z0-9\ _.+=-]+\]|[A-Z]+_[A-Z]+\ \w+=)
    """,
    re.VERBOSE,
)
# A negation says no to what follows it closely.
_NEAR_WORDS = 3


def bare(text: str) -> str:
    """Return *text* without what the log cut it with, its punctuation and its capitals."""
    return text.removesuffix("...").strip(PUNCTUATION).lower()


def spoken(text: str) -> str:
    """Return *text* without the print that follows on the same line, if one does."""
    found = _NEXT_PRINT.search(text) if "[" in text or "=" in text else None
    return text if found is None else text[: found.start()]


class Claims:
    """Tells what is claimed from what is denied, asked, or only may be."""

    __slots__ = ("_conditions", "_idioms", "_negations", "_phrases", "_tags")

    def __init__(self, words: Mapping[str, Collection[str]]) -> None:
        self._phrases = words.get("claims", ())
        self._negations = words.get("negations", ())
        self._conditions = words.get("conditions", ())
        self._tags = words.get("question_tags", ())
        self._idioms = _any_of(frozenset(words.get("idioms", ())))

    def are_in(self, text: str) -> bool:
        """Return whether *text* claims it in one of its clauses."""
        said = text.lower().replace("\u2019", "'")
        # Hardly anything that is said has one.
        for phrase in self._phrases:
            if phrase in said and any(
                self._is_claim(clause, phrase)
                for clause in _CLAUSES.findall(said)
                if phrase in clause
            ):
                return True
        return False

    def _is_claim(self, clause: str, phrase: str) -> bool:
        before, _, behind = clause.partition(phrase)
        if "?" in clause and not any(
            behind.rstrip(PUNCTUATION).endswith(f" {tag}") for tag in self._tags
        ):
            return False
        words = _WORDS.findall(self._idioms.sub(" ", before))
        return not (_is_denied(words, self._negations) or any(w in self._conditions for w in words))


# Each call has the same ones.
@lru_cache
def _any_of(phrases: frozenset[str]) -> re.Pattern[str]:
    """Return what finds any of *phrases* as whole words, the longest that fits."""
    longest_first = sorted(phrases, key=len, reverse=True)
    words = ("\\s+".join(map(re.escape, each.split())) for each in longest_first)
    return re.compile(rf"\b(?:{'|'.join(words)})\b" if phrases else "(?!)")


def _is_denied(words: Sequence[str], negations: Collection[str]) -> bool:
    return any(word in negations or word.endswith("n't") for word in words[-_NEAR_WORDS:])
