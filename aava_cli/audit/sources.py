"""Bytes of a log, from wherever it is: files, packed files, standard input, containers, units."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import zlib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from aava_cli.audit.following import follow_file, follow_pipe
from aava_cli.audit.problems import Damaged, Unreadable
from aava_cli.errors import NotPossible, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.audit.plan import Source

_READ_BYTES = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_HEAD_BYTES = 8192
# A log in another script has many bytes above 127, and hardly any of these.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_SHARE = 0.1
_WINDOW_BYTES = 128 << 20
_GZIP_BITS = 31
# What the two decoders raise: `zlib.error` and `zstandard.ZstdError`, which may be missing.
_DAMAGE = ("error", "ZstdError")
_END_S = 2.0


def read_source(source: Source, *, follow: bool) -> Iterator[bytes]:
    """Yield the bytes of *source* as they come; nothing for a while is an empty chunk.

    Raises:
        Unreadable: it is not there, is no log, or is refused.
        Damaged: it is packed, and ends too early or holds nonsense.
    """
    match source.kind:
        case "file":
            yield from _read_file(Path(source.name), follow=follow)
        case "stdin":
            yield from _unpacked(sys.stdin.buffer, "standard input", follow=follow)
        case "docker":
            yield from _read_container(source.name, follow=follow)
        case _:
            yield from _read_program(_journal(source.name, follow=follow), follow=follow)


def _read_file(path: Path, *, follow: bool) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        message = f"cannot read `{path}`: {error.strerror}"
        raise Unreadable(message, hint="name a log, or `-` for standard input") from error
    with file:
        if not follow:
            yield from _unpacked(file, str(path), follow=False)
            return
        head = file.read(_HEAD_BYTES)
        _require_text(head, str(path))
        if head.startswith((_GZIP, _ZSTD)):
            message = f"`{path}` is packed, so nothing is added to it"
            raise UsageError(message, hint="follow the log that is written now")
    yield from follow_file(path)


def _unpacked(file: IO[bytes], name: str, *, follow: bool) -> Iterator[bytes]:
    """Yield what *file* holds, unpacked where its first bytes say that it is packed."""
    if follow:
        yield from follow_pipe(file)
        return
    head = _read_up_to(file, _HEAD_BYTES)
    if head.startswith(_GZIP):
        start = partial(zlib.decompressobj, wbits=_GZIP_BITS)
        yield from _checked(_unpack(start, _chunks(head, file), name), name)
    elif head.startswith(_ZSTD):
        yield from _checked(_unpack(_zstd_start(name), _chunks(head, file), name), name)
    else:
        yield from _checked(_chunks(head, file), name)


def _read_up_to(file: IO[bytes], size: int) -> bytes:
    # A pipe gives what is there, which may be less than what tells a packed log.
    head = b""
    while len(head) < size and (chunk := file.read(size - len(head))):
        head += chunk
    return head


def _chunks(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield head
    while chunk := file.read(_READ_BYTES):
        yield chunk


def _checked(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    is_first = True
    for chunk in chunks:
        if is_first and chunk:
            _require_text(chunk, name)
            is_first = False
        # An empty chunk would be taken for a pause.
        if chunk:
            yield chunk


def _require_text(chunk: bytes, name: str) -> None:
    head = chunk[:_HEAD_BYTES]
    if len(_BINARY.findall(head)) > _BINARY_SHARE * len(head):
        raise Unreadable(f"`{name}` is binary, not a log", hint="name a log in text, or packed")


class _Decoder(Protocol):
    """Decodes one gzip member, or one zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether its end was read."""

    @property
    def unused_data(self) -> bytes:
        """What was read behind its end."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what *data* holds."""


def _unpack(start: Callable[[], _Decoder], packed: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield what *packed* holds: members or frames, one behind the other."""
    decoder = start()
    for chunk in packed:
        for begin in range(0, len(chunk), _HEAD_BYTES):
            data = chunk[begin : begin + _HEAD_BYTES]
            while data:
                if decoder.eof:
                    decoder = start()
                try:
                    yield decoder.decompress(data)
                except Exception as error:
                    if type(error).__name__ not in _DAMAGE:
                        raise
                    raise _damaged(name, "is damaged") from error
                data = decoder.unused_data if decoder.eof else b""
    if not decoder.eof:
        raise _damaged(name, "ends too early")


def _zstd_start(name: str) -> Callable[[], _Decoder]:
    if not find_spec("zstandard"):
        message = f"`{name}` is packed with zstd, which this Python cannot read"
        raise NotPossible(message, hint="install the extra: `pip install 'aava[zst]'`")
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj


def _damaged(name: str, how: str) -> Damaged:
    return Damaged(
        f"`{name}` {how}: only what comes before was read", hint="copy the log once more"
    )


def _read_container(name: str, *, follow: bool) -> Iterator[bytes]:
    from aava_cli.docker.engine import inspect_container
    from aava_cli.docker.problems import ContainerMissing

    try:
        container = inspect_container(name)
    except ContainerMissing as error:
        raise Unreadable(error.message, hint=error.hint) from error
    options = ("--follow",) if follow else ()
    yield from _read_program(
        ("docker", "logs", "--timestamps", *options, container.id), follow=follow
    )


def _journal(unit: str, *, follow: bool) -> tuple[str, ...]:
    # Options in one word each: a unit that looks like one is still a unit.
    options = ("--follow", "--no-tail") if follow else ()
    return ("journalctl", "--no-pager", "--output=json", *options, f"--unit={unit}")


def _read_program(argv: tuple[str, ...], *, follow: bool) -> Iterator[bytes]:
    """Yield what *argv* prints on both its streams; it does not outlive the reader."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        message = f"there is no `{argv[0]}` program on the PATH"
        raise Unreadable(message, hint="name a file with the log instead") from error
    output, last = cast("IO[bytes]", process.stdout), b""
    try:
        for chunk in follow_pipe(output) if follow else iter(lambda: output.read(_READ_BYTES), b""):
            last = chunk or last
            yield chunk
        code = process.wait()
    finally:
        _end(process)
    if code:
        said = last.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Unreadable(f"`{argv[0]}` failed: {said}", hint=f"run `{argv[0]}` to see why")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
