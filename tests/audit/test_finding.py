"""Every tag of a block is found, however tags and lines lie to each other."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aava_cli.audit.finding import Finder
from aava_cli.audit.markers import DISTINCT_BYTES, Marker

KEY = b"of="
FEW = 16
# Few signs, so that tags begin alike, begin in each other, and overlap; none of a name, which
# would go on in a tag right behind it.
TAG = st.text("[(<", min_size=DISTINCT_BYTES, max_size=7)
TAGS = st.lists(TAG, min_size=1, max_size=4).map(lambda tags: {*tags, f"[{tags[0]}<"})
PARTS = st.sampled_from(("[", "(", "<", "\n", "\n", "of=", "n", " "))


def marker(tag: str) -> Marker:
    """Return one whose pattern is its tag."""
    begin = tag.encode()
    return Marker(tag, begin, re.compile(re.escape(begin)), "prints", "live")


def looked_for(tags: set[str], data: str) -> list[tuple[str, str]]:
    """Return each tag in *data*, the longest at each place, with the response that it names.

    What is named behind the next tag is that one's.
    """
    found = []
    for line in data.split("\n"):
        starts = [at for at in range(len(line)) if line.startswith(tuple(tags), at)]
        for start, following in pairwise((*starts, len(line))):
            here = [tag for tag in tags if line.startswith(tag, start)]
            if here:
                _, key, name = line[start:following].partition(KEY.decode())
                word = re.match(r"\w*", name)
                found.append((max(here, key=len), key and word[0] if word else ""))
    return found


@given(TAGS, st.data())
def test_each_tag_is_found(tags: set[str], data: st.DataObject) -> None:
    """In the order of the lines, twice in a row, as often as they stand there."""
    parts = data.draw(st.lists(st.one_of(PARTS, st.sampled_from(sorted(tags))), max_size=20))
    text = "".join(parts)
    finder = Finder([marker(tag) for tag in sorted(tags)], response_key=KEY)
    for _ in range(2):
        found = finder.find(text.encode())
        said = [(event.kind, (name or b"").decode()) for _, event, name in finder.read(found)]
        there = looked_for(tags, text)
        assert [tag for tag, _ in there] == [tag for tag, _ in said]
        # A line that is all tags may cut a name.
        assert len(there) > FEW or there == said
        places = {index: found.position(index) for index, _, _ in finder.read(found)}
        lines = {text.encode().rfind(b"\n", 0, place) + 1 for place in places.values()}
        assert len(lines) == len(places)
