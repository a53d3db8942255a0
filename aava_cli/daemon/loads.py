"""How long models took to load on this host, and so how long a load may take."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.files import PRIVATE_FILE, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# A first load may fetch gigabytes, or wait for another one.
UNKNOWN_S = 600.0
_FLOOR_S = 60.0
_SLACK = 5.0
_REMEMBERED = 5


class LoadTimes:
    """Load times by model, the last few of each; losing them costs a longer wait at most."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "loads.json"
        # The native daemon loads several models at once, and each notes what it took.
        self._noting = threading.Lock()

    def deadline_s(self, models: Iterable[str]) -> float:
        """Return how long loading *models* may take: several times what it took before."""
        known = self._read()
        slowest = [max(known.get(model, ()), default=None) for model in models]
        if None in slowest or not slowest:
            return UNKNOWN_S
        return max(_FLOOR_S, _SLACK * sum(each for each in slowest if each is not None))

    def expected_s(self, name: str) -> float | None:
        """Return how long *name* took last, or None if that was never seen."""
        return next(iter(self._read().get(name, ())[-1:]), None)

    def note(self, models: Iterable[str], took_s: float) -> None:
        """Remember that *models*, loaded together, took *took_s*; each may have taken it all."""
        with self._noting:
            self._note(models, took_s)

    def _note(self, models: Iterable[str], took_s: float) -> None:
        known = self._read()
        for model in models:
            known[model] = [*known.get(model, ()), round(took_s, 3)][-_REMEMBERED:]
        if self._file.parent.is_dir():
            # A record that cannot be kept is no reason to fail what it records.
            with suppress(OSError):
                atomic_write(self._file, json.dumps(known).encode(), mode=PRIVATE_FILE)

    def _read(self) -> dict[str, list[float]]:
        with suppress(OSError, ValueError, TypeError, AttributeError):
            loaded = json.loads(self._file.read_bytes())
            return {str(key): [float(each) for each in value] for key, value in loaded.items()}
        return {}
