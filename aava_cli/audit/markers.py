"""Find the lines that matter in a block, before anything is decoded, and read their fields.

A marker is what the pipeline prints at a moment that counts. It begins with its *tag*, a
literal that may stand anywhere in a line; the tags are looked for over whole blocks, and only
where one stands is its pattern tried.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003 - a field of a named tuple
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Phase: TypeAlias = Literal["live", "end", "run"]
"""When a marker comes: while the call goes on, while it is taken down, or of no call at all."""
Role: TypeAlias = Literal["open", "close", "done"]
"""What a marker says of the call's life: it begins, it ends, nothing comes behind."""
Hit: TypeAlias = "tuple[int, Event]"

NAMES = ("call", "stream", "session")
IDENTITIES = (*NAMES, "response")
# Log lines shorten the name of a response to 20 characters, or to 15.
_RESPONSE_BYTES = 15
_NO_FIELDS: Mapping[str, bytes] = MappingProxyType({})

# A marker's fields are near its tag; a line of megabytes is not read again for each tag in it.
_REACH_BYTES = 4096
# Lines repeat themselves: what was read once is remembered, until it is this much.
_REMEMBERED = 16_384
# Marks that only steer the direction of text, and the byte order mark (Unicode 16, ch. 23).
_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0xFEFF])
_INVISIBLE |= dict.fromkeys(range(0x2066, 0x206A))


@dataclass(frozen=True, slots=True)
class Marker:
    """One kind of line; *pattern* begins with *tag* and has a group for each field."""

    kind: str
    tag: bytes
    pattern: re.Pattern[bytes]
    channel: str
    phase: Phase
    role: Role | None = None
    is_alarm: bool = False
    # Where the pattern's groups are: of the names, of the response's name, of everything else.
    ids: tuple[tuple[str, int], ...] = field(init=False)
    response: int | None = field(init=False)
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        groups = self.pattern.groupindex
        ids = tuple((kind, groups[kind] - 1) for kind in NAMES if kind in groups)
        response = groups.get("response")
        # A group without a name is nobody's; the names stand in the order of the groups.
        names = {index: name for name, index in groups.items()}
        ordered = tuple(names.get(index, "") for index in range(1, self.pattern.groups + 1))
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "response", None if response is None else response - 1)
        object.__setattr__(self, "names", ordered)


class Event(NamedTuple):
    """A marker with what its fields said, as printed.

    *ids* name the call, and *response* is the beginning of the name of one of its responses.
    """

    marker: Marker
    ids: tuple[tuple[str, bytes], ...]
    response: bytes | None
    fields: Mapping[str, bytes | None]

    def number(self, name: str) -> float | None:
        """Return the field *name* as a number; None where the line has none."""
        value = self.fields.get(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None

    def required(self, name: str) -> float:
        """Return the field *name*, without which the line would not be this marker."""
        return float(self.fields[name] or 0)

    def text(self, name: str) -> str:
        """Return the field *name* as text, without marks that nobody sees; empty for none."""
        text = (self.fields.get(name) or b"").decode("utf-8", "replace")
        return text.translate(_INVISIBLE).strip()


class Finder:
    """Finds the events of a set of markers in blocks of lines."""

    def __init__(self, markers: Iterable[Marker], elsewhere: re.Pattern[bytes] | None) -> None:
        self._by_tag: dict[bytes, list[Marker]] = defaultdict(list)
        for marker in markers:
            self._by_tag[marker.tag].append(marker)
        self._searches = tuple(_searches(self._by_tag))
        longest_first = sorted(self._by_tag, key=len, reverse=True)
        self._any_tag = re.compile(b"|".join(map(re.escape, longest_first)))
        self._elsewhere = elsewhere
        self._remembered: dict[bytes, Event | None] = {}

    def find(self, data: bytes) -> list[Hit]:
        """Return the events in *data* in their order, each with where its tag stands."""
        hits: list[Hit] = []
        end = -1
        remembered = self._remembered
        for position in self._positions(data):
            if position > end:
                end = data.find(b"\n", position)
                if end < 0:
                    end = len(data)
            reach = end if end - position < _REACH_BYTES else position + _REACH_BYTES
            said = data[position:reach]
            event = remembered[said] if said in remembered else self._read(said)
            if event is not None:
                hits.append((position, event))
        if self._elsewhere is not None:
            return [(position, self._named(data, position, event)) for position, event in hits]
        return hits

    def _positions(self, data: bytes) -> list[int]:
        found = [each for search in self._searches if (each := search(data))]
        return sorted(chain.from_iterable(found)) if len(found) != 1 else found[0]

    def _read(self, said: bytes) -> Event | None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        event = None
        tag = self._any_tag.match(said)
        for marker in self._by_tag[tag[0]] if tag else ():
            if found := marker.pattern.match(said):
                event = _event(marker, found)
                break
        self._remembered[said] = event
        return event

    def _named(self, data: bytes, position: int, event: Event) -> Event:
        """Return *event* with the call that its line names in front of the tag, or behind."""
        if event.ids or event.marker.phase == "run" or self._elsewhere is None:
            return event
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        found = self._elsewhere.search(data, start, end if end >= 0 else len(data))
        return event._replace(ids=(("call", found[1]),)) if found else event


def _event(marker: Marker, found: re.Match[bytes]) -> Event:
    values = found.groups()
    if not values:
        return Event(marker, (), None, _NO_FIELDS)
    ids = tuple((kind, values[slot]) for kind, slot in marker.ids) if marker.ids else ()
    response = None if marker.response is None else values[marker.response]
    fields = dict(zip(marker.names, values, strict=True))
    return Event(marker, ids, response and response[:_RESPONSE_BYTES], fields)


class _Bracketed:
    """Looks for several tags that begin with the same byte, which the library skips to."""

    def __init__(self, tags: Iterable[bytes]) -> None:
        longest_first = sorted(tags, key=len, reverse=True)
        first, rests = longest_first[0][:1], [tag[1:] for tag in longest_first]
        self._pattern = re.compile(
            re.escape(first) + b"(?:" + b"|".join(map(re.escape, rests)) + b")"
        )

    def __call__(self, data: bytes) -> list[int]:
        return [found.start() for found in self._pattern.finditer(data)]


class _Single:
    """Looks for one tag that begins as no other does."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __call__(self, data: bytes) -> list[int]:
        found = []
        position = data.find(self._tag)
        while position >= 0:
            found.append(position)
            position = data.find(self._tag, position + len(self._tag))
        return found


def _searches(tags: Iterable[bytes]) -> Iterator[_Bracketed | _Single]:
    by_first: dict[bytes, list[bytes]] = defaultdict(list)
    for tag in tags:
        by_first[tag[:1]].append(tag)
    for group in by_first.values():
        yield _Single(group[0]) if len(group) == 1 else _Bracketed(group)
