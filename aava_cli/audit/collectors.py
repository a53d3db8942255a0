"""What wraps a log line on its way here: Compose, honcho, journald, json-file, four-line records.

Collectors that put something in front of a line are left as they are, because markers are found
anywhere in it; only the process that printed the line is read from the front. Collectors that
write lines of another kind are unwrapped into `PROCESS | TIME TEXT`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from aava_cli.audit.blocks import Block, cleaned, count_line_ends
from aava_cli.audit.journal import Export, JournalJson
from aava_cli.audit.parts import without_parts
from aava_cli.audit.unwrapping import FourLines, JsonFile

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE_LINES = 64
_SAMPLE_BYTES = 1 << 16
_SHARE = 0.5
# What Compose says before its first line, or a log of which the collector was changed.
_MOST_SAMPLED_LINES = 4096


class Unwrapper(Protocol):
    """Makes plain lines of a collector's; keeps what a block leaves unfinished.

    What it *left_out* are messages that the collector did not write.
    """

    left_out: int

    def unwrap(self, block: Block) -> Block:
        """Return what *block* says, with where each line comes from."""
        ...

    def rest(self) -> Block:
        """Return what was left unfinished: nothing more comes."""
        ...


class Prefixed:
    """A collector whose lines begin with the process: *skip* bytes, the process, *until*.

    What follows the process is one byte of *until*, so that no name begins like another.
    """

    def __init__(self, pattern: bytes, skip: int, until: bytes) -> None:
        self.pattern = re.compile(pattern)
        self._skip = skip
        self._until = until
        self.last = b""

    def process(self, before: bytes) -> bytes:
        """Return the process that printed the line whose beginning *before* ends with."""
        start = before.rfind(b"\n") + 1 + self._skip
        # Most lines are of the same process as the one before.
        if self.last and before.startswith(self.last, start):
            return self.last
        end = before.find(self._until, start)
        self.last = before[start : end + 1] if end >= 0 else b""
        return self.last

    def is_alone(self, data: bytes) -> bool:
        """Return whether the process of the last line is seen to have printed all of *data*."""
        if self._skip or not (self.last and data.startswith(self.last)):
            return False
        lines = count_line_ends(data) - data.endswith(b"\n")
        return lines == data.count(b"\n" + self.last)


_SHORT = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
_ISO = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_PROCESS = rb" \S+ [^\s:]+: "
_PREFIXED = {
    # `docker compose logs`, with and without `--timestamps`.
    "compose": Prefixed(rb"[\w.-]+ *\| ", 0, b"|"),
    # honcho and foreman: `17:03:27 web.1     | text`.
    "honcho": Prefixed(rb"\d\d:\d\d:\d\d [\w.-]+ *\| ", 9, b"|"),
    # `journalctl -o short`: `Dec 14 23:12:05 host process[pid]: text`, and its other times.
    "journald": Prefixed(_SHORT + _PROCESS, 16, b": "),
    "journald-precise": Prefixed(_SHORT + rb"\.\d{6}" + _PROCESS, 23, b": "),
    "journald-iso": Prefixed(_ISO + rb"[+-]\d{4}" + _PROCESS, 25, b": "),
    "journald-iso-colon": Prefixed(_ISO + rb"[+-]\d\d:\d\d" + _PROCESS, 26, b": "),
    "journald-iso-precise": Prefixed(_ISO + rb"\.\d{6}[+-]\d{4}" + _PROCESS, 32, b": "),
    "journald-iso-precise-colon": Prefixed(_ISO + rb"\.\d{6}[+-]\d\d:\d\d" + _PROCESS, 33, b": "),
}
_WRAPPED: dict[str, tuple[re.Pattern[bytes], Callable[[], Unwrapper]]] = {
    "json-file": (re.compile(rb'\{"log":"'), JsonFile),
    "journald-json": (re.compile(rb'(?:data: )?\{.*"(?:__CURSOR|MESSAGE)" ?:'), JournalJson),
    "journald-export": (re.compile(rb"__CURSOR="), Export),
    "four-line": (re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d\r?$"), FourLines),
}
# A record takes several lines, so that only some of them show what it is.
_RARE = {"journald-export": 0.02, "four-line": 0.2}


_PATTERNS = {
    **{name: pattern for name, (pattern, _) in _WRAPPED.items()},
    **{name: each.pattern for name, each in _PREFIXED.items()},
}
_ANY = re.compile(b"|".join(b"(?:%b)" % each.pattern for each in _PATTERNS.values()))


class Collector:
    """One source's collector, recognised by the first lines that are of one."""

    def __init__(self) -> None:
        self.name = ""
        self._prefix: Prefixed | None = None
        self._unwrapper: Unwrapper | None = None
        self._sampled_lines = 0

    def unwrap(self, block: Block) -> Block:
        """Return the block's plain lines."""
        if not self.name and block.data:
            self._recognise(block.data)
        if self._unwrapper is None:
            return without_parts(block)
        return _clean(self._unwrapper.unwrap(block))

    def rest(self) -> Block | None:
        """Return what the collector left unfinished, if it is one that can."""
        return None if self._unwrapper is None else _clean(self._unwrapper.rest())

    @property
    def left_out(self) -> int:
        """How many messages the log has nothing of but that they were there."""
        return 0 if self._unwrapper is None else self._unwrapper.left_out

    @property
    def prefix(self) -> Prefixed | None:
        """What tells the process of a line; None where there is only one."""
        return self._prefix

    def _recognise(self, data: bytes) -> None:
        """Take the collector that writes most lines at the beginning of *data*, or at its end."""
        tail = data[-_SAMPLE_BYTES:]
        for lines in (_lines(data[:_SAMPLE_BYTES])[:_SAMPLE_LINES], _lines(tail)[-_SAMPLE_LINES:]):
            self._sampled_lines += len(lines)
            if name := _collector_of(lines):
                self._take(name)
                return
        if self._sampled_lines >= _MOST_SAMPLED_LINES:
            self.name = "plain"

    def _take(self, name: str) -> None:
        self.name = name
        if name in _WRAPPED:
            self._unwrapper = _WRAPPED[name][1]()
            self._prefix = _PREFIXED["compose"]
        self._prefix = _PREFIXED.get(name, self._prefix)


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line.strip()]


def _collector_of(lines: list[bytes]) -> str | None:
    """Return the collector that wrote enough of *lines*; None where none did."""
    likely = [line for line in lines if _ANY.match(line)]
    votes = Counter(
        name for line in likely for name, pattern in _PATTERNS.items() if pattern.match(line)
    )
    return next((name for name in _PATTERNS if votes[name] >= _least(name, len(lines))), None)


def _clean(plain: Block) -> Block:
    return Block(cleaned(plain.data), plain.raw, plain.line, plain.offset, plain.origins)


def _least(name: str, lines: int) -> float:
    return max(1, _RARE.get(name, _SHARE) * lines)
