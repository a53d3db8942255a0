"""One download over a network that fails in every way it can."""

from __future__ import annotations

import errno
import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aava_cli.download.transfer.fetch import Download, Patience, fetch
from aava_cli.download.transfer.keeper import WINDOW_BYTES, Keeper
from aava_cli.download.transfer.partial import Binding, Digest, Partial, no_space
from aava_cli.download.transfer.record import state_path
from aava_cli.errors import AccessDenied, IntegrityError, NetworkError, NotFound
from tests.conftest import free_port
from tests.download.conftest import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.server import Server

BODY = bytes(range(256)) * 1024
HALF = len(BODY) // 2


class Waits(list[float]):
    """Remembers how long the download would have slept."""


@pytest.fixture
def waits() -> Waits:
    """Collect the waits."""
    return Waits()


def patience(waits: Waits) -> Patience:
    """Return patience that does not really wait."""
    return Patience(attempts=3, sleep=waits.append)


def unwatched(_done: int, _total: int | None, _verified: int | None) -> None:
    """Ignore progress."""


def pinned(url: str, body: bytes = BODY) -> Download:
    """Return a download whose bytes are known."""
    return Download("test", url, size_bytes=len(body), digest=Digest("sha256", sha256(body)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the download is kept."""
    return tmp_path / "partial" / "key"


def test_fetches_and_hashes(server: Server, path: Path, waits: Waits) -> None:
    """A server that behaves is asked once."""
    fetched = fetch(pinned(server.serve("/a", BODY)), path, unwatched, patience(waits))
    assert (path, len(BODY), sha256(BODY), len(BODY)) == (
        fetched.path,
        fetched.size_bytes,
        fetched.sha256,
        fetched.received_bytes,
    )
    assert path.read_bytes() == BODY
    assert server.gets("/a")[0]["Accept-Encoding"] == "identity"


def test_complete_download_is_not_fetched_again(server: Server, path: Path, waits: Waits) -> None:
    """What is whole is checked on disk, and the server is left alone."""
    download = pinned(server.serve("/a", BODY))
    fetch(download, path, unwatched, patience(waits))
    again = fetch(download, path, unwatched, patience(waits))
    assert (0, 1) == (again.received_bytes, len(server.gets("/a")))


def test_broken_connection_is_resumed(server: Server, path: Path, waits: Waits) -> None:
    """After a cut the rest is asked for, under the condition that the file is the same."""
    url = server.serve("/a", BODY, cuts=[HALF])
    fetch(pinned(url), path, unwatched, patience(waits))
    second = server.gets("/a")[1]
    assert path.read_bytes() == BODY
    assert (f"bytes={HALF}-", '"one"') == (second["Range"], second["If-Range"])


def test_progress_renews_the_patience(server: Server, path: Path, waits: Waits) -> None:
    """More cuts than attempts do not end a download that gets on."""
    url = server.serve("/a", BODY, cuts=[10_000] * 8)
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY
    assert len(waits) == 8


def test_later_run_resumes(server: Server, path: Path, waits: Waits) -> None:
    """What a run had when it gave up is where the next one begins."""
    url = server.serve("/a", BODY, cuts=[HALF, 0, 0, 0])
    with pytest.raises(NetworkError, match="connection broke"):
        fetch(pinned(url), path, unwatched, patience(waits))
    assert json.loads(state_path(path).read_bytes())["state"]["done"] == HALF
    fetched = fetch(pinned(url), path, unwatched, patience(waits))
    assert (len(BODY) - HALF, BODY) == (fetched.received_bytes, path.read_bytes())


def test_changed_file_starts_over(server: Server, path: Path, waits: Waits) -> None:
    """Another ETag means other bytes: nothing of the old ones is used."""
    url = server.serve("/a", b"x" * len(BODY), cuts=[HALF, 0, 0, 0])
    download = Download("test", url, size_bytes=len(BODY))
    with pytest.raises(NetworkError):
        fetch(download, path, unwatched, patience(waits))
    server.serve("/a", BODY, etag='"two"')
    fetched = fetch(download, path, unwatched, patience(waits))
    assert (sha256(BODY), BODY) == (fetched.sha256, path.read_bytes())


def test_range_of_a_changed_file_is_not_used(server: Server, path: Path, waits: Waits) -> None:
    """A server that ignores the condition gives itself away by its ETag."""
    url = server.serve("/a", b"x" * len(BODY), cuts=[HALF, 0, 0, 0])
    download = Download("test", url, size_bytes=len(BODY))
    with pytest.raises(NetworkError):
        fetch(download, path, unwatched, patience(waits))
    server.serve("/a", BODY, etag='"two"', ignores_condition=True)
    assert sha256(BODY) == fetch(download, path, unwatched, patience(waits)).sha256


@pytest.mark.parametrize("changed", ["source", "revision", "size_bytes", "digest"])
def test_other_binding_starts_over(server: Server, path: Path, waits: Waits, changed: str) -> None:
    """A download is continued only for the same source, revision, size and digest."""
    url = server.serve("/a", BODY, cuts=[HALF, 0, 0, 0])
    values = {"source": "a", "revision": "b", "size_bytes": len(BODY), "digest": None}
    others = {
        "source": "c",
        "revision": "d",
        "size_bytes": None,
        "digest": Digest("sha256", sha256(BODY)),
    }
    with pytest.raises(NetworkError):
        fetch(Download(url=url, **values), path, unwatched, patience(waits))  # type: ignore[arg-type]
    other = Download(url=url, **{**values, changed: others[changed]})  # type: ignore[arg-type]
    fetched = fetch(other, path, unwatched, patience(waits))
    assert fetched.received_bytes == len(BODY)


def test_server_without_ranges_sends_the_whole(server: Server, path: Path, waits: Waits) -> None:
    """A 200 to a request for the rest is the file from its start."""
    url = server.serve("/a", BODY, cuts=[HALF], ignores_range=True)
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-9/10", f"bytes {HALF}-{len(BODY) - 1}/*", "nonsense", "bytes 5-262143/262144"],
)
def test_wrong_range_is_not_used(
    server: Server, path: Path, waits: Waits, content_range: str
) -> None:
    """A 206 for other bytes than were asked for is dropped, and the whole is fetched."""
    url = server.serve("/a", BODY, cuts=[HALF], content_range=content_range)
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY
    assert "Range" not in server.gets("/a")[-1]


def test_weak_etag_without_digest_starts_over(server: Server, path: Path, waits: Waits) -> None:
    """Where nothing proves that the rest fits the beginning, the beginning is dropped."""
    url = server.serve("/a", BODY, cuts=[HALF], etag='W/"one"')
    fetched = fetch(Download("test", url), path, unwatched, patience(waits))
    asked = [headers["Range"][:8] for headers in server.gets("/a")]
    assert (sha256(BODY), ["bytes=0-"] * 2) == (fetched.sha256, asked)


def test_weak_etag_with_digest_resumes(server: Server, path: Path, waits: Waits) -> None:
    """A known digest proves the whole, so the rest may come without a condition."""
    url = server.serve("/a", BODY, cuts=[HALF], etag=None)
    fetch(pinned(url), path, unwatched, patience(waits))
    last = server.gets("/a")[-1]
    assert (f"bytes={HALF}-", False) == (last["Range"], "If-Range" in last)


def test_wrong_bytes_are_dropped(server: Server, path: Path, waits: Waits) -> None:
    """Other bytes of the right size fail, and nothing of them is left to resume."""
    url = server.serve("/a", b"x" * len(BODY))
    with pytest.raises(IntegrityError, match="its sha256 is"):
        fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == b""


def test_bad_beginning_gets_one_more_chance(server: Server, path: Path, waits: Waits) -> None:
    """When a resumed file has the wrong digest, it is fetched whole once."""
    url = server.serve("/a", BODY, cuts=[HALF, 0, 0, 0])
    with pytest.raises(NetworkError):
        fetch(pinned(url), path, unwatched, patience(waits))
    with path.open("r+b") as file:
        file.write(b"rot")
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY


def test_other_size_is_refused_before_the_bytes(server: Server, path: Path, waits: Waits) -> None:
    """A server that announces another size is not read."""
    url = server.serve("/a", BODY + b"more")
    with pytest.raises(IntegrityError, match=r"the server has 262,148 bytes, expected 262,144"):
        fetch(pinned(url), path, unwatched, patience(waits))


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_too_many_bytes_are_refused(server: Server, path: Path, waits: Waits, framing: str) -> None:
    """A server that does not say how much it sends cannot fill the disk."""
    url = server.serve("/a", BODY * 2, framing=framing)
    with pytest.raises(IntegrityError, match="longer than 262,144 bytes"):
        fetch(pinned(url), path, unwatched, patience(waits))


def test_too_few_bytes_of_unknown_length(server: Server, path: Path, waits: Waits) -> None:
    """An end that comes too early is no file, however often the server says so."""
    url = server.serve("/a", BODY[:HALF], framing="close")
    with pytest.raises(NetworkError, match=r"connection broke|another range"):
        fetch(pinned(url), path, unwatched, patience(waits))


def test_unknown_length_in_chunks_is_taken(server: Server, path: Path, waits: Waits) -> None:
    """Chunks mark the end, so nothing else is needed."""
    url = server.serve("/a", BODY, framing="chunked")
    fetched = fetch(Download("test", url), path, unwatched, patience(waits))
    assert sha256(BODY) == fetched.sha256


def test_unknown_length_without_digest_is_refused(server: Server, path: Path, waits: Waits) -> None:
    """Where a cut could not be told from the end, nothing is taken."""
    url = server.serve("/a", BODY, framing="close", ignores_range=True)
    with pytest.raises(NetworkError, match="how long the file is"):
        fetch(Download("test", url), path, unwatched, patience(waits))


def test_wrong_digest_of_unknown_size(server: Server, path: Path, waits: Waits) -> None:
    """The size is checked even where the server never says one."""
    url = server.serve("/a", b"", framing="chunked")
    download = Download("test", url, digest=Digest("sha512", "0"))
    with pytest.raises(IntegrityError, match="its sha512 is"):
        fetch(download, path, unwatched, patience(waits))


def test_empty_file_is_a_file(server: Server, path: Path, waits: Waits) -> None:
    """No bytes at all are complete when that is what they should be."""
    fetched = fetch(pinned(server.serve("/a", b""), b""), path, unwatched, patience(waits))
    assert (0, sha256(b"")) == (fetched.size_bytes, fetched.sha256)


def test_overloaded_server_is_given_the_time_it_asks(
    server: Server, path: Path, waits: Waits
) -> None:
    """`Retry-After` is honoured, and a date in it counts as nothing."""
    url = server.serve("/a", BODY, statuses=[503, 429], headers={"Retry-After": "7"})
    fetch(pinned(url), path, unwatched, patience(waits))
    assert min(waits) >= 7
    assert len(waits) == 2


def test_backoff_grows_and_has_jitter(waits: Waits) -> None:
    """Each attempt waits longer, up to a bound, and never twice the same."""
    patient = patience(waits)
    delays = [patient.delay_s(attempt, 0.0) for attempt in range(10)]
    assert all(0.5 * 2**n * 0.5 <= delay <= 0.5 * 2**n for n, delay in enumerate(delays[:5]))
    assert max(delays) <= 20
    assert len(set(delays)) == len(delays)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (410, NotFound),
        (400, NetworkError),
    ],
)
def test_lasting_failure_is_not_retried(
    server: Server, path: Path, waits: Waits, status: int, failure: type[Exception]
) -> None:
    """What will not get better is reported at once."""
    url = server.serve("/a", BODY, statuses=[status])
    with pytest.raises(failure, match=f"answers {status}"):
        fetch(pinned(url), path, unwatched, patience(waits))
    assert waits == []


def test_range_beyond_the_end_starts_over(server: Server, path: Path, waits: Waits) -> None:
    """A 416 means that the file is not what it was."""
    url = server.serve("/a", BODY, cuts=[HALF, 0, 0, 0])
    with pytest.raises(NetworkError):
        fetch(pinned(url), path, unwatched, patience(waits))
    server.files["/a"].statuses = [416]
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY


def test_compressed_answer_is_refused(server: Server, path: Path, waits: Waits) -> None:
    """Bytes that were changed on the way are not the file."""
    url = server.serve("/a", BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(NetworkError, match="changed bytes"):
        fetch(pinned(url), path, unwatched, patience(waits))


def test_host_that_is_not_there_is_left_at_once(path: Path, waits: Waits) -> None:
    """Nobody waits for a host that refuses the first connection."""
    url = f"http://127.0.0.1:{free_port()}/a"
    with pytest.raises(NetworkError, match="cannot be reached"):
        fetch(pinned(url), path, unwatched, patience(waits))
    assert waits == []


def test_redirects_are_followed(server: Server, path: Path, waits: Waits) -> None:
    """A redirect on this host leads to the file."""
    server.serve("/b", BODY)
    url = server.serve("/a", b"", statuses=[302], headers={"Location": "/b"})
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY


def test_redirect_to_plain_http_elsewhere_is_refused(
    server: Server, path: Path, waits: Waits
) -> None:
    """Nothing travels unencrypted, wherever a server points; its secrets are not shown."""
    where = "http://user:secret@models.example/b?token=secret"
    url = server.serve("/a", b"", statuses=[302], headers={"Location": where})
    with pytest.raises(NetworkError) as caught:
        fetch(pinned(url), path, unwatched, patience(waits))
    assert caught.value.message == "`http://models.example/b` is not HTTPS"


def test_endless_redirects_end(server: Server, path: Path, waits: Waits) -> None:
    """A server that points at itself is a failure, not a loop."""
    url = server.serve("/a", b"", statuses=[302] * 50, headers={"Location": "/a"})
    with pytest.raises(NetworkError, match="redirect"):
        fetch(pinned(url), path, unwatched, patience(waits))


def test_local_file_is_copied_and_verified(tmp_path: Path, path: Path, waits: Waits) -> None:
    """A `file:` address goes through the same checks."""
    origin = tmp_path / "mödel.bin"
    origin.write_bytes(BODY)
    fetched = fetch(pinned(origin.as_uri()), path, unwatched, patience(waits))
    assert (sha256(BODY), BODY) == (fetched.sha256, path.read_bytes())


def test_local_file_of_another_size(tmp_path: Path, path: Path, waits: Waits) -> None:
    """A copy is held to the expected size as well."""
    (tmp_path / "origin").write_bytes(BODY)
    download = Download("test", (tmp_path / "origin").as_uri(), size_bytes=5)
    with pytest.raises(IntegrityError, match="it has 262,144 bytes, expected 5"):
        fetch(download, path, unwatched, patience(waits))


def test_only_a_full_disk_is_no_space(tmp_path: Path) -> None:
    """Other failures of the disk stay what they are."""
    broken = OSError(errno.EIO, "Input/output error")
    assert broken is no_space(broken, tmp_path, None)
    full = no_space(OSError(errno.ENOSPC, "No space left"), tmp_path, None)
    assert str(full).startswith("need more, have ")


def test_long_download_is_synced_on_the_way(path: Path) -> None:
    """The state follows the bytes while they arrive, not only at the end."""
    body = memoryview(bytes(BODY))
    with Partial(path, Binding("test", None, 2 * len(body), None)) as partial, Keeper(partial):
        partial.begin('"one"', 2 * len(body))
        partial.write(body, 0)
        partial.record(0, len(body))
        deadline = time.monotonic() + 20
        while not json.loads(state_path(path).read_bytes())["state"]["done"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def wait_until_broken(keeper: Keeper) -> None:
    """Return when *keeper* has failed."""
    deadline = time.monotonic() + 20
    while keeper.failure is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bytes_that_cannot_be_written_out_are_told(path: Path) -> None:
    """A disk that fails while its part of the file is dropped from memory fails the download."""
    body = memoryview(bytes(2 * WINDOW_BYTES))
    with Partial(path, Binding("test", None, len(body), None)) as partial:
        partial.append(body)
        partial.hasher.finish(len(body))
        descriptor, partial.descriptor = partial.descriptor, -1
        with pytest.raises(OSError, match="Bad file descriptor"), Keeper(partial) as keeper:
            wait_until_broken(keeper)
        partial.descriptor = descriptor


def test_missing_local_file_is_not_found(tmp_path: Path, path: Path, waits: Waits) -> None:
    """A path that names no file fails by its name."""
    with pytest.raises(NotFound, match="is no file"):
        fetch(pinned(tmp_path.as_uri()), path, unwatched, patience(waits))


@pytest.mark.parametrize("damage", ["no state", "bad state", "short file", "long file"])
def test_state_never_claims_more_than_there_is(
    server: Server, path: Path, waits: Waits, damage: str
) -> None:
    """Whatever a crash left, the file is whole in the end."""
    url = server.serve("/a", BODY, cuts=[HALF, 0, 0, 0])
    with pytest.raises(NetworkError):
        fetch(pinned(url), path, unwatched, patience(waits))
    match damage:
        case "no state":
            state_path(path).unlink()
        case "bad state":
            state_path(path).write_bytes(b'{"binding": 1')
        case "short file":
            path.write_bytes(b"")
        case _:
            path.write_bytes(BODY[:HALF] + b"never synced")
    fetch(pinned(url), path, unwatched, patience(waits))
    assert path.read_bytes() == BODY


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cuts=st.lists(st.integers(0, len(BODY)), max_size=4),
    statuses=st.lists(st.sampled_from([500, 502, 503]), max_size=2),
    ignores_range=st.booleans(),
    etag=st.sampled_from(['"one"', 'W/"one"', None]),
)
def test_any_mix_of_faults_ends_in_the_right_bytes(
    server: Server,
    tmp_path: Path,
    cuts: list[int],
    statuses: list[int],
    ignores_range: bool,  # noqa: FBT001 - hypothesis passes it by name
    etag: str | None,
) -> None:
    """Cuts, errors and ignored ranges cost time, never correctness."""
    path = tmp_path / "partial" / str(len(server.asked))
    url = server.serve(
        "/a", BODY, cuts=cuts, statuses=statuses, ignores_range=ignores_range, etag=etag
    )
    patient = Patience(attempts=20, sleep=lambda _: None)
    assert sha256(BODY) == fetch(pinned(url), path, unwatched, patient).sha256
    assert path.read_bytes() == BODY
