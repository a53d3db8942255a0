"""Which of a host's GPUs its programs should see: another one is not always a gain.

llama.cpp divides a model over all that it sees, so a small one among them may leave room for less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.memory.room import Room


def gpu_sets(room: Room, *, native: bool) -> tuple[tuple[int, ...], ...]:
    """Return the sets of GPUs to try: each by itself, the largest of them, and all.

    First is what programs see as things are: all on the host, in a container the first one.
    """
    every = tuple(range(len(room.gpu_bytes)))
    by_size = sorted(every, key=lambda gpu: -room.gpu_bytes[gpu])
    alone = tuple((gpu,) for gpu in every)
    largest = tuple(tuple(sorted(by_size[:count])) for count in range(2, len(every)))
    sets = (every, *alone, *largest) if native else (*alone, *largest, every)
    return tuple(dict.fromkeys(sets))
