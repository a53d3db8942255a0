"""Where things are in YAML text, and how a string is written there."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

BREAKS = "\r\n\x85\u2028\u2029"
BREAK = re.compile(f"\r\n|[{BREAKS}]")

# Other readers take more words for numbers and truths, so what stays plain starts like a word.
_PLAIN = re.compile(r"[A-Za-z_/](?:[\w./@+%=~-]|:(?=[\w./@])| (?=[A-Za-z_/]))*", re.ASCII)
_TRUTHS_ELSEWHERE = frozenset("yYnN")
_PRINTABLE = re.compile(
    "[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)


def loader() -> type[yaml.SafeLoader]:
    """Return the C parser, which is eight times faster, or the Python one where it is absent."""
    import yaml

    fast: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return fast


def scalar(value: str) -> str:
    """Return *value* as YAML that reads back as that string: plain, else in quotes."""
    import yaml

    plain = _PLAIN.fullmatch(value) and value not in _TRUTHS_ELSEWHERE
    if plain and yaml.safe_load(value) == value:
        return value
    if _PRINTABLE.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    dumped = yaml.dump(
        value, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=float("inf")
    )
    return dumped.removesuffix("\n")


def spelled(value: object) -> str:
    """Return a number, a truth, a date or null as YAML."""
    import yaml

    return yaml.safe_dump(value).splitlines()[0]


def last_token(text: str, limit: int) -> yaml.Token:
    """Return the last token with any text that ends at or before *limit*: never a comment."""
    import yaml

    tokens = yaml.scan(text, Loader=loader())
    near = takewhile(lambda token: token.end_mark.index <= limit, tokens)
    return [each for each in near if each.start_mark.index < each.end_mark.index][-1]


def content_end(text: str, token: yaml.Token) -> int:
    """Return where a token ends, without the empty lines behind a block scalar."""
    start: int = token.start_mark.index
    end: int = token.end_mark.index
    if text[start] in "|>" and "+" not in text[start : start + 3]:
        return start + len(text[start:end].rstrip(" \t" + BREAKS))
    return end


def line_start(text: str, position: int) -> int:
    """Return where the line that holds *position* begins."""
    return 1 + max(text.rfind(each, 0, position) for each in BREAKS)


def next_line(text: str, position: int) -> int:
    """Return the first line start at or behind *position*, or the end of the text."""
    if position and text[position - 1] in BREAKS:
        return position
    found = BREAK.search(text, position)
    return found.end() if found else len(text)


def newline_of(text: str) -> str:
    """Return the line end that the text uses first."""
    found = BREAK.search(text)
    return found[0] if found else "\n"


def indent(text: str, mapping: yaml.MappingNode) -> str:
    """Return the spaces before the first key of a mapping."""
    start = mapping.value[0][0].start_mark.index
    line = text[line_start(text, start) : start]
    return line[: len(line) - len(line.lstrip(" "))]
