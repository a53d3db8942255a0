"""What a marker is: what the pipeline prints at a moment that counts.

A marker begins with its *tag*, a literal that may stand anywhere in a line. `finding.py` looks
for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

Phase: TypeAlias = Literal["live", "end", "run"]
"""When a marker comes: while the call goes on, while it is taken down, or of no call at all."""
Role: TypeAlias = Literal["open", "close", "done"]
"""What a marker says of the call's life: it begins, it ends, nothing comes behind."""

NAMES = ("call", "stream", "session")
IDENTITIES = (*NAMES, "response")
# No tag is shorter.
DISTINCT_BYTES = 4
NO_FIELDS: Mapping[str, Any] = MappingProxyType({})

# Marks that only steer the direction of text, and the byte order mark (Unicode 16, ch. 23).
_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0xFEFF])
_INVISIBLE |= dict.fromkeys(range(0x2066, 0x206A))


@dataclass(frozen=True, slots=True)
class Marker:
    """One kind of line; *pattern* begins with *tag* and has a group for each field.

    Of the groups *numbers* are read as such. An *alarm* fails a call by itself, so that it is
    looked at closely. *plain_phase* is None for one that does, that changes a call's life, or is
    of no call.
    """

    kind: str
    tag: bytes
    pattern: re.Pattern[bytes]
    channel: str
    phase: Phase
    role: Role | None = None
    is_alarm: bool = False
    numbers: tuple[str, ...] = ()
    plain_phase: Phase | None = field(init=False)

    def __post_init__(self) -> None:
        """Find out what is asked for with each event."""
        is_plain = self.role is None and self.phase != "run" and not self.is_alarm
        object.__setattr__(self, "plain_phase", self.phase if is_plain else None)


class Event:
    """A marker with what its fields said.

    *ids* name the call, and *response* is the beginning of the name of one of its responses. A
    field is a number, or bytes as printed, or None where it may be missing. *phase* is that of
    an event whose call follows from where it stands; None says that its call has to be looked
    for, or that it changes the call's life.
    """

    __slots__ = ("fields", "ids", "kind", "marker", "phase", "response")

    def __init__(
        self,
        marker: Marker,
        ids: tuple[tuple[str, bytes], ...] = (),
        response: bytes | None = None,
        fields: Mapping[str, Any] = NO_FIELDS,
    ) -> None:
        self.kind = marker.kind
        self.marker = marker
        self.ids = ids
        self.response = response
        self.fields = fields
        self.phase = None if ids else marker.plain_phase

    def number(self, name: str) -> float | None:
        """Return the field *name* as a number; None where the line has none."""
        value = self.fields.get(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None

    def text(self, name: str) -> str:
        """Return the field *name* as text, without marks that nobody sees; empty for none."""
        text = (self.fields.get(name) or b"").decode("utf-8", "replace")
        return (text if text.isascii() else text.translate(_INVISIBLE)).strip()
