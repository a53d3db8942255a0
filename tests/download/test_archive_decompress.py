"""Every decoder gives the same bytes, and the same refusals, whole or while they come."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
import zstandard

from aava_cli.download.archives.decompress import (
    Compression,
    Reader,
    by_python,
    compression_of,
    fastest,
)
from aava_cli.download.archives.parallel import by_lbzip2, by_rapidgzip
from aava_cli.errors import IntegrityError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Decode: TypeAlias = Callable[[Path, Reader], AbstractContextManager[Reader]]

BODY = os.urandom(3 << 20) + bytes(1 << 20)
PACKED: dict[Compression, bytes] = {
    "gz": gzip.compress(BODY, 1),
    "bz2": bz2.compress(BODY),
    "xz": lzma.compress(BODY, preset=0),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress(BODY),
}


def whole(kind: Compression, file: Path, packed: Reader) -> AbstractContextManager[Reader]:
    """Decode a whole file on several cores."""
    return by_rapidgzip(kind, file, packed)


DECODERS: dict[str, tuple[Compression, Decode]] = {
    "gz": ("gz", lambda _file, packed: by_python("gz", packed)),
    "bz2": ("bz2", lambda _file, packed: by_python("bz2", packed)),
    "xz": ("xz", lambda _file, packed: by_python("xz", packed)),
    "zst": ("zst", lambda _file, packed: by_python("zst", packed)),
    "gz-rapidgzip": ("gz", partial(whole, "gz")),
    "bz2-rapidgzip": ("bz2", partial(whole, "bz2")),
    "bz2-lbzip2": ("bz2", lambda _file, packed: by_lbzip2(packed)),
}
needs_lbzip2 = pytest.mark.skipif(not shutil.which("lbzip2"), reason="there is no lbzip2 here")
every_decoder = pytest.mark.parametrize(
    ("kind", "decode"),
    [
        pytest.param(*known, id=name, marks=[needs_lbzip2] * name.endswith("lbzip2"))
        for name, known in DECODERS.items()
    ],
)


def decoded(folder: Path, decode: Decode, packed: bytes) -> bytes:
    """Return what *packed* holds."""
    file = folder / "packed"
    file.write_bytes(packed)
    with file.open("rb") as stream, decode(file, stream) as reader:
        return b"".join(pieces(reader))


def pieces(reader: Reader) -> Iterator[bytes]:
    """Yield all that *reader* gives, never more than was asked for."""
    while data := reader.read(1 << 16):
        assert len(data) <= 1 << 16
        yield data


@every_decoder
def test_gives_what_was_packed(tmp_path: Path, kind: Compression, decode: Decode) -> None:
    """All bytes arrive, of one frame and of several behind each other."""
    assert kind == compression_of(PACKED[kind][:8])
    assert decoded(tmp_path, decode, PACKED[kind]) == BODY
    assert decoded(tmp_path, decode, PACKED[kind] * 2) == BODY * 2


@every_decoder
def test_something_behind_the_end(tmp_path: Path, kind: Compression, decode: Decode) -> None:
    """What follows the last frame is no part of it."""
    # The package `zstandard` takes less than a header for the end of its input.
    short = () if kind == "zst" else (b"g", PACKED[kind][:1])
    for behind in (b"garbage", bytes(2000), *short):
        with pytest.raises(IntegrityError, match=f"its {kind} data"):
            decoded(tmp_path, decode, PACKED[kind] + behind)


@every_decoder
def test_damage_in_the_middle(tmp_path: Path, kind: Compression, decode: Decode) -> None:
    """A changed byte is found by the frame's checksum."""
    packed = bytearray(PACKED[kind])
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(IntegrityError, match=f"its {kind} data is damaged or cut off"):
        decoded(tmp_path, decode, bytes(packed))


@every_decoder
@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_cut_data_is_no_whole(
    tmp_path: Path, kind: Compression, decode: Decode, keep: float
) -> None:
    """What is cut off is refused, or at least not taken for all of it: then a tar has no end."""
    packed = PACKED[kind][: int(len(PACKED[kind]) * keep)]
    with suppress(IntegrityError):
        assert len(decoded(tmp_path, decode, packed)) < len(BODY)


@needs_lbzip2
@pytest.mark.parametrize("decode", [by_lbzip2, partial(by_python, "bz2")])
def test_failure_of_what_is_read_is_told(
    decode: Callable[[Reader], AbstractContextManager[Reader]],
) -> None:
    """A network that fails is not taken for damage."""

    class Broken:
        def read(self, _size: int, /) -> bytes:
            raise NetworkError("gone", hint="try again")

    with decode(Broken()) as reader, pytest.raises(NetworkError, match="gone"):
        reader.read(1)


@needs_lbzip2
def test_decoder_may_be_left_early() -> None:
    """Who has what it wants need not read the rest."""
    with by_lbzip2(io.BytesIO(PACKED["bz2"] * 8)) as reader:
        assert reader.read(10)


def test_rapidgzip_refuses_what_is_no_archive(tmp_path: Path) -> None:
    """Its complaint on opening is told like any other damage."""
    with pytest.raises(IntegrityError, match="its gz data is damaged or cut off"):
        decoded(tmp_path, partial(whole, "gz"), b"\x1f\x8b")


@needs_lbzip2
def test_small_files_are_not_worth_a_thread(tmp_path: Path) -> None:
    """Several cores are used for large files, and for what may become one."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"1")
    large.touch()
    os.truncate(large, 5 << 20)
    chosen = {
        (kind, name): getattr(fastest(kind, file), "func", fastest(kind, file)).__name__
        for kind in PACKED
        for name, file in (("small", small), ("large", large), ("stream", None))
    }
    assert {
        ("gz", "large"): "by_rapidgzip",
        ("bz2", "large"): "by_rapidgzip",
        ("bz2", "stream"): "by_lbzip2",
    } == {key: name for key, name in chosen.items() if name != "by_python"}


WITHOUT_EXTRAS = """
import io
from aava_cli.download.archives.decompress import by_python, fastest
from aava_cli.errors import NotPossible
print([fastest(kind, None).func.__name__ for kind in ("gz", "bz2", "zst")])
try:
    with by_python("zst", io.BytesIO()) as reader:
        print(reader.read(1))
except NotPossible as error:
    print(error.message, error.hint)
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python reads zstd itself")
def test_missing_extra_is_named(tmp_path: Path) -> None:
    """Without extras Python's own decoders do, and zstd names what to install."""
    ran = subprocess.run(
        (sys.executable, "-S", "-c", WITHOUT_EXTRAS),
        env={"PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=True,
        text=True,
    )
    chosen, refusal = ran.stdout.splitlines()
    assert chosen == str(["by_python"] * 3)
    assert refusal.endswith("install the extra: `pip install 'aava[zst]'`")
