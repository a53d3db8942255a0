"""Look at a file before its first byte is downloaded: does it fit, and is it a model at all.

What is found out costs a hundredth of the file at most. Nobody looks where there is nothing to
gain: at small files, and at those whose size and digest the catalog has. Other bytes of the same
size are found out by their digest, and of another size by the first answer of their server.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.download.plan import need_of, room_factor
from aava_cli.download.presence import free_bytes
from aava_cli.download.sharing.shelf import begun, data_file, kept_prefix, reserved_bytes
from aava_cli.download.sources.http import Transient
from aava_cli.download.sources.peek import foreign, kind_of
from aava_cli.download.sources.ranges import OnDisk, open_source
from aava_cli.errors import IntegrityError
from aava_cli.events import Log, ignore
from aava_cli.gguf import read_beginning
from aava_cli.modelfiles.ggml import ggml_sizes
from aava_cli.modelfiles.reader import Reader
from aava_cli.quantisation import FILE_TYPES, is_other_type, is_other_weight, named_quantisation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.catalog import RemoteFile
    from aava_cli.download.transfer.fetch import Download
    from aava_cli.events import Emit
    from aava_cli.gguf import Beginning, Source, Value

SMALL_BYTES = 8 << 20
FIRST_BYTES = 64 << 10
_SHARE = 100
_WHISPER_TYPES = range(10)  # from ten on whisper.cpp counts in a way of its own
_OTHER_TYPES = frozenset({"adapter", "imatrix", "mmproj"})
_PICTURES = "clip"


def look_ahead(download: Download, file: RemoteFile, work: Path, source: str, emit: Emit) -> None:
    """Check that *download*, from *source*, can become *file* before it is fetched to *work*.

    What was fetched before is looked at there. A server that fails for now is left to the
    download, which knows how to wait.

    Raises:
        IntegrityError: it is no model, or not the one that its name says.
        NoSpace: it does not fit on the disk.
        NotFound, AccessDenied, NetworkError: the server does not give it away.
    """
    size_bytes = download.size_bytes
    is_small = size_bytes is not None and size_bytes < SMALL_BYTES
    is_pinned = None not in (file.sha256, file.size_bytes)
    if not (is_small or is_pinned or _is_begun_well(file, work, source)):
        size_bytes = refuse_foreign(download, file, emit)
    if size_bytes is not None:
        check_room(size_bytes, file, work, source)


def refuse_foreign(download: Download, file: RemoteFile, emit: Emit = ignore) -> int | None:
    """Return the size of *download* if its server says it, once it may well be *file*.

    Raises:
        As `look_ahead` does.
    """
    size_bytes = download.size_bytes
    # A file that is not there is the download's to tell.
    with suppress(Transient, OSError), open_source(download) as opened:
        warnings = judge(opened, _names(download, file))
        size_bytes = opened.size_bytes
        for warning in warnings:
            emit(Log(f"`{file.path}` {warning}", "warning"))
    return size_bytes


def check_room(size_bytes: int, file: RemoteFile, work: Path, source: str) -> None:
    """Check that *work* has room for *file*, packed and unpacked, and something to spare.

    Raises:
        NoSpace: it has not; what was downloaded is kept.
    """
    there = max(map(reserved_bytes, begun(work, source)), default=0)
    need = need_of(work, max(0, size_bytes * room_factor(file) - there), free_bytes(work))
    need.check()


def judge(source: Source, names: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    """Return what is odd about the file in *source*, which is to become the first of *names*.

    Raises:
        IntegrityError: it cannot be that file.
    """
    head = source.read_at(0, FIRST_BYTES)
    if not head:
        return ()
    problem = foreign(head, names[0])
    if problem:
        raise _unlike(names[0], problem)
    match kind_of(names[0]) or names[0].suffix:
        case "gguf" | ".gguf":
            return _judge_gguf(_Known(source, head), names)
        case "ggml":
            _judge_whisper(head, names)
    return ()


class _Known:
    """A source whose first bytes were read already."""

    def __init__(self, source: Source, head: bytes) -> None:
        self._source = source
        self._head = head

    @property
    def size_bytes(self) -> int | None:
        return self._source.size_bytes

    def read_at(self, offset: int, count: int) -> bytes:
        known = self._head[offset : offset + count]
        return known or self._source.read_at(offset, count)


def _judge_gguf(source: Source, names: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    size_bytes = source.size_bytes or 0
    most_bytes = max(FIRST_BYTES, size_bytes // _SHARE)
    beginning = read_beginning(source, name=names[0].name, most_bytes=most_bytes)
    metadata, header = beginning.metadata, beginning.header
    # The parts of a model that was split say what it is in the first of them only.
    is_part = isinstance(metadata.get("split.no"), int) and metadata["split.no"] != 0
    problem = _problem_of_kind(metadata) or _problem_of_weights(beginning, names)
    if header is not None and problem is None:
        if not is_part and not metadata.get("general.architecture"):
            problem = "says nothing of its architecture"
        elif size_bytes and header.end > size_bytes:
            problem = f"has tensors up to byte {header.end:,}, of which {size_bytes:,} are there"
    if problem:
        raise _unlike(names[0], problem)
    if header is None or is_part or "tokenizer.chat_template" in metadata:
        return ()
    return ("has no chat template: `LOCAL_LLM_CHAT_FORMAT` must say which one fits",)


def _problem_of_kind(metadata: Mapping[str, Value]) -> str | None:
    kind = metadata.get("general.type")
    if kind in _OTHER_TYPES:
        return f"is of the type `{kind}`, no model of its own"
    if metadata.get("general.architecture") == _PICTURES:
        return "is the part of a model that sees pictures, no language model"
    return None


def _problem_of_weights(beginning: Beginning, names: tuple[PurePosixPath, ...]) -> str | None:
    metadata, header = beginning.metadata, beginning.header
    number = metadata.get("general.file_type")
    if isinstance(number, int) and number in FILE_TYPES:
        return _problem_of_type(number, names)
    if header is None or "split.no" in metadata:
        return None
    bits = header.bits_per_weight
    for named in _quantisations(names):
        if is_other_weight(named, bits):
            return f"spends {bits:.1f} bits on a weight, where its name says {named}"
    return None


def _problem_of_type(number: int, names: tuple[PurePosixPath, ...]) -> str | None:
    for named in _quantisations(names):
        if is_other_type(named, number):
            return f"is packed as {FILE_TYPES[number]}, where its name says {named}"
    return None


def _judge_whisper(head: bytes, names: tuple[PurePosixPath, ...]) -> None:
    number = ggml_sizes(Reader(Path(names[0].name), io.BytesIO(head)))[-1] % 1000
    problem = _problem_of_type(number, names) if number in _WHISPER_TYPES else None
    if problem:
        raise _unlike(names[0], problem)


def _quantisations(names: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (named_quantisation(each.name) for each in names)))


def _names(download: Download, file: RemoteFile) -> tuple[PurePosixPath, ...]:
    """Return what *file* will be called, and what its source calls it."""
    source = PurePosixPath(download.source)
    if file.archive is not None:
        return (PurePosixPath(f"{file.path}.{file.archive.format}"), source)
    return (file.path, source)


def _is_begun_well(file: RemoteFile, work: Path, source: str) -> bool:
    """Return whether the first bytes are on disk and right; wrong ones may be replaced by now."""
    for folder in begun(work, source):
        prefix = kept_prefix(folder)
        if prefix >= FIRST_BYTES:
            with suppress(IntegrityError, OSError):
                judge(OnDisk(data_file(folder), prefix), (file.path,))
                return True
    return False


def _unlike(name: PurePosixPath, problem: str) -> IntegrityError:
    hint = "look at the source that was named, or at the catalog's entry"
    return IntegrityError(f"`{name.name}` {problem}", hint=hint)
