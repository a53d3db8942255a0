"""Find the lines that matter in a block before anything is decoded, and read their fields.

Tags are looked for over whole blocks, and only where one stands is a pattern tried. Most lines
are like others that were read before, so that what a line says is remembered by its text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
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
# What a text says, and how many responses it names.
_Said: TypeAlias = "tuple[Event | None, int]"
# Taken out of every line before this.
_CONTROL = b"\0"


class Found:
    """A block cut at each line's first tag, and at the end of each line that has one."""

    __slots__ = ("_counted", "_pieces", "_sign", "data")

    def __init__(self, data: bytes, pieces: list[bytes], sign: bytes) -> None:
        self.data = data
        # Text without a tag and text from a tag to the end of its line, in turns; before some
        # tags stands a sign that *data* has not.
        self._pieces = pieces
        self._sign = sign
        self._counted = (0, 0)

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._pieces) // 2

    def texts(self) -> list[bytes]:
        """Return each text that begins with a tag, with signs."""
        return self._pieces[1::2]

    def before(self, index: int) -> bytes:
        """Return what stands between text *index* and the one before it."""
        return self._pieces[2 * index]

    def position(self, index: int) -> int:
        """Return where text *index* begins in the block."""
        counted, position = self._counted
        if index < counted:
            counted, position = 0, 0
        between = b"".join(self._pieces[2 * counted : 2 * index])
        position += len(between.replace(self._sign, b""))
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
        often, seldom = _often_and_seldom(by_tag)
        first = often[0][:1]
        # The library finds a literal several times sooner than an expression: rare tags are made
        # to begin like the others, with a byte that no line has.
        self._sign = first + _CONTROL
        self._seldom = seldom
        tag = _pattern((*often, self._sign))
        self._search = re.compile(tag).search
        self._tags = re.compile(tag).finditer
        self._splitting = re.compile(b"(%b[^\\n]*)" % tag)
        self._readers = _readers(by_tag)
        self._elsewhere = elsewhere
        # No text has a line end.
        self._key = response_key or _LINE_END
        self._naming = re.compile(
            b"%b([\\w-]{0,%d})[\\w-]*" % (re.escape(self._key), _RESPONSE_BYTES)
        )
        self._known: dict[bytes, _Said] = {}
        self._known_bytes = 0

    def find(self, data: bytes) -> Found:
        """Return the texts in *data* that may say something."""
        seldom = sorted({*_positions(self._seldom, data)})
        bounds = pairwise((0, *seldom, len(data)))
        signed = self._sign.join(data[begin:end] for begin, end in bounds) if seldom else data
        return Found(data, self._splitting.split(signed), self._sign)

    def read(self, found: Found) -> Iterator[Hit]:
        """Yield what the texts of *found* say, in their order."""
        texts = found.texts()
        alike, names = self._without_names(texts)
        name = None if self._elsewhere is None else self._named
        for index, said in enumerate(map(self._known.get, alike)):
            event, count = said or self._learn(alike[index])
            response = None
            if count:
                response = next(names)
                for _ in range(1, count):
                    next(names)
            if event is not None:
                response = response or event.response
                yield index, event if name is None else name(found, index, event), response
            elif said is None:
                yield from self._read_all(found, index, texts[index])

    def _without_names(self, texts: list[bytes]) -> tuple[list[bytes], Iterator[bytes]]:
        """Return *texts* without the names of their responses, and these names.

        Hardly any text would be like another with a name in it.
        """
        if not texts or self._key == _LINE_END:
            return texts, iter(())
        parts = self._naming.split(_LINE_END.join(texts))
        return self._key.join(parts[::2]).split(_LINE_END), iter(parts[1::2])

    def _learn(self, text: bytes) -> _Said:
        """Return what a *text* without names says, or None; it is remembered for the next time.

        A text with several tags is not: it has to be read as a whole.
        """
        names = text.count(self._key)
        if len(text) > _REACH_BYTES or self._search(text, 1):
            return None, names
        said = text.removeprefix(self._sign)
        event = self._readers[said[:DISTINCT_BYTES]].read(said)
        if event is None or event.response is None:
            self._known_bytes += 2 * len(text) + _EVENT_BYTES
            if self._known_bytes > _REMEMBERED_BYTES:
                self._known.clear()
                self._known_bytes = 0
            self._known[text] = event, names
        return event, names

    def _read_all(self, found: Found, index: int, text: bytes) -> Iterator[Hit]:
        """Yield what each tag in *text* says, each with a response of its own."""
        for tag in self._tags(text):
            start, response = tag.start(), None
            said = text[start : start + _REACH_BYTES].replace(self._sign, b"")
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


def _often_and_seldom(tags: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the tags that begin like most do, the longest first, and the beginnings of others."""
    by_first: dict[bytes, list[bytes]] = defaultdict(list)
    for tag in sorted(tags, key=len, reverse=True):
        by_first[tag[:1]].append(tag)
    often, *groups = sorted(by_first.values(), key=len, reverse=True)
    seldom = [tag for group in groups for tag in group]
    return often, [
        tag for tag in seldom if not any(tag.startswith(each) for each in seldom if each != tag)
    ]


def _positions(literals: Iterable[bytes], data: bytes) -> Iterator[int]:
    for literal in literals:
        position = data.find(literal)
        while position >= 0:
            yield position
            position = data.find(literal, position + 1)


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
