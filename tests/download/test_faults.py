"""The fault matrix: whatever a server does, the end is a verified file or the right failure."""

from __future__ import annotations

import hashlib
import os
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Literal

import pytest

from aava_cli.download.sources.http import Access
from aava_cli.download.transfer.fetch import Download, Fetched, Means, Patience, fetch, means_of
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import AavaError, AccessDenied, IntegrityError, NetworkError, NotFound
from tests.conftest import free_port
from tests.download.faults import Asked, FaultyServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from tests.download.faults import Fault


def seeded(seed: int) -> random.Random:
    """Return a source of numbers that are the same in every run."""
    return random.Random(seed)  # noqa: S311 - no secret


SIZE = 20 << 20
_BLOCK = seeded(7).randbytes(1 << 20)
BODY = b"".join(bytes([number]) + _BLOCK[1:] for number in range(SIZE >> 20))
OTHER = b"?" * SIZE
SPARSE_BYTES = int(os.environ.get("AAVA_SPARSE_BYTES", str(96 << 20)))


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and how a pull has to end: *ends* is None for a verified file."""

    name: str
    fault: Fault
    ends: type[AavaError] | None = None
    pinned: Literal["digest", "size", "nothing"] = "digest"
    protocol: str = "HTTP/1.1"
    jobs: int | None = 4


def reset(asked: Asked) -> None:
    """Reset the first connections after any number of bytes."""
    if asked.number >= 6:
        asked.answer()
        return
    cut = seeded(asked.number).randrange(asked.end - asked.start)
    asked.answer(body=BODY[asked.start : asked.start + cut])
    asked.break_off(reset=True)


def truncated(asked: Asked) -> None:
    """Hang up in the middle of the first answers."""
    middle = (asked.start + asked.end) // 2
    asked.answer(body=BODY[asked.start : middle] if asked.number < 3 else None)
    if asked.number < 3:
        asked.break_off()


def ranged(start: int = 0, end: int = 0, length: int = 0) -> Fault:
    """Answer every range with a `Content-Range` and a length that are off by so much."""

    def fault(asked: Asked) -> None:
        if not asked.is_range:
            asked.answer()
            return
        named = f"bytes {asked.start + start}-{asked.end - 1 + end}/{SIZE}"
        sent = max(0, asked.end - asked.start + length)
        body = BODY[asked.start : asked.start + sent].ljust(sent, b"!")
        asked.answer(headers={"Content-Range": named, "Content-Length": sent}, body=body)

    return fault


def after(number: int, then: Fault) -> Fault:
    """Behave for *number* requests, then do *then*."""
    return lambda asked: asked.answer() if asked.number < number else then(asked)


def first(number: int, then: Fault) -> Fault:
    """Do *then* for the first *number* requests, and behave after."""
    return lambda asked: then(asked) if asked.number < number else asked.answer()


def only(number: int, then: Fault) -> Fault:
    """Do *then* to one request."""
    return lambda asked: then(asked) if asked.number == number else asked.answer()


def says(status: int, **headers: object) -> Fault:
    """Answer *status*."""
    return lambda asked: asked.status(status, **headers)


def tagged(etag: str | None) -> Fault:
    """Answer with *etag*."""
    return lambda asked: asked.answer(headers={"ETag": etag})


def other_file(asked: Asked) -> None:
    """Have another file of the same size all of a sudden."""
    condition = asked.headers.get("If-Range")
    if condition == '"two"' or condition is None:
        asked.answer(headers={"ETag": '"two"'}, body=OTHER[asked.start : asked.end])
    else:
        asked.whole(headers={"ETag": '"two"'}, body=OTHER)


def grows(asked: Asked) -> None:
    """Have five bytes more than before."""
    asked.server.size_bytes = SIZE + 5
    asked.end += 5 if asked.end == SIZE else 0
    asked.answer(body=BODY[asked.start : asked.end].ljust(asked.end - asked.start, b"!"))


def stalls_at_the_end(asked: Asked) -> None:
    """Never send the last per cent of the first answer that has it."""
    last = asked.end == SIZE and not any(
        each.end == SIZE for each in asked.server.asked[: asked.number]
    )
    if not last:
        asked.answer()
        return
    asked.answer(body=BODY[asked.start : SIZE - SIZE // 100])
    asked.handler.wfile.flush()
    asked.server.released.wait(60)


def drips(asked: Asked) -> None:
    """Send next to nothing, and take long over it."""
    asked.answer(body=BODY[asked.start : asked.start + 4096])
    for at in range(asked.start + 4096, asked.end, 4096):
        asked.handler.wfile.write(BODY[at : at + 4096])
        if asked.server.released.wait(0.2):
            return


def flips(asked: Asked) -> None:
    """Flip one bit."""
    body = bytearray(BODY[asked.start : asked.end])
    body[len(body) // 2] ^= 1
    asked.answer(body=bytes(body))


def no_total(asked: Asked) -> None:
    """Do not say how long the file is, only where the part lies."""
    named = f"bytes {asked.start}-{asked.end - 1}/*" if asked.is_range else None
    asked.answer(headers={"Content-Range": named})


def unframed(asked: Asked) -> None:
    """Send the whole without a length; the end of the connection is its end."""
    asked.whole(headers={"Content-Length": None, "Connection": "close"}, body=b"")
    asked.send(0, SIZE)
    asked.break_off()


def chunked(asked: Asked) -> None:
    """Send the whole in chunks of any size."""
    asked.whole(headers={"Content-Length": None, "Transfer-Encoding": "chunked"}, body=b"")
    at, sizes = 0, seeded(1)
    while at < SIZE:
        end = min(SIZE, at + sizes.randrange(1, 1 << 20))
        asked.handler.wfile.write(b"%x;x=y\r\n%s\r\n" % (end - at, BODY[at:end]))
        at = end
    asked.handler.wfile.write(b"0\r\nTrailer: x\r\n\r\n")


def html(asked: Asked) -> None:
    """Send a page that says sorry."""
    page = b"<!DOCTYPE html><p>Sorry, no more downloads today."
    headers = {"Content-Type": "text/html", "Content-Length": len(page)}
    asked.answer(status=200, headers=headers, body=page)


def expires(asked: Asked) -> None:
    """Redirect to addresses that are good for two requests each."""
    served = asked.server.asked[: asked.number]
    if asked.path == "/f":
        asked.status(302, Location=f"/signed?token={asked.number}")
    elif sum(each.path == asked.path for each in served) < 2:
        asked.answer()
    else:
        asked.status(403)


def hangs_up(asked: Asked) -> None:
    """Close the connection after each answer, without a word of warning."""
    asked.answer()
    asked.break_off()


def no_http(asked: Asked) -> None:
    """Speak another language."""
    asked.handler.wfile.write(b"220 smtp.example ESMTP\r\n\r\n")
    asked.break_off()


def endless_head(asked: Asked) -> None:
    """Send headers without an end."""
    asked.handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20))
    asked.break_off()


def bad_chunks(asked: Asked) -> None:
    """Send chunks whose sizes are no numbers."""
    asked.whole(headers={"Content-Length": None, "Transfer-Encoding": "chunked"}, body=b"")
    asked.handler.wfile.write(b"zz\r\nhello\r\n")
    asked.break_off()


def wait_until(seconds: float) -> str:
    """Return the HTTP date *seconds* from now."""
    return formatdate(time.time() + seconds, usegmt=True)


CASES = (
    Case("good", lambda asked: asked.answer()),
    Case("good, one connection", lambda asked: asked.answer(), jobs=1),
    Case("good, as many as help", lambda asked: asked.answer(), jobs=None),
    Case("good, only the size is known", lambda asked: asked.answer(), pinned="size"),
    Case("good, nothing is known", lambda asked: asked.answer(), pinned="nothing"),
    Case("reset at random bytes", reset),
    Case("truncated", truncated),
    Case("truncated, nothing is known", truncated, pinned="nothing"),
    Case("200 for a range", lambda asked: asked.whole()),
    Case("200 for a range, nothing is known", lambda asked: asked.whole(), pinned="nothing"),
    Case("200 for a range in the middle", only(2, lambda asked: asked.whole())),
    Case("wrong Content-Range", ranged(start=1, end=1)),
    Case("no Content-Range", lambda asked: asked.answer(headers={"Content-Range": None})),
    Case("shorter 206", ranged(end=-100, length=-100)),
    Case("longer 206", ranged(end=100, length=100)),
    Case("206 with too short a length", ranged(length=-100)),
    Case("206 with too long a length", ranged(length=100)),
    Case("206 without a total", no_total),
    Case("ETag changed, same bytes", after(2, tagged('"two"'))),
    Case("ETag and bytes changed", after(2, other_file), IntegrityError),
    Case("size changed", after(2, grows), IntegrityError),
    Case("weak ETag", tagged('W/"one"')),
    Case("weak ETag, nothing is known", tagged('W/"one"'), pinned="nothing"),
    Case("no ETag", tagged(None)),
    Case("416 in the middle", only(2, says(416, Content_Range=f"bytes */{SIZE}"))),
    Case("429", first(2, says(429))),
    Case("429 with seconds", first(2, says(429, Retry_After=3))),
    Case("429 with a date", first(2, says(429, Retry_After=wait_until(5)))),
    Case("429 to the second connection", only(1, says(429))),
    Case("503", first(2, says(503))),
    Case("503 with seconds", first(2, says(503, Retry_After=3))),
    Case("503 with a date", first(2, says(503, Retry_After=wait_until(5)))),
    Case("503 for ever", says(503), NetworkError),
    Case("401", says(401), AccessDenied),
    Case("403", says(403), AccessDenied),
    Case("404", says(404), NotFound),
    Case("403 in the middle", after(2, says(403)), AccessDenied),
    Case("redirect loop", says(302, Location="/f"), NetworkError),
    Case("redirect to nowhere", says(302, Location="http://models.example/f"), NetworkError),
    Case("expired signed address", expires),
    Case("gzip", lambda asked: asked.answer(headers={"Content-Encoding": "gzip"}), NetworkError),
    Case("no length", unframed),
    Case("no length, nothing is known", unframed, NetworkError, pinned="nothing"),
    Case("chunked", chunked),
    Case("chunked, nothing is known", chunked, pinned="nothing"),
    Case("chunks that make no sense", bad_chunks, NetworkError),
    Case("stall at 99 %", stalls_at_the_end),
    Case("stall at 99 %, one connection", stalls_at_the_end, jobs=1),
    Case("one slow range", only(1, drips)),
    Case("one flipped bit", only(1, flips), IntegrityError),
    Case("HTML instead of a model", html, IntegrityError),
    Case("hangs up after each answer", hangs_up),
    Case("HTTP/1.0", lambda asked: asked.answer(), protocol="HTTP/1.0"),
    Case("HTTP/1.0 without ranges", lambda asked: asked.whole(), protocol="HTTP/1.0"),
    Case("no HTTP at all", no_http, NetworkError),
    Case("a head without an end", endless_head, NetworkError),
)


def hexdigest(body: bytes) -> str:
    """Return the SHA-256 of *body*."""
    return hashlib.sha256(body).hexdigest()


@contextmanager
def serving(
    fault: Fault,
    body: bytes = BODY,
    protocol: str = "HTTP/1.1",
    trust: ssl.SSLContext | None = None,
) -> Iterator[FaultyServer]:
    """Serve *body* with *fault* for the block, over TLS if *trust* has a certificate."""

    def read(start: int, end: int) -> bytes:
        return body[start:end]

    server = FaultyServer(len(body), read, fault, protocol, trust)
    yield server
    server.close()


def pull(server: FaultyServer, path: Path, case: Case, means: Means | None = None) -> Fetched:
    """Fetch what *server* has, knowing as much of it as *case* says."""
    download = Download("test", server.url)
    if case.pinned != "nothing":
        download = replace(download, size_bytes=SIZE)
    if case.pinned == "digest":
        download = replace(download, digest=Digest("sha256", hexdigest(BODY)))
    patience = Patience(attempts=4, sleep=lambda _: None, stall_s=0.3)
    return fetch(download, path, lambda *_: None, patience, means or means_of(case.jobs, None))


def alternative(server: FaultyServer) -> Download:
    """Return *server* as another source of the same bytes."""
    return Download("other", server.url, size_bytes=SIZE, digest=Digest("sha256", hexdigest(BODY)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault_ends_as_it_should(case: Case, tmp_path: Path) -> None:
    """A verified file or the right failure; never other bytes that pass for the file."""
    path = tmp_path / "partial" / "key"
    with serving(case.fault, protocol=case.protocol) as server:
        if case.ends is None:
            assert hexdigest(BODY) == pull(server, path, case).sha256
            assert path.read_bytes() == BODY
        else:
            with pytest.raises(case.ends):
                pull(server, path, case)


def test_failure_in_the_middle_keeps_what_came(tmp_path: Path) -> None:
    """What came before a lasting failure is not asked for again."""
    path, case = tmp_path / "partial" / "key", Case("", lambda asked: asked.answer(), jobs=1)
    with serving(after(2, says(403))) as server, pytest.raises(AccessDenied):
        pull(server, path, case)
    with serving(case.fault) as server:
        assert pull(server, path, case).received_bytes == SIZE - (16 << 20)


def test_token_stays_with_its_host(tmp_path: Path) -> None:
    """A redirect to another host takes the file from there, and no secret to there."""
    with serving(lambda asked: asked.answer()) as cdn:
        elsewhere = f"http://localhost:{cdn.port}/f?signature=x"
        with serving(says(302, Location=elsewhere)) as hub:
            access = Access((("Authorization", "Bearer secret"),))
            digest = Digest("sha256", hexdigest(BODY))
            download = Download("test", hub.url, access, None, SIZE, digest)
            fetch(download, tmp_path / "p" / "k", lambda *_: None)
    assert {"Bearer secret"} == {each.headers.get("Authorization") for each in hub.asked}
    assert {None} == {each.headers.get("Authorization") for each in cdn.asked}


@pytest.mark.parametrize(
    "other", [says(404), says(503), flips, html], ids=["404", "503", "lies", "html"]
)
def test_bad_source_does_no_harm(tmp_path: Path, other: Fault) -> None:
    """A second source that is dead or lies costs time, never the file."""
    with serving(lambda asked: asked.answer()) as server, serving(other) as bad:
        means = replace(means_of(4, None), alternatives=(alternative(bad),))
        fetched = pull(server, tmp_path / "p" / "k", CASES[0], means)
        assert hexdigest(BODY) == fetched.sha256


@pytest.mark.parametrize("first_one", [says(404), says(503), html], ids=["404", "503", "html"])
def test_second_source_stands_in(tmp_path: Path, first_one: Fault) -> None:
    """What the first source does not have comes from the second."""
    with serving(first_one) as bad, serving(lambda asked: asked.answer()) as server:
        means = replace(means_of(4, None), alternatives=(alternative(server),))
        assert hexdigest(BODY) == pull(bad, tmp_path / "p" / "k", CASES[0], means).sha256


def test_parts_come_from_all_sources(tmp_path: Path) -> None:
    """Sources of the same bytes are asked at the same time."""
    with serving(lambda asked: asked.answer()) as one, serving(lambda asked: asked.answer()) as two:
        means = replace(means_of(4, None), alternatives=(alternative(two),))
        assert hexdigest(BODY) == pull(one, tmp_path / "p" / "k", CASES[0], means).sha256
        assert min(len(one.asked), len(two.asked)) > 0


def test_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`http_proxy` gets the whole address, and its own credentials."""
    with serving(lambda asked: asked.answer()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        digest = Digest("sha256", hexdigest(BODY))
        url = f"http://127.0.0.1:{free_port()}/f"
        download = Download("test", url, size_bytes=SIZE, digest=digest)
        assert hexdigest(BODY) == fetch(download, tmp_path / "p" / "k", lambda *_: None).sha256
        assert (url, True) == (proxy.asked[0].path, "Proxy-Authorization" in proxy.asked[0].headers)


def test_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """A TLS server that does not speak TLS, or not as itself, is not a source."""
    with serving(lambda asked: asked.answer()) as server:
        download = Download("test", server.url.replace("http:", "https:"))
        with pytest.raises(NetworkError, match="cannot be reached"):
            fetch(download, tmp_path / "p" / "k", lambda *_: None)


@pytest.mark.parametrize("body", [b"", b"x"], ids=["empty", "one byte"])
@pytest.mark.parametrize("is_known", [True, False])
def test_smallest_files(tmp_path: Path, body: bytes, *, is_known: bool) -> None:
    """No byte and one byte are files too."""

    def fault(asked: Asked) -> None:
        if asked.is_range and not body:
            asked.status(416, Content_Range="bytes */0")
        else:
            asked.answer()

    with serving(fault, body) as server:
        download = Download("test", server.url, size_bytes=len(body) if is_known else None)
        fetched = fetch(download, tmp_path / "p" / "k", lambda *_: None)
        assert (len(body), hexdigest(body)) == (fetched.size_bytes, fetched.sha256)


def test_large_sparse_file(tmp_path: Path) -> None:
    """Offsets beyond 32 bits work; `make fault-matrix` asks for five gigabytes."""
    digest = hashlib.sha256()
    for _ in range(SPARSE_BYTES >> 20):
        digest.update(bytes(1 << 20))
    server = FaultyServer(
        SPARSE_BYTES, lambda start, end: bytes(end - start), lambda asked: asked.answer()
    )
    pinned = Digest("sha256", digest.hexdigest())
    download = Download("test", server.url, size_bytes=SPARSE_BYTES, digest=pinned)
    fetched = fetch(download, tmp_path / "p" / "k", lambda *_: None)
    server.close()
    assert SPARSE_BYTES == fetched.received_bytes
