"""Find the lines that matter in a block before anything is decoded, and read their fields.

Tags are looked for over whole blocks, and only where one stands is a pattern tried. Most lines
are like others that were read before, so that what a line says is remembered by its text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from aava_cli.audit.markers import DISTINCT_BYTES, NAMES, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aava_cli.audit.markers import Marker

Hit: TypeAlias = "tuple[int, Event, bytes | None]"
"""Which text of a block says it, what, and the beginning of the name of the response it is of."""

# Log lines shorten the name of a response to so many characters, or to fewer.
_RESPONSE_BYTES = 20
# A marker's fields are near its tag; a line of megabytes is not read again for each tag in it.
_REACH_BYTES = 4096
# Lines repeat themselves: what was read once is remembered, until it is this much. Beside its
# text an event takes as much again for its fields, and some hundred bytes.
_REMEMBERED_BYTES = 12 << 20
_EVENT_BYTES = 500
_LINE_END = b"\n"
_NEW: Any = object()


class Found:
    """A block cut at each line's first tag, and at the end of each line that has one."""

    __slots__ = ("_counted", "_pieces", "data", "seldom")

    def __init__(self, data: bytes) -> None:
        self.data = data
        # Text without a tag and text from a tag to the end of its line, in turns.
        self._pieces: list[bytes] = []
        self._counted = (0, 0)
        # The texts in which other tags may be than those that are looked for first.
        self.seldom: set[int] = set()

    def add(self, pieces: list[bytes]) -> None:
        """Go on with *pieces*, of which the first and the last have no tag."""
        if self._pieces:
            self._pieces[-1] += pieces[0]
            self._pieces += pieces[1:]
        else:
            self._pieces = pieces

    def add_line(self, line: bytes, first: int) -> None:
        """Go on with a *line* whose *first* tag may be any."""
        self.add([line[:first], line[first:], b""])
        self.seldom.add(len(self) - 1)

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._pieces) // 2

    def texts(self) -> list[bytes]:
        """Return each text that begins with a tag."""
        return self._pieces[1::2]

    def before(self, index: int) -> bytes:
        """Return what stands between text *index* and the one before it."""
        return self._pieces[2 * index]

    def position(self, index: int) -> int:
        """Return where text *index* begins in the block."""
        counted, position = self._counted
        if index < counted:
            counted, position = 0, 0
        position += sum(map(len, self._pieces[2 * counted : 2 * index]))
        self._counted = (index, position)
        return position + len(self._pieces[2 * index])


class Finder:
    """Finds the events of a set of markers in blocks of lines."""

    def __init__(
        self,
        markers: Iterable[Marker],
        elsewhere: re.Pattern[bytes] | None = None,
        response_key: bytes | None = None,
    ) -> None:
        by_tag: dict[bytes, list[Marker]] = defaultdict(list)
        for marker in markers:
            by_tag[marker.tag].append(marker)
        often, *seldom = _alike(by_tag)
        self._searches = (_Search(often), *map(_Search, seldom))
        self._again = re.compile(_pattern(often)).search
        self._splitting = re.compile(b"(%b[^\\n]*)" % _pattern(often))
        self._readers = _readers(by_tag)
        self._elsewhere = elsewhere
        # No text has a line end.
        self._key = response_key or _LINE_END
        self._naming = re.compile(
            b"%b([\\w-]{0,%d})[\\w-]*" % (re.escape(self._key), _RESPONSE_BYTES)
        )
        self._known: dict[bytes, Event | None] = {}
        self._known_bytes = 0

    def find(self, data: bytes) -> Found:
        """Return the texts in *data* that may say something."""
        found, begin = Found(data), 0
        for position in _positions(self._searches[1:], data):
            if position < begin:
                continue
            start = data.rfind(_LINE_END, begin, position) + 1 or begin
            found.add(self._splitting.split(data[begin:start]))
            end = data.find(_LINE_END, position)
            begin = end if end >= 0 else len(data)
            line = data[start:begin]
            first = min((position - start, *self._searches[0](line)))
            found.add_line(line, first)
        found.add(self._splitting.split(data[begin:] if begin else data))
        return found

    def read(self, found: Found) -> Iterator[Hit]:
        """Yield what the texts of *found* say, in their order."""
        recall, key, split, again = self._known.get, self._key, self._naming.split, self._again
        name, seldom = None if self._elsewhere is None else self._named, found.seldom
        for index, text in enumerate(found.texts()):
            response = None
            if (event := recall(text, _NEW)) is _NEW:
                like = text
                if key in text:
                    # Hardly any line would be like another with the name in it.
                    head, response, tail = split(text, 1)
                    like = head + key + tail
                    event = recall(like, _NEW)
                if event is _NEW:
                    if index in seldom or again(text, 1) or len(text) > _REACH_BYTES:
                        yield from self._read_all(found, index, text)
                        continue
                    event = self._read_alone(like)
            if event is not None:
                response = response or event.response
                yield index, event if name is None else name(found, index, event), response

    def _read_alone(self, like: bytes) -> Event | None:
        """Return what a text with one tag says, and remember it for all that are like it."""
        event = self._readers[like[:DISTINCT_BYTES]].read(like)
        if event is None or event.response is None:
            self._known_bytes += 2 * len(like) + _EVENT_BYTES
            if self._known_bytes > _REMEMBERED_BYTES:
                self._known.clear()
                self._known_bytes = 0
            self._known[like] = event
        return event

    def _read_all(self, found: Found, index: int, text: bytes) -> Iterator[Hit]:
        """Yield what each tag in *text* says, each with a response of its own."""
        searches = self._searches if index in found.seldom else self._searches[:1]
        for start in _positions(searches, text):
            said, response = text[start : start + _REACH_BYTES], None
            if self._key in said:
                head, response, tail = self._naming.split(said, 1)
                said = head + self._key + tail
            event = self._readers[said[:DISTINCT_BYTES]].read(said)
            if event is not None:
                yield index, self._named(found, index, event), response or event.response

    def _named(self, found: Found, index: int, event: Event) -> Event:
        """Return *event* with the call that its line names in front of the tag, or behind."""
        if self._elsewhere is None or event.ids or event.marker.phase == "run":
            return event
        data, position = found.data, found.position(index)
        start = data.rfind(_LINE_END, 0, position) + 1
        end = data.find(_LINE_END, position)
        name = self._elsewhere.search(data, start, end if end >= 0 else len(data))
        if name is None:
            return event
        return Event(event.marker, (("call", name[1]),), event.response, event.fields)


class _Search:
    """Looks for tags that begin alike."""

    def __init__(self, tags: Sequence[bytes]) -> None:
        # The library finds a literal several times sooner than an expression.
        self._prefix = _common_prefix(tags)
        self._match = re.compile(_pattern(tags)).match

    def __call__(self, data: bytes) -> list[int]:
        """Return where in *data* they stand."""
        found = []
        position = data.find(self._prefix)
        while position >= 0:
            if self._match(data, position):
                found.append(position)
            position = data.find(self._prefix, position + 1)
        return found


def _common_prefix(tags: Sequence[bytes]) -> bytes:
    # What the first and the last in order share, all share.
    first, last = min(tags), max(tags)
    differs = (
        index for index, pair in enumerate(zip(first, last, strict=False)) if len({*pair}) > 1
    )
    return first[: next(differs, len(first))]


def _positions(searches: Iterable[_Search], data: bytes) -> list[int]:
    return sorted(position for search in searches for position in search(data))


def _alike(tags: Iterable[bytes]) -> list[list[bytes]]:
    """Return *tags* grouped by their first byte, the largest group first, in it the longest."""
    by_first: dict[bytes, list[bytes]] = defaultdict(list)
    for tag in sorted(tags, key=len, reverse=True):
        by_first[tag[:1]].append(tag)
    return sorted(by_first.values(), key=len, reverse=True)


def _pattern(tags: Sequence[bytes]) -> bytes:
    rests = b"|".join(re.escape(tag[1:]) for tag in tags)
    return b"%b(?:%b)" % (re.escape(tags[0][:1]), rests)


class _Group(NamedTuple):
    """Where one marker's fields are among all groups of a pattern."""

    marker: Marker
    fields: tuple[tuple[str, int], ...]
    ids: tuple[str, ...]


class _Reader:
    """Reads the markers whose tags begin alike: one pattern, of which a group is one marker."""

    def __init__(self, markers: Iterable[Marker]) -> None:
        parts: list[bytes] = []
        self._groups: dict[int, _Group] = {}
        count = 1
        for number, marker in enumerate(markers):
            # The names of groups have to differ between markers.
            pattern = marker.pattern.pattern.replace(b"(?P<", b"(?P<m%d_" % number)
            parts.append(b"(?P<m%d>%b)" % (number, pattern))
            fields = marker.pattern.groupindex
            named = tuple((name, count + index) for name, index in fields.items())
            ids = tuple(kind for kind in NAMES if kind in fields)
            self._groups[count] = _Group(marker, named, ids)
            count += 1 + marker.pattern.groups
        self._pattern = re.compile(b"|".join(parts))

    def read(self, said: bytes) -> Event | None:
        """Return the event that *said* begins with; None where it is no marker."""
        found = self._pattern.match(said)
        if found is None:
            return None
        marker, named, ids = self._groups[found.lastindex or 0]
        if not named:
            return Event(marker)
        fields: dict[str, Any] = {name: found[index] for name, index in named}
        for name in marker.numbers:
            if fields[name] is not None:
                fields[name] = float(fields[name])
        response = fields.get("response")
        if response is not None:
            response = response[:_RESPONSE_BYTES]
        return Event(marker, tuple([(kind, fields[kind]) for kind in ids]), response, fields)


def _readers(by_tag: Mapping[bytes, list[Marker]]) -> dict[bytes, _Reader]:
    alike: dict[bytes, list[Marker]] = defaultdict(list)
    for tag in sorted(by_tag, key=len, reverse=True):
        alike[tag[:DISTINCT_BYTES]] += by_tag[tag]
    return {begin: _Reader(markers) for begin, markers in alike.items()}
