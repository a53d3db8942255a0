"""Which layers look back only so far: sliding windows, as each architecture has them.

A header may say every how many layers one sees everything, or say it for each layer. Where it
says neither, the architecture's loader in llama.cpp (src/models/) knows, and so does this table.
An architecture that is not in it is read as seeing everything, as llama.cpp does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.gguf import Array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.memory.shape import Keys


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One layer of *period* sees everything: the last, or the first; *window* where none is said.

    *layers* is the one size of model that has windows at all.
    """

    period: int
    is_first: bool = False
    window: int = 0
    layers: int | None = None


_PATTERNS: Mapping[str, _Pattern] = {
    "gemma2": _Pattern(2, window=4096),
    "gemma3": _Pattern(6),
    "gemma3n": _Pattern(5),
    "cohere2": _Pattern(4),
    "llama4": _Pattern(4, window=8192),
    "gpt-oss": _Pattern(2),
    "exaone4": _Pattern(4, window=4096, layers=64),
    "olmo2": _Pattern(4),
    "smallthinker": _Pattern(4, is_first=True, window=4096),
    "afmoe": _Pattern(4),
}


def windows_of(keys: Keys, count: int) -> tuple[int, ...]:
    """Return for each of *count* layers how many tokens it looks back, 0 for all."""
    pattern = _PATTERNS.get(keys.architecture)
    said = keys.value("attention.sliding_window_pattern")
    window = keys.number("attention.sliding_window", pattern.window if pattern else 0)
    if isinstance(said, Array) and len(said.values) >= count:
        return tuple(window if each else 0 for each in said.values[:count])
    if pattern is None or pattern.layers not in (None, count):
        return (0,) * count
    period = said if isinstance(said, int) and said > 0 else pattern.period
    full = 0 if pattern.is_first else period - 1
    return tuple(0 if index % period == full else window for index in range(count))
