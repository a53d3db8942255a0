"""What loads really took beside what was expected, and how far that corrects the next estimate."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.files import PRIVATE_FILE, atomic_write
from aava_cli.memory.correction import factor_of
from aava_cli.memory.needs import Language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aava_cli.measuring.running import Running
    from aava_cli.memory.needs import ModelNeed

_REMEMBERED, _KINDS = 8, 64


class Observations:
    """Pairs of bytes, expected and seen, of each engine and architecture; the last few of each."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "memory.json"

    def note(self, running: Iterable[Running]) -> None:
        """Remember what *running* models take, those that were seen; nothing depends on it."""
        known = dict(self.pairs())
        seen = [each for each in running if each.seen_bytes is not None]
        for each in seen:
            kind = kind_of(each.need)
            # The newest kinds stay where there are too many.
            pairs = known.pop(kind, ())
            known[kind] = (*pairs, (each.counted_bytes, each.seen_in_all))[-_REMEMBERED:]
        if seen:
            self._write(known)

    def _write(self, known: Mapping[str, tuple[tuple[int, int], ...]]) -> None:
        text = json.dumps(dict(list(known.items())[-_KINDS:]))
        if self._file.parent.is_dir():
            # A record that cannot be kept is no reason to fail what it records.
            with suppress(OSError):
                atomic_write(self._file, text.encode(), mode=PRIVATE_FILE)

    def factors(self) -> dict[str, float]:
        """Return by what estimates are multiplied, for each engine and architecture."""
        return {kind: factor_of(pairs) for kind, pairs in self.pairs().items()}

    def pairs(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Return what was expected and seen; a record that is damaged says nothing."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            loaded = json.loads(self._file.read_bytes())
            return {
                str(kind): tuple((int(counted), int(seen)) for counted, seen in pairs)
                for kind, pairs in loaded.items()
            }
        return {}


def kind_of(need: ModelNeed) -> str:
    """Return which engine and architecture *need* is of: `llama/qwen2`, or `piper`."""
    if isinstance(need.kind, Language):
        return f"{need.backend}/{need.kind.shape.architecture}"
    return need.backend
