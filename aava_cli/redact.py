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
# What a name may end in without anything before it: `PGPASSWORD`; a bypass is a way around.
TELLING_ENDS = (
    r"(?i:passwords?|passwd|(?<!com)(?<!by)pass|passphrase|passcode|secrets?|token"
    r"|(?:api|private|secret|access)key)"
)
_SECRET = re.compile(
    rf"(?:(?:^|{BETWEEN_WORDS}){TELLING_WORDS}|{TELLING_ENDS})(?:$|{BETWEEN_WORDS})"
)
# Of a password that has a `/` in it, all goes; digits before a `/` are a port.
LOGIN = r"(?:[^/\s@\"'<>]+|[^/\s:@\"'<>]{1,200}:(?!\d+/)[^\s@\"'<>]{0,200})"
_IN_URL = re.compile(rf"(?<=://){LOGIN}(?=@)")
# How Compose and shells refer to a variable; one alone in braces is no secret, its default may be.
_VARIABLE = re.compile(r"\$\{?(\w+)")
_REFERENCE = re.compile(r"\$\{[A-Z_][A-Z0-9_]*(?::?-(?P<default>[^}]*)|:?[?+][^}]*)?\}")
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
    yield from pieces_of(value)
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= LEAST_LETTERS_OF_A_LINE)


def pieces_of(value: str) -> Iterator[str]:
    """Yield what of the secret *value* is seen alone where a `$` in it is taken for a variable.

    Compose says `The "rest" variable is not set` of a password `begin$rest`.
    """
    if "$" not in value:
        return
    reference = _REFERENCE.fullmatch(value)
    if reference is not None:
        pieces = (reference["default"] or "",)
    else:
        pieces = (*_VARIABLE.findall(value), *re.split(r"[${}]+", value))
    yield from (each for each in pieces if len(each) >= LEAST_LETTERS)


def shown_proxy(address: str) -> str:
    """Return the *address* of a proxy, with or without a scheme, as it may be shown."""
    login, at, host = address.rpartition("@")
    scheme, separator, _rest = login.partition("://")
    return f"{scheme if separator else ''}{separator}{HIDDEN}{at}{host}" if at else address


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return *text* of another program without any of *secrets* in it."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _IN_URL.sub(HIDDEN, text)
