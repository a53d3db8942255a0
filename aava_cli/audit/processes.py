"""Which stream of lines a line is of: one for each process, or one for all that is read."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from aava_cli.audit.named import NamedStream
from aava_cli.audit.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.audit.calls import Call
    from aava_cli.audit.profile import Profile

# Processes that are followed at a time; more make room for each other.
_MOST_STREAMS = 128

AnyStream: TypeAlias = "Stream | NamedStream"


class Processes:
    """The streams of a run. A call whose lines name it goes on from process to process."""

    def __init__(self, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._profile = profile
        self._finish = finish
        self._named = None if profile.elsewhere is None else NamedStream(profile, finish)
        self._streams: OrderedDict[tuple[str, bytes], Stream] = OrderedDict()
        self._unattributed: Counter[str] = Counter()

    def __iter__(self) -> Iterator[AnyStream]:
        """Yield the streams that are followed."""
        yield from self._streams.values() if self._named is None else (self._named,)

    def stream(self, group: str, process: bytes) -> AnyStream:
        """Return the stream of a *process* in a *group* of sources."""
        if self._named is not None:
            self._named.enter(group)
            return self._named
        key = (group, process)
        found = self._streams.get(key)
        if found is not None:
            self._streams.move_to_end(key)
            return found
        if len(self._streams) >= _MOST_STREAMS:
            _, idle = self._streams.popitem(last=False)
            idle.finish()
            self._unattributed.update(idle.unattributed)
        found = self._streams[key] = Stream(group, self._profile, self._finish)
        return found

    def join_groups(self) -> None:
        """Expect a half of a call in each of several groups."""
        if self._named is not None:
            self._named.join_logs()

    def finish(self) -> None:
        """End every call: nothing more comes."""
        for stream in self:
            stream.finish()

    def unattributed(self) -> Counter[str]:
        """Return how many lines belong to no call that can be told, by kind."""
        total = self._unattributed.copy()
        for stream in self:
            total.update(stream.unattributed)
        return total
