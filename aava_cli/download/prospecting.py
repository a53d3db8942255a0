"""Find out where the sources of a file are, without waiting for those that take long."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.download.crew import first_of, in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from aava_cli.download.sources.resolver import Resolved, Resolver
    from aava_cli.download.transfer.fetch import Download
    from aava_cli.download.transfer.halt import Halt

# A name server that is down is asked for seconds; a registry answers sooner.
_PATIENCE_S = 0.5
# Below that, one source is done before others are found.
WORTH_SHARING_BYTES = 32 << 20
_STRONG = frozenset({"sha256", "sha384", "sha512"})
_PACKAGES = ("pypi:", "npm:")


def prospect(
    sources: Sequence[str], resolver: Resolver, halt: Halt, *, digest_known: bool
) -> Iterator[tuple[str, Future[Resolved]]]:
    """Yield *sources* as they turn out to be there or not, in their order as far as they are quick.

    Each is asked when those before it failed, or have not answered for a while.

    Raises:
        Halted: the work is not wanted any more.
    """
    rest = deque(sources)
    asked: dict[str, Future[Resolved]] = {}
    while rest or asked:
        if rest:
            source = rest.popleft()
            # A library that takes long to load says nothing of the server.
            resolver.prepare(source)
            ask = partial(resolver.resolve, source, digest_known=digest_known)
            asked[source] = in_background(ask)
        done = first_of(asked.values(), halt, _PATIENCE_S if rest else None)
        answered = [source for source, future in asked.items() if future in done]
        for source in answered[:1]:
            yield source, asked.pop(source)


def find_alternatives(
    sources: Sequence[str],
    resolver: Resolver,
    download: Download,
    accept: Callable[[Download], Download],
) -> Sequence[Download]:
    """Return a list that fills while nobody waits: whatever of *sources* has what *download* has.

    *accept* gives a source's download what is known of the file, or raises if it is another.
    """
    found: list[Download] = []
    is_small = (download.size_bytes or 0) < WORTH_SHARING_BYTES
    if is_small or download.digest is None or download.digest.algorithm not in _STRONG:
        return found

    def ask(source: str) -> None:
        other = resolver.resolve(source, digest_known=True)
        accepted = accept(other.download)
        if accepted.digest == download.digest and _is_served(accepted.url):
            found.append(accepted)

    if _is_served(download.url):
        for each in sources:
            # A package has the same file, but in other bytes.
            if not each.startswith(_PACKAGES):
                in_background(partial(ask, each))
    return found


def _is_served(url: str) -> bool:
    return not url.startswith("file:")
