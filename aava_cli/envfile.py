"""Read and edit the text of a `.env` file; every byte that a change does not need stays."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING

from aava_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEADER = "# added by aava"

_BOM = "\ufeff"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANK_LINES = re.compile(r"\s*[\r\n]")
_HEAD = re.compile(r"([^\S\r\n]*(?:export[^\S\r\n]+)?).*", re.DOTALL)
_COMMENT_AFTER_QUOTES = re.compile(
    r"""[^=]+=[^\S\r\n]*(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")[^\S\r\n]*(\#[^\r\n]*)?""",
    re.DOTALL,
)
_COMMENT_AFTER_SPACE = re.compile(r"[^\r\n]*?[^\S\r\n](\#[^\r\n]*)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# python-dotenv expands this inside single quotes too.
_SUBSTITUTION = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A piece of the text: one binding with its line end, or what lies between bindings."""

    source: str
    key: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A binding that a later one of the same *key* makes void; *line* counts from 1."""

    key: str
    line: int
    value: str | None


def read(text: str, *, name: str = ".env") -> dict[str, str]:
    """Return what the program will see: the last duplicate, nothing expanded, no bare `KEY`.

    Raises:
        ConfigError: a line is not a binding.

    """
    return _values(_chunks(text.lstrip(_BOM), name))


def line_of(text: str, key: str) -> int | None:
    """Return the line (from 1) of the binding that decides the value of *key*, if there is one.

    Raises:
        ConfigError: a line is not a binding.

    """
    chunks = _chunks(text.lstrip(_BOM), ".env")
    places = [index for index, each in enumerate(chunks) if each.key == key]
    if not places:
        return None
    return _line_at(chunks, places[-1])


def duplicates(text: str, keys: Iterable[str], *, name: str = ".env") -> tuple[Duplicate, ...]:
    """Return the bindings of *keys* that mean nothing, because a later one has the same key.

    Raises:
        ConfigError: a line is not a binding.

    """
    chunks = _chunks(text.lstrip(_BOM), name)
    last = {each.key: place for place, each in enumerate(chunks)}
    wanted = set(keys)
    return tuple(
        Duplicate(each.key, _line_at(chunks, place), each.value)
        for place, each in enumerate(chunks)
        if each.key in wanted and each.key is not None and place < last[each.key]
    )


def edit(
    text: str, changes: Mapping[str, str | None], *, name: str = ".env", tidy: bool = False
) -> str:
    """Set or remove (`None`) keys and leave every other byte as it is.

    A value is written so that Docker Compose, python-dotenv and `sh` read the same; where
    it already reads as wanted, nothing is touched. With *tidy* the earlier duplicates of the
    keys go as well. The comment of a line that goes stays.

    Raises:
        ConfigError: a line is not a binding, or the result would not read as meant.
        UsageError: a key is not a name, or the three readers cannot agree on a value.

    """
    body = text.lstrip(_BOM)
    before = _chunks(body, name)
    newline = next(iter(_LINE_END.findall(body)), "\n")
    after = list(before)
    for key, value in changes.items():
        after = _changed(after, key, value, newline)
        if tidy:
            after = _tidied(after, key)
    after = _without_idle_header(before, after, newline)
    edited = "".join(each.source for each in after)
    _verify(before, _chunks(edited, name), changes, name)
    return text[: len(text) - len(body)] + edited


# One command looks at the same two or three texts again and again.
@lru_cache(maxsize=8)
def _chunks(body: str, name: str) -> tuple[_Chunk, ...]:
    from dotenv.parser import parse_stream

    found: list[_Chunk] = []
    offset = 0
    for binding in parse_stream(StringIO(body)):
        source = binding.original.string
        blank = _BLANK_LINES.match(source)
        lead = blank.end() if blank else 0
        if binding.error:
            line = 1 + len(_LINE_END.findall(body, 0, offset + lead))
            raise ConfigError.at(name, line, "expected `KEY=value`")
        found += [_Chunk(source[:lead]), _Chunk(source[lead:], binding.key, binding.value)]
        offset += len(source)
    return tuple(each for each in found if each.source)


def _line_at(chunks: Sequence[_Chunk], place: int) -> int:
    before = "".join(each.source for each in chunks[:place])
    return 1 + len(_LINE_END.findall(before))


def _values(chunks: Sequence[_Chunk]) -> dict[str, str]:
    last = {each.key: each.value for each in chunks}
    return {key: value for key, value in last.items() if key is not None and value is not None}


def _changed(chunks: list[_Chunk], key: str, value: str | None, newline: str) -> list[_Chunk]:
    if not _KEY.fullmatch(key):
        raise UsageError(f"`{key}` is not the name of a variable", hint="use letters, digits, `_`")
    if _values(chunks).get(key) == value:
        return chunks
    if value is None:
        return _without(chunks, {place for place, each in enumerate(chunks) if each.key == key})
    binding = f"{key}={_spelled(key, value)}"
    places = [index for index, each in enumerate(chunks) if each.key == key]
    if not places:
        return _inserted(chunks, _Chunk(binding + newline, key, value), newline)
    source = _rewritten(chunks[places[-1]].source, binding, newline)
    chunks = list(chunks)
    chunks[places[-1]] = _Chunk(source, key, value)
    return chunks


def _tidied(chunks: list[_Chunk], key: str) -> list[_Chunk]:
    places = [place for place, each in enumerate(chunks) if each.key == key]
    return _without(chunks, set(places[:-1]))


def _without(chunks: Sequence[_Chunk], places: set[int]) -> list[_Chunk]:
    """Return *chunks* without the bindings at *places*; their comments stay."""
    left = (
        _Chunk(_comment_line(each.source, "")) if place in places else each
        for place, each in enumerate(chunks)
    )
    return [each for each in left if each.source]


def _without_idle_header(
    before: Sequence[_Chunk], after: list[_Chunk], newline: str
) -> list[_Chunk]:
    """Return *after* without our header, where its last key has gone and nothing follows."""
    if not _ends_in_header(after) or _ends_in_header(before):
        return after
    above = after[:-1]
    if above and not above[-1].source.strip():
        above[-1] = _Chunk(above[-1].source.removesuffix(newline))
    return [each for each in above if each.source]


def _ends_in_header(chunks: Sequence[_Chunk]) -> bool:
    return bool(chunks) and chunks[-1].source.strip() == HEADER


def _rewritten(source: str, binding: str, newline: str) -> str:
    head = _HEAD.sub(r"\1", source)
    line_end = source[len(source.rstrip("\r\n")) :]
    # Other readers take a comment behind a value for part of the value.
    return _comment_line(source, newline) + head + binding + line_end


def _comment_line(source: str, newline: str) -> str:
    """Return the comment behind a binding as a line of its own, or nothing."""
    quoted = _COMMENT_AFTER_QUOTES.match(source)
    inline = quoted or _COMMENT_AFTER_SPACE.match(source)
    if not inline or not inline[1]:
        return ""
    indent = source[: len(source) - len(source.lstrip())]
    line_end = source[len(source.rstrip("\r\n")) :]
    return indent + inline[1] + (line_end or newline)


def _inserted(chunks: list[_Chunk], new: _Chunk, newline: str) -> list[_Chunk]:
    closeness = [_shared_segments(new.key, each.key) for each in chunks]
    nearest = max(closeness, default=0)
    if nearest:
        place = len(closeness) - closeness[::-1].index(nearest)
        return [*_ended(chunks[:place], newline), new, *chunks[place:]]
    ended = _ended(chunks, newline)
    if any(each.source.strip() == HEADER for each in chunks):
        return [*ended, new]
    blank = newline if ended else ""
    return [*ended, _Chunk(f"{blank}{HEADER}{newline}"), new]


def _shared_segments(new: str | None, existing: str | None) -> int:
    if new is None or existing is None:
        return 0
    pairs = list(zip(new.split("_"), existing.split("_"), strict=False))
    return next((count for count, (ours, theirs) in enumerate(pairs) if ours != theirs), len(pairs))


def _ended(chunks: Sequence[_Chunk], newline: str) -> list[_Chunk]:
    if not chunks or chunks[-1].source.endswith(("\n", "\r")):
        return list(chunks)
    return [*chunks[:-1], replace(chunks[-1], source=chunks[-1].source + newline)]


def _spelled(key: str, value: str) -> str:
    """Return the one spelling that Docker Compose, python-dotenv and `sh` read alike."""
    if _BARE.fullmatch(value):
        return value
    # Before a closing quote, older readers take a backslash for the quote's escape.
    if _CONTROL.search(value) or _SUBSTITUTION.search(value) or value.endswith("\\"):
        raise _unspeakable(key, "a control character, `${...}` or a backslash at its end")
    # In single quotes only python-dotenv takes `\\` for one backslash; `\'` ends them in `sh`.
    if "'" not in value and "\\\\" not in value:
        return f"'{value}'"
    # In double quotes `sh` and Compose expand these; python-dotenv keeps their backslash.
    if "$" in value or "`" in value:
        raise _unspeakable(key, "`$` or a backtick together with `'` or two backslashes")
    return '"' + re.sub(r'["\\]', r"\\\g<0>", value) + '"'


def _unspeakable(key: str, what: str) -> UsageError:
    return UsageError(
        f"the value for `{key}` contains {what}, which the readers of `.env` read differently",
        hint=f"choose a value for `{key}` without it",
    )


def _verify(
    before: Sequence[_Chunk], after: Sequence[_Chunk], changes: Mapping[str, str | None], name: str
) -> None:
    values = _values(after)
    as_meant = all(values.get(key) == value for key, value in changes.items())
    if not as_meant or _others(before, changes) != _others(after, changes):
        raise ConfigError(
            f"{name}: the change would not read as meant; nothing was written",
            hint=f"set {', '.join(f'`{key}`' for key in changes)} in `{name}` by hand",
        )


def _others(chunks: Sequence[_Chunk], changes: Mapping[str, str | None]) -> list[_Chunk]:
    bindings = (each for each in chunks if each.key is not None and each.key not in changes)
    return [replace(each, source=each.source.rstrip("\r\n")) for each in bindings]
