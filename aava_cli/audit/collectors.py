"""What wraps a log line on its way here: Compose, honcho, journald, json-file, four-line records.

Collectors that put something in front of a line are left as they are, because markers are found
anywhere in it; only the process that printed the line is read from the front. Collectors that
write lines of another kind are unwrapped into `PROCESS | TIME TEXT`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from aava_cli.audit.blocks import Block, cleaned
from aava_cli.audit.unwrapping import Export, FourLines, JournalJson, JsonFile

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE_LINES = 64
_SHARE = 0.5


class Unwrapper(Protocol):
    """Makes plain lines of a collector's; keeps what a block leaves unfinished."""

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
        return data.count(b"\n", 0, -1) == data.count(b"\n" + self.last)


_PREFIXED = {
    # `docker compose logs`, with and without `--timestamps`.
    "compose": Prefixed(rb"[\w.-]+ *\| ", 0, b"|"),
    # honcho and foreman: `17:03:27 web.1     | text`.
    "honcho": Prefixed(rb"\d\d:\d\d:\d\d [\w.-]+ *\| ", 9, b"|"),
    # `journalctl -o short`: `Dec 14 23:12:05 host process[pid]: text`.
    "journald": Prefixed(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ [^\s:]+: ", 16, b": "),
}
_WRAPPED: dict[str, tuple[re.Pattern[bytes], Callable[[], Unwrapper]]] = {
    "json-file": (re.compile(rb'\{"log":"'), JsonFile),
    "journald-json": (re.compile(rb'\{.*"(?:__CURSOR|MESSAGE)" ?:'), JournalJson),
    "journald-export": (re.compile(rb"__CURSOR="), Export),
    "four-line": (re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d\r?$"), FourLines),
}
# A record takes several lines, so that only some of them show what it is.
_RARE = {"journald-export": 0.02, "four-line": 0.2}


class Collector:
    """One source's collector, recognised by the first lines that there are."""

    def __init__(self) -> None:
        self.name = ""
        self._prefix: Prefixed | None = None
        self._unwrapper: Unwrapper | None = None

    def unwrap(self, block: Block) -> Block:
        """Return the block's plain lines."""
        if not self.name and block.data:
            self._recognise(block.data)
        if self._unwrapper is None:
            return block
        return _clean(self._unwrapper.unwrap(block))

    def rest(self) -> Block | None:
        """Return what the collector left unfinished, if it is one that can."""
        return None if self._unwrapper is None else _clean(self._unwrapper.rest())

    @property
    def prefix(self) -> Prefixed | None:
        """What tells the process of a line; None where there is only one."""
        return self._prefix

    def _recognise(self, data: bytes) -> None:
        lines = [line for line in data[: 1 << 16].split(b"\n")[:_SAMPLE_LINES] if line.strip()]
        votes: Counter[str] = Counter()
        for name, pattern in _patterns().items():
            votes[name] = sum(pattern.match(line) is not None for line in lines)
        found = [
            name for name, count in votes.items() if count and count >= _least(name, len(lines))
        ]
        self.name = found[0] if found else "plain"
        if self.name in _WRAPPED:
            self._unwrapper = _WRAPPED[self.name][1]()
            self._prefix = _PREFIXED["compose"]
        self._prefix = _PREFIXED.get(self.name, self._prefix)


def _clean(plain: Block) -> Block:
    return Block(cleaned(plain.data), plain.raw, plain.line, plain.offset, plain.origins)


def _patterns() -> dict[str, re.Pattern[bytes]]:
    wrapped = {name: pattern for name, (pattern, _) in _WRAPPED.items()}
    return wrapped | {name: each.pattern for name, each in _PREFIXED.items()}


def _least(name: str, lines: int) -> float:
    return _RARE.get(name, _SHARE) * lines
