"""What a build prints, read as it goes on: steps done, what each said, and which failed."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

_LINE = re.compile(r"#(\d+) (.*)")
_NAME = re.compile(r"\[(?P<stage>[^\]]*?)\s*(?P<number>\d+)/(?P<count>\d+)\] (?P<command>.*)")
_SAID = re.compile(r"\d+\.\d+ ?(.*)")
_LAST_LINES = 20


@dataclass(slots=True)
class _Vertex:
    """One step of the build; those without a *number* are the builder's own."""

    name: str
    stage: str = ""
    number: int | None = None
    said: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


@dataclass(frozen=True, slots=True)
class FailedStep:
    """The step that ended a build, and its last lines."""

    name: str
    error: str
    last_lines: tuple[str, ...]


class BuildLog:
    """A build's plain output, fed a line at a time."""

    def __init__(self) -> None:
        self._vertices: dict[str, _Vertex] = {}
        self._counts: dict[str, int] = {}
        self._finished: set[tuple[str, int]] = set()
        self.failed: FailedStep | None = None

    @property
    def done(self) -> int:
        """How many of the numbered steps have ended well."""
        return len(self._finished)

    @property
    def total(self) -> int:
        """How many numbered steps there are in the stages seen so far."""
        return sum(self._counts.values())

    def feed(self, line: str) -> None:
        """Take in one *line*."""
        found = _LINE.match(line)
        if found is None:
            return
        number, text = found[1], found[2]
        if number not in self._vertices:
            self._vertices[number] = self._begun(text)
            return
        self._go_on(self._vertices[number], text)

    def _begun(self, text: str) -> _Vertex:
        named = _NAME.match(text)
        if named is None:
            return _Vertex(text)
        self._counts[named["stage"]] = int(named["count"])
        return _Vertex(named["command"], named["stage"], int(named["number"]))

    def _go_on(self, vertex: _Vertex, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word in ("DONE", "CACHED"):
            if vertex.number is not None:
                self._finished.add((vertex.stage, vertex.number))
        elif word == "ERROR:":
            self.failed = FailedStep(vertex.name, rest, tuple(vertex.said))
        else:
            said = _SAID.fullmatch(text)
            vertex.said.append(said[1] if said else text)
