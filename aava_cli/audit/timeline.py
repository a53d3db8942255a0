"""One call over time: frames per second, gaps and barge-ins, in a terminal or as a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.report.results import Audited

# An hour of sound; what comes behind is left out of the drawing.
_MOST_SECONDS = 3600
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 100
_FPS_MOST = 60.0
_GAP_MOST_MS = 240.0
_GAP_LIMIT_MS = 60.0
_MOST_DRAWN = 1e9

MARKS = {
    "candidate": "c",
    "confirmed": "B",
    "not_confirmed": "n",
    "cancelled": "x",
    "flush": "f",
    "b3_violation": "!",
}
_GRAVITY = ("candidate", "not_confirmed", "flush", "cancelled", "confirmed", "b3_violation")
TITLES = {
    "candidate": "candidate",
    "confirmed": "barge-in",
    "not_confirmed": "murmur",
    "cancelled": "cancelled",
    "flush": "flushed",
    "b3_violation": "cancelled by the server",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn: a sample for each second of sound, marks between them."""

    call: str
    fps: tuple[float, ...]
    gap_ms: tuple[float, ...]
    marks: tuple[tuple[int, str], ...]


class Timeline:
    """Samples of one call as they come."""

    def __init__(self) -> None:
        self._fps: list[float] = []
        self._gap_ms: list[float] = []
        self._marks: list[tuple[int, str]] = []

    def steps(self, kind: str) -> list[Callable[[Event, Here], None]]:
        """Return what takes events of *kind*."""
        if kind == "tx_metrics":
            return [self._sample]
        return [self._mark] if kind in MARKS else []

    def _sample(self, event: Event, here: Here) -> None:
        del here
        if len(self._fps) < _MOST_SECONDS:
            self._fps.append(_drawable(event.number("fps")))
            self._gap_ms.append(_drawable(event.number("max_gap_ms")))

    def _mark(self, event: Event, here: Here) -> None:
        del here
        if len(self._marks) < _MOST_SECONDS:
            self._marks.append((len(self._fps), event.marker.kind))

    def drawn(self, call: str) -> Drawn:
        """Return what there is to draw of *call*."""
        return Drawn(call, tuple(self._fps), tuple(self._gap_ms), tuple(self._marks))


def _drawable(value: float | None) -> float:
    """Return *value* as far as it can be drawn: some print what is no number of anything."""
    return min(max(value or 0.0, 0.0), _MOST_DRAWN)


def in_terminal(drawn: Drawn) -> Iterator[str]:
    """Yield lines: a column for each second of sound, wrapped."""
    yield f"{drawn.call}: {len(drawn.fps)} seconds of sound, one column each"
    for begin in range(0, max(1, len(drawn.fps)), _WIDTH):
        columns = range(begin, min(begin + _WIDTH, len(drawn.fps) + 1))
        yield f"fps    {_bars(drawn.fps[begin : begin + _WIDTH], _FPS_MOST)}"
        yield f"gap    {_bars(drawn.gap_ms[begin : begin + _WIDTH], _GAP_MOST_MS)}"
        # Of several in one second the gravest is drawn: they stand in that order.
        marks = dict(sorted(drawn.marks, key=lambda mark: _GRAVITY.index(mark[1])))
        yield f"events {''.join(MARKS.get(marks.get(each, ''), ' ') for each in columns)}".rstrip()
    yield "marks  " + ", ".join(f"{sign} {TITLES[kind]}" for kind, sign in MARKS.items())


def _bars(values: Sequence[float], most: float) -> str:
    last = len(_BARS) - 1
    return "".join(_BARS[min(last, int(value / most * last))] for value in values)


def drawing_of(audited: Audited) -> str:
    """Return the drawing of the call that was asked for, as SVG."""
    return as_svg(audited.drawn or Drawn("", (), (), ()))


def as_svg(drawn: Drawn) -> str:
    """Return a drawing on which 60 ms, the guide's limit of a gap, are dashed."""
    width = max(200, 8 * (len(drawn.fps) + 1))
    limit = _y(_GAP_LIMIT_MS, _GAP_MOST_MS, 220)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 80}" height="290">',
        '<g font-family="sans-serif" font-size="11">',
        f"<title>{escape(drawn.call)}</title>",
        f'<rect width="{width + 80}" height="290" fill="white"/>',
        '<text x="4" y="60">fps</text><text x="4" y="170">gap, ms</text>',
        _line(drawn.fps, _FPS_MOST, 110, "#1f6feb"),
        _line(drawn.gap_ms, _GAP_MOST_MS, 220, "#d1242f"),
        f'<path d="M60 {limit}H{width + 60}" stroke="#888" stroke-dasharray="4"/>',
        *(_svg_mark(second, kind) for second, kind in drawn.marks),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _y(value: float, most: float, bottom: int) -> float:
    return round(bottom - min(value, most) / most * 90, 1)


def _line(values: Sequence[float], most: float, bottom: int, colour: str) -> str:
    points = " ".join(
        f"{60 + 8 * index},{_y(value, most, bottom)}" for index, value in enumerate(values)
    )
    return f'<polyline fill="none" stroke="{colour}" points="{points}"/>'


def _svg_mark(second: int, kind: str) -> str:
    x = 60 + 8 * second
    return (
        f'<line x1="{x}" x2="{x}" y1="20" y2="235" stroke="#2da44e" stroke-width="0.7">'
        f'<title>{TITLES[kind]}</title></line><text x="{x - 3}" y="250">{MARKS[kind]}</text>'
    )
