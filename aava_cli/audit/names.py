"""Which call a name is of, and which names were of calls that are over."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

    from aava_cli.audit.calls import Call

_MOST_OF_THE_PAST = 1024


class Names:
    """The names of a stream's calls, each of a kind; *full* tells a whole name from a beginning."""

    def __init__(
        self, full: Mapping[str, re.Pattern[bytes]], most_of_the_past: int = _MOST_OF_THE_PAST
    ) -> None:
        self._full = full
        self._most_of_the_past = most_of_the_past
        self._calls: dict[tuple[str, bytes], Call] = {}
        self._past: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def call(self, kind: str, value: bytes) -> Call | None:
        """Return the call whose name *value* is."""
        return self._calls.get((kind, value))

    def only(self, kind: str, value: bytes) -> Call | None:
        """Return the only call of which a name begins with *value*."""
        found = {
            id(call): call
            for (each, known), call in self._calls.items()
            if each == kind and known.startswith(value)
        }
        return next(iter(found.values())) if len(found) == 1 else None

    def is_full(self, kind: str, value: bytes) -> bool:
        """Return whether *value* is a whole name."""
        return self._full[kind].fullmatch(value) is not None

    def is_of_the_past(self, kind: str, value: bytes) -> bool:
        """Return whether *value* was the name of a call that is over."""
        return (kind, value) in self._past

    def is_new_to(self, call: Call, ids: Iterable[tuple[str, bytes]]) -> bool:
        """Return whether *ids* has another name than *call* has, of a kind that it has."""
        return any(
            kind in call.ids and self.is_full(kind, value) and self.call(kind, value) is not call
            for kind, value in ids
        )

    def note(self, call: Call, ids: Iterable[tuple[str, bytes]]) -> None:
        """Take the whole names of *ids* for those of *call*."""
        for kind, value in ids:
            if self.is_full(kind, value):
                self._calls[kind, value] = call
                call.add_id(kind, value)

    def forget(self, call: Call) -> None:
        """Keep only the last names of *call*, which is over, and of those before."""
        for kind, values in call.ids.items():
            for value in values:
                # A later connection of the same call has its name.
                if self._calls.get((kind, value), call) is call:
                    self._calls.pop((kind, value), None)
                    self._past[kind, value] = None
        while len(self._past) > self._most_of_the_past:
            self._past.popitem(last=False)
