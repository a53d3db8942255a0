"""Where in a TOML text each value stands, so that one can be changed and the rest stay.

The text must be TOML: whoever edits checks that with a parser, before and after.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Path: TypeAlias = "tuple[str | int, ...]"

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*[^,\]}#\s]")
_STRINGS = (
    re.compile(r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})'),
    re.compile(r"'''[\s\S]*?'''(?:'{0,2})"),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The value at *path* is `text[start:end]`; a table with a header is where that ends."""

    path: Path
    start: int
    end: int
    is_header: bool = False


def entries(text: str) -> Iterator[Entry]:
    """Yield every value of *text*, also those in arrays and inline tables, and every header."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._last: dict[Path, int] = {}

    def document(self) -> Iterator[Entry]:
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
                yield Entry(table, self._at, self._at, is_header=True)
            else:
                yield from self._pair(table)

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path: Path = ()
        keys = self._keys()
        for key in keys[:-1]:
            path += (key,)
            # Below an array of tables a header means the array's last one.
            path += (self._last[path],) if path in self._last else ()
        path += keys[-1:]
        if is_array:
            self._last[path] = self._last.get(path, -1) + 1
            path += (self._last[path],)
        self._at += 2 if is_array else 1
        return path

    def _pair(self, table: Path) -> Iterator[Entry]:
        path = table + self._keys()
        self._at += 1
        self._skip(_SPACE)
        yield from self._value(path)

    def _keys(self) -> tuple[str, ...]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return tuple(keys)
            self._at += 1

    def _key(self) -> str:
        import tomllib

        start = self._at
        if self._text[start] not in "\"'":
            self._skip(_BARE_KEY)
            return self._text[start : self._at]
        self._skip_string()
        (key,) = tomllib.loads(f"{self._text[start : self._at]} = 0")
        return key

    def _value(self, path: Path) -> Iterator[Entry]:
        start = self._at
        match self._text[start]:
            case "[":
                yield from self._array(path)
            case "{":
                yield from self._inline_table(path)
            case '"' | "'":
                self._skip_string()
            case _:
                self._skip(_BARE_VALUE)
        yield Entry(path, start, self._at)

    def _array(self, path: Path) -> Iterator[Entry]:
        self._at += 1
        index = 0
        while self._text[self._skip(_BLANK)] != "]":
            yield from self._value((*path, index))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: Path) -> Iterator[Entry]:
        self._at += 1
        while self._text[self._skip(_BLANK)] != "}":
            yield from self._pair(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        if self._text[self._skip(_BLANK)] == ",":
            self._at += 1

    def _skip_string(self) -> None:
        matches = (pattern.match(self._text, self._at) for pattern in _STRINGS)
        self._at = next(found.end() for found in matches if found)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at
