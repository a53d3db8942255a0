"""Sources of one digest serve parts of it at the same time; what each served is counted."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.prospecting import WORTH_SHARING_BYTES, find_alternatives, prospect
from aava_cli.download.sources.http import Transient
from aava_cli.download.sources.resolver import Resolved, Resolver
from aava_cli.download.transfer.fetch import Download
from aava_cli.download.transfer.halt import Halt
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NotFound
from tests.conftest import free_port
from tests.download.conftest import known, sha256
from tests.download.faults import FaultyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.download.conftest import CatalogFile, Models
    from tests.download.faults import Asked

BODY = os.urandom(1 << 20) * 40
STEP_BYTES = 256 << 10


@dataclass(slots=True)
class Source:
    """A server of *body* that counts what it sent."""

    body: bytes
    fault: Callable[[Source, Asked], None]
    server: FaultyServer = field(init=False)
    sent_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.server = FaultyServer(
            len(self.body), self._read, lambda asked: self.fault(self, asked)
        )

    def _read(self, start: int, end: int) -> bytes:
        with self.lock:
            self.sent_bytes += end - start
        return self.body[start:end]

    def good(self, asked: Asked) -> None:
        """Answer as fast as can be."""
        asked.answer()

    def slow(self, asked: Asked) -> None:
        """Answer at some 8 MB/s and connection."""
        whole = asked.start, asked.end
        asked.answer(body=b"")
        pause = threading.Event()
        for at in range(*whole, STEP_BYTES):
            pause.wait(0.03)
            asked.send(at, min(whole[1], at + STEP_BYTES))

    def dies(self, asked: Asked) -> None:
        """Break off in the middle of the second answer, and be gone from then on."""
        if asked.number == 0:
            asked.answer()
            return
        asked.answer(body=self._read(asked.start, asked.start + 100_000))
        asked.break_off(reset=True)

    def never(self, asked: Asked) -> None:
        """Take the question, and say nothing."""
        asked.server.released.wait(60)


@pytest.fixture
def serve() -> Iterator[Callable[..., Source]]:
    """Return a function that serves a body in one manner."""
    sources: list[Source] = []

    def start(fault: Callable[[Source, Asked], None], body: bytes = BODY) -> Source:
        sources.append(Source(body, fault))
        return sources[-1]

    yield start
    for each in sources:
        each.server.close()


def pulled(
    models: Models, catalog: CatalogFile, project: Path, *sources: str
) -> tuple[int, str, bool]:
    """Return how a pull from *sources* ended, what it said, and whether the file is right."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, *sources))
    ran = models("pull", "mine")
    path = project / "models/kroko/mine.onnx"
    is_right = path.is_file() and sha256(path.read_bytes()) == sha256(BODY)
    return ran.exit_code, ran.stderr, is_right


def test_fast_source_does_the_work_of_a_slow_one(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Both serve, the one that comes second in the catalog nearly all; no byte comes twice."""
    slow, fast = serve(Source.slow), serve(Source.good)
    urls = (slow.server.url, fast.server.url)
    assert (0, True) == pulled(models, catalog, project, *urls)[::2]
    assert slow.sent_bytes < len(BODY) // 2 < fast.sent_bytes
    assert slow.sent_bytes > 0


def test_corrupt_alternative_ends_in_the_good_bytes(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The whole is fetched again from the first source alone."""
    good, bad = serve(Source.slow), serve(Source.good, BODY[:-1] + b"?")
    code, _, is_right = pulled(models, catalog, project, good.server.url, bad.server.url)
    assert (0, True, True) == (code, is_right, bad.sent_bytes > 0)


def test_corrupt_first_source_ends_in_the_good_bytes(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The alternative takes over, without the one that was found out."""
    bad, good = serve(Source.good, bytes(len(BODY))), serve(Source.good)
    code, said, is_right = pulled(models, catalog, project, bad.server.url, good.server.url)
    assert (0, True, True) == (code, is_right, "trying the next source" in said)


@pytest.mark.parametrize("first", ["dies", "good"])
def test_source_that_dies_is_left(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models, first: str
) -> None:
    """Whichever of the two it is, the other one brings the rest."""
    faults = {"dies": Source.dies, "good": Source.good}
    order = [first, *(faults.keys() - {first})]
    servers = [serve(faults[each]) for each in order]
    code, _, is_right = pulled(models, catalog, project, *(each.server.url for each in servers))
    assert (0, True) == (code, is_right)


def test_source_that_says_nothing_costs_little(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A first source that takes the question only leaves all of it to the other."""
    silent, good = serve(Source.never), serve(Source.good)
    assert (0, True) == pulled(models, catalog, project, silent.server.url, good.server.url)[::2]
    assert 0 == silent.sent_bytes


def test_alternative_of_another_length_is_left(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What cannot be the file is not mixed with it."""
    good, longer = serve(Source.slow), serve(Source.good, BODY + b"?")
    code, _, is_right = pulled(models, catalog, project, good.server.url, longer.server.url)
    # The kernel takes some before anybody has looked at the headers.
    assert (0, True, True) == (code, is_right, longer.sent_bytes < len(BODY) // 4)


def whole(source: Source, asked: Asked) -> None:
    """Answer with the whole file, whatever was asked for."""
    del source
    asked.whole()


def test_alternative_without_ranges_is_left(
    serve: Callable[..., Source], project: Path, catalog: CatalogFile, models: Models
) -> None:
    """One that sends the whole file is no help for a part of it."""
    good, other = serve(Source.slow), serve(whole)
    code, _, is_right = pulled(models, catalog, project, good.server.url, other.server.url)
    assert (0, True, 1) == (code, is_right, len(other.server.asked))


def download(size_bytes: int = WORTH_SHARING_BYTES, algorithm: str = "sha256") -> Download:
    """Return a download that is worth sharing."""
    return Download(
        "x", "https://x.example/f", size_bytes=size_bytes, digest=Digest(algorithm, "1")
    )


def as_it_is(found: Download) -> Download:
    """Add what is known of the file."""
    return Download(found.source, found.url, size_bytes=1, digest=Digest("sha256", "1"))


def test_alternatives_are_found_where_they_help() -> None:
    """Large files of a strong digest have them; packages, copies on this host and others do not."""
    resolver = Resolver(mirror=None)
    sources = ("https://a.example/f", "file:/f", "pypi:x==1#f", "no source")
    found = find_alternatives(sources, resolver, download(), as_it_is)
    assert ["https://a.example/f"] == eventually(found)
    for small in (download(1), download(algorithm="md5"), Download("x", "https://x.example/f")):
        assert () == tuple(find_alternatives(sources, resolver, small, as_it_is))
    local = Download("x", "file:///f", size_bytes=WORTH_SHARING_BYTES, digest=Digest("sha256", "1"))
    assert () == tuple(find_alternatives(sources, resolver, local, as_it_is))


def eventually(found: object) -> list[str]:
    """Return the addresses that are *found* in the background."""
    assert isinstance(found, list)
    pause = threading.Event()
    while not found:
        pause.wait(0.01)
    pause.wait(0.05)
    return [each.url for each in found]


def test_source_that_takes_long_to_be_found_holds_up_nobody() -> None:
    """The next is asked meanwhile; the slow one is still there when that fails."""
    go = threading.Event()

    class Slow(Resolver):
        """A resolver whose first source is behind a name server that does not answer."""

        def resolve(self, source: str, *, digest_known: bool = False) -> Resolved:
            """Return where *source* is, some day."""
            if source == "slow":
                go.wait(30)
            return super().resolve(source, digest_known=digest_known)

    url = f"http://127.0.0.1:{free_port()}/a"
    resolver = Slow(mirror=None)
    answers = prospect(("slow", "no source", url), resolver, Halt(), digest_known=True)
    assert "no source" == next(answers)[0]
    assert (url, url) == ((found := next(answers))[0], found[1].result().download.url)
    go.set()
    assert ["slow"] == [source for source, _ in answers]


def test_host_that_is_down_is_remembered() -> None:
    """Only who could not be reached is: another answer is no reason."""
    resolver = Resolver(mirror=None)
    resolver.note_failure("https://a.example/1", NotFound("x", hint="y"))
    resolver.note_failure("https://a.example/1", Transient("x"))
    assert "https://a.example/2" == resolver.resolve("https://a.example/2").download.url
    resolver.note_failure("https://me:x@a.example/1", Transient("down", connected=False))
    with pytest.raises(Transient, match="down"):
        resolver.resolve("https://a.example/2")
    assert "https://b.example/2" == resolver.resolve("https://b.example/2").download.url
