"""The names of models, from the command line and from lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FROM_STDIN = "-"


def named(words: Sequence[str], lines: Iterable[str]) -> tuple[str, ...]:
    """Return *words*, with those in *lines* in place of `-`; `#` begins a comment there.

    Raises:
        UsageError: there is no name at all.
    """
    names: list[str] = []
    for word in words:
        names += _listed(lines) if word == FROM_STDIN else [word]
    if not names:
        raise UsageError("no model is named on stdin", hint="write one name per line")
    return tuple(dict.fromkeys(names))


def _listed(lines: Iterable[str]) -> list[str]:
    return [name for line in lines for name in line.partition("#")[0].split()]
