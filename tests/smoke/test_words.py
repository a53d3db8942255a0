"""Comparing what was heard with what was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.smoke.words import word_error_rate, words_of

WORDS = st.lists(st.sampled_from(["one", "two", "three", "don't"]), max_size=6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Hello,   WORLD! ", ("hello", "world")),
        ("don\u2019t 'quote' it", ("don't", "quote", "it")),
        ("Stra\u00dfe \ufb01ve_six", ("strasse", "five", "six")),
        ("... ?!", ()),
    ],
)
def test_words_have_no_case_and_no_punctuation(text: str, words: tuple[str, ...]) -> None:
    """Two people would write the same speech down differently."""
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Hello there, world.", "hello there world", 0.0),
        ("one two three four", "one three four", 0.25),
        ("one two three four", "one two too three for", 0.5),
        ("one two", "", 1.0),
        ("one", "two three four", 3.0),
        ("", "one", 1.0),
        ("", "", 0.0),
    ],
)
def test_rate_counts_wrong_missing_and_added_words(said: str, heard: str, rate: float) -> None:
    """A transcript may be worse than an empty one."""
    assert word_error_rate(said, heard) == rate


@given(WORDS, WORDS)
def test_rate_is_within_its_bounds(said: list[str], heard: list[str]) -> None:
    """At least the difference in length, at most every word of the longer one."""
    edits = word_error_rate(" ".join(said), " ".join(heard)) * max(len(said), 1)
    assert abs(len(said) - len(heard)) <= round(edits) <= max(len(said), len(heard))


@given(WORDS)
def test_what_was_said_is_heard_without_errors(said: list[str]) -> None:
    """Nothing is wrong in the same words."""
    assert word_error_rate(" ".join(said), " ".join(said).upper() + ".") == 0
