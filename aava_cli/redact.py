"""Keep secrets out of what is shown and stored; `redactor.py` does it for texts of others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "***"
# Shorter ones are in every text by chance.
LEAST_LETTERS = 4
LEAST_LETTERS_OF_A_LINE = 8
_ADDRESSES = ("http://", "https://")
# `tokens` are what language models count; a shell's own `PWD` is where it is.
TELLING_WORDS = (
    r"(?i:apikey|auth|credentials?|keys?|pass(?:wd|words?|phrase)?|pat|secrets?"
    r"|(?<=[_.-])pwd|(?:access|auth|bearer|refresh)?token)"
)
# Between two words of a name: `api_key`, `apiKey`.
BETWEEN_WORDS = r"(?:[_.-]|(?<=[a-z])(?=[A-Z]))"
_SECRET = re.compile(rf"(?:^|{BETWEEN_WORDS}){TELLING_WORDS}(?:$|{BETWEEN_WORDS})")
_IN_URL = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


def is_secret(name: str) -> bool:
    """Return whether what is called *name* is likely to be nobody else's business."""
    return _SECRET.search(name) is not None


def shown(name: str, value: str) -> str:
    """Return *value* of *name* as it may be shown."""
    return HIDDEN if value and is_secret(name) else _IN_URL.sub(HIDDEN, value)


def shown_word(word: str) -> str:
    """Return one *word* of a command line as it may be shown: `tts.api_key=***`."""
    if word.startswith(_ADDRESSES):
        return shown_source(word)
    name, equals, value = word.partition("=")
    return (
        f"{name}{equals}{shown(name, shown_source(value))}" if equals else _IN_URL.sub(HIDDEN, word)
    )


def shown_source(source: str) -> str:
    """Return a model's *source* as it may be shown: an address without credentials and query."""
    if not source.startswith(_ADDRESSES):
        return source
    return _CREDENTIALS.sub("", re.split(r"[?#]", source, maxsplit=1)[0])


def secrets_in(*places: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values in *places* that no text may show, the longest first."""
    found = {
        form
        for place in places
        for name, value in place.items()
        if is_secret(name)
        for form in _forms(value)
    }
    return tuple(sorted(found, key=len)[::-1])


def _forms(value: str) -> Iterator[str]:
    """Yield how the secret *value* may stand in a text: whole, as Compose has it, by lines."""
    if len(value) >= LEAST_LETTERS:
        yield from (value, value.replace("$$", "$"), value.replace("$", "$$"))
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= LEAST_LETTERS_OF_A_LINE)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return *text* of another program without any of *secrets* in it."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _IN_URL.sub(HIDDEN, text)
