"""Find the lines that matter in a block before anything is decoded.

Tags are looked for over whole blocks, and only where one stands is a pattern tried. Most lines
are like others that were read before, so that what a line says is remembered by its text.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from itertools import islice, pairwise
from typing import TYPE_CHECKING, TypeAlias

from aava_cli.audit.markers import DISTINCT_BYTES, Event
from aava_cli.audit.reading import RESPONSE_BYTES, readers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aava_cli.audit.markers import Marker

Hit: TypeAlias = "tuple[int, Event, bytes | None]"
"""Which text of a block says it, what, and the beginning of the name of the response it is of."""

# A marker's fields are near its tag; a line of megabytes is not read again for each tag in it.
_REACH_BYTES = 4096
_MOST_TAGS = 16
# Lines repeat themselves: what was read once is remembered, until it is this much. Beside its
# text an event takes as much again for its fields, and some hundred bytes.
_REMEMBERED_BYTES = 12 << 20
_EVENT_BYTES = 500
_LINE_END = b"\n"
_WORDS = "text"
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
        tag = b"%b(?:%b)" % (
            re.escape(first),
            b"|".join((re.escape(_CONTROL), *(_rest(each, seldom, self._sign) for each in often))),
        )
        self._search = re.compile(tag).search
        # A tag may begin in another.
        self._tags = re.compile(b"(?=%b)" % tag).finditer
        # A sign may stand before each byte.
        self._longest = max(map(len, by_tag)) * (1 + len(self._sign))
        self._splitting = re.compile(b"(%b[^\\n]*)" % tag)
        self._readers = readers(by_tag)
        self._elsewhere = elsewhere
        # No text has a line end.
        self._key = response_key or _LINE_END
        self._naming = re.compile(
            b"%b([\\w-]{0,%d})[\\w-]*" % (re.escape(self._key), RESPONSE_BYTES)
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
                if count > 1:
                    deque(islice(names, count - 1), maxlen=0)
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
        event = self._read(said)
        # What names its response elsewhere, or somebody's words, hardly comes again.
        if event is None or (event.response is None and _WORDS not in event.fields):
            self._known_bytes += 2 * len(text) + _EVENT_BYTES
            if self._known_bytes > _REMEMBERED_BYTES:
                self._known.clear()
                self._known_bytes = 0
            self._known[text] = event, names
        return event, names

    def _read_all(self, found: Found, index: int, text: bytes) -> Iterator[Hit]:
        """Yield what each tag in *text* says, each with a response of its own."""
        starts = [tag.start() for tag in self._tags(text)]
        # Of a line that is all tags each has what stands before the next.
        is_crowded = len(starts) > _MOST_TAGS
        for start, following in pairwise((*starts, len(text))):
            end = max(following, start + self._longest) if is_crowded else start + _REACH_BYTES
            said, response = text[start:end].replace(self._sign, b"")[:_REACH_BYTES], None
            if self._key in said:
                head, _, tail = self._naming.split(said, 1)
                said = head + self._key + tail
                # What is named behind the next tag may be another call's, whose print came onto
                # the same line.
                name = self._naming.search(text, start, following)
                response = name and name[1]
            event = self._read(said)
            if event is not None:
                yield index, self._named(found, index, event), response or event.response

    def _read(self, said: bytes) -> Event | None:
        # The first byte of a sign may have made a tag of what stands in front of it.
        reader = self._readers.get(said[:DISTINCT_BYTES])
        return None if reader is None else reader.read(said)

    def _named(self, found: Found, index: int, event: Event) -> Event:
        """Return *event* with the call that its line names in front of the tag, or behind."""
        if self._elsewhere is None or event.ids or event.marker.phase == "run":
            return event
        data, position = found.data, found.position(index)
        least, most = max(0, position - _REACH_BYTES), position + _REACH_BYTES
        start = data.rfind(_LINE_END, least, position) + 1 or least
        end = data.find(_LINE_END, position, most)
        name = self._elsewhere.search(data, start, end if end >= 0 else most)
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


def _rest(tag: bytes, seldom: Sequence[bytes], sign: bytes) -> bytes:
    """Return what finds a *tag* behind its first byte, where others may begin with a *sign*."""
    parts = []
    for index in range(1, len(tag)):
        rest = tag[index:]
        if any(rest.startswith(each) or each.startswith(rest) for each in seldom):
            parts.append(b"(?:%b)?" % re.escape(sign))
        parts.append(re.escape(rest[:1]))
    return b"".join(parts)
