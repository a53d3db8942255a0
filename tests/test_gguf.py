"""GGUF headers: what writers write is read, and hostile bytes are refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from gguf import GGUFReader
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import IntegrityError
from aava_cli.gguf import Array, check_extent, parse_header, read_beginning, read_header
from aava_cli.gguf_cursor import HeaderCut
from aava_cli.quantisation import BLOCKS, tensor_bytes
from tests.tiny_models import truncate_half, write_gguf

if TYPE_CHECKING:
    from pathlib import Path


def text(value: str) -> bytes:
    """Return *value* as GGUF writes texts."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    """Return one entry of the metadata."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int = 0) -> bytes:
    """Return the description of one tensor."""
    sides = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sides + struct.pack("<IQ", kind, offset)


def gguf(*pairs: bytes, tensors: tuple[bytes, ...] = (), version: int = 3) -> bytes:
    """Return a header."""
    counts = struct.pack("<IQQ", version, len(tensors), len(pairs))
    return b"GGUF" + counts + b"".join(pairs) + b"".join(tensors)


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    """Metadata, tensors and the extent agree with the file."""
    path = write_gguf(tmp_path / "a.gguf")
    with path.open("rb") as file:
        header = check_extent(file, path.stat().st_size, name="a.gguf")
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["llama.context_length"] == 2048
    tokens = header.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, Array)
    assert (8, 265) == (tokens.element_type, tokens.count)
    assert header.tensors[0].shape == (32, 265)
    assert 0 <= path.stat().st_size - header.end < 32


def test_block_sizes_are_those_of_the_library() -> None:
    """Every type that we know has the size that the reference package gives it."""
    theirs = {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}
    assert {kind: theirs[kind] for kind in BLOCKS} == BLOCKS
    assert len(BLOCKS) >= 32


def test_every_kind_of_value() -> None:
    """Numbers come out as they went in; lists are counted and skipped."""
    array = struct.pack("<IQ", 4, 3) + bytes(12)
    texts = struct.pack("<IQ", 8, 2) + text("ä") + text("")
    nested = struct.pack("<IQ", 9, 2) + array + array
    header = parse_header(
        gguf(
            pair("u8", 0, b"\xff"),
            pair("i8", 1, b"\xff"),
            pair("u16", 2, b"\xff\xff"),
            pair("i16", 3, b"\xff\xff"),
            pair("u32", 4, b"\xff" * 4),
            pair("i32", 5, b"\xff" * 4),
            pair("f32", 6, struct.pack("<f", 0.5)),
            pair("flag", 7, b"\x01"),
            pair("text", 8, text("grüß")),
            pair("u64", 10, b"\xff" * 8),
            pair("i64", 11, b"\xff" * 8),
            pair("f64", 12, struct.pack("<d", 0.5)),
            pair("array", 9, array),
            pair("texts", 9, texts),
            pair("nested", 9, nested),
        ),
        name="a",
    )
    assert header.metadata == {
        "u8": 255,
        "i8": -1,
        "u16": 65535,
        "i16": -1,
        "u32": 2**32 - 1,
        "i32": -1,
        "f32": 0.5,
        "flag": True,
        "text": "grüß",
        "u64": 2**64 - 1,
        "i64": -1,
        "f64": 0.5,
        "array": Array(4, 3, (0, 0, 0)),
        "texts": Array(8, 2),
        "nested": Array(9, 2),
    }


def test_short_lists_of_numbers_are_kept() -> None:
    """What there is for each layer is read; long lists, and more than a model has, are skipped."""
    flags = struct.pack("<IQ", 7, 4) + b"\x01\x00\x01\x01"
    longest = struct.pack("<IQ", 4, 1024) + struct.pack("<1024I", *range(1024))
    longer = struct.pack("<IQ", 4, 1025) + bytes(4 * 1025)
    many = [pair(f"list {index}", 9, longest) for index in range(40)]
    header = parse_header(
        gguf(pair("flags", 9, flags), pair("longest", 9, longest), pair("longer", 9, longer)),
        name="a",
    )
    assert {
        "flags": Array(7, 4, (True, False, True, True)),
        "longest": Array(4, 1024, tuple(range(1024))),
        "longer": Array(4, 1025),
    } == header.metadata
    lists = parse_header(gguf(*many), name="a").metadata.values()
    kept = [each.values for each in lists if isinstance(each, Array) and each.values]
    assert (40, 32) == (len(lists), len(kept))


def test_alignment_moves_the_data() -> None:
    """The tensors begin at a multiple of what the file itself says."""
    aligned = pair("general.alignment", 4, struct.pack("<I", 256))
    header = parse_header(gguf(aligned, tensors=(tensor("a", (32,), 8, 512),)), name="a")
    assert (256, 256 + 512 + 34) == (header.data_offset, header.end)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "ends before its header does, at byte 0"),
        (b"GGML" + bytes(100), "does not begin with `GGUF`"),
        (gguf(version=1), "is GGUF version 1, where 2 and 3 are known"),
        (gguf(version=0), "is GGUF version 0"),
        (gguf(version=3 << 24), "is a big-endian GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "claims 9,223,372,036,854,775,808 entries"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1000), "ends before its header does"),
        (gguf(pair("a", 13, b"")), "metadata of the unknown type 13"),
        (gguf(pair("a", 8, struct.pack("<Q", 2**62))), "claims a text of"),
        (gguf(pair("a", 8, struct.pack("<Q", 2**20))), "ends before its header does"),
        (gguf(pair("a", 9, struct.pack("<IQ", 4, 2**62))), "ends before its header does"),
        (gguf(pair("a", 9, struct.pack("<IQ", 8, 2**62))), "claims 4,611,686,018,427,387,904"),
        (gguf(pair("a", 9, struct.pack("<IQ", 8, 2**20))), "ends before its header does"),
        (gguf(pair("a", 9, struct.pack("<IQQ", 8, 2, 2**63) + bytes(8))), "ends before"),
        (gguf(pair("a", 9, struct.pack("<IQQ", 8, 1, 99))), "ends before its header does"),
        (gguf(pair("a", 9, struct.pack("<IQ", 9, 1) * 6)), "has lists within lists"),
        (gguf(pair("general.alignment", 4, bytes(4))), "has the alignment 0"),
        (gguf(pair("general.alignment", 4, b"\x03\0\0\0")), "has the alignment 3"),
        (gguf(pair("general.alignment", 8, text("x"))), "has the alignment x"),
        (gguf(tensors=(tensor("a", (1,) * 5, 0),)), "has a tensor `a` of 5 dimensions"),
        (gguf(tensors=(tensor("a", (1,), 4),)), "has a tensor `a` of the unknown type 4"),
        (gguf(tensors=(tensor("a", (33,), 8),)), "does not begin or end at a block"),
        (gguf(tensors=(tensor("a", (32,), 8, 1),)), "does not begin or end at a block"),
    ],
)
def test_bad_header_is_refused(data: bytes, problem: str) -> None:
    """What is wrong is said, and no hostile number costs memory or time."""
    with pytest.raises(IntegrityError) as caught:
        parse_header(data, name="a.gguf")
    assert caught.value.message.startswith("`a.gguf` ")
    assert problem in caught.value.message


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    """A header that is whole does not hide that tensors are missing."""
    path = truncate_half(write_gguf(tmp_path / "a.gguf"))
    with path.open("rb") as file, pytest.raises(IntegrityError, match="before its last tensor"):
        check_extent(file, path.stat().st_size, name="a.gguf")


def test_file_without_tensors_is_refused(tmp_path: Path) -> None:
    """A header alone is no model, and neither is an empty file."""
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf())
    with path.open("rb") as file, pytest.raises(IntegrityError, match="has no tensors"):
        check_extent(file, 24, name="a.gguf")
    path.write_bytes(b"")
    with path.open("rb") as file, pytest.raises(IntegrityError, match="is empty"):
        read_header(file, name="a.gguf")


def test_tensor_sizes() -> None:
    """Blocks are counted along the first side; unknown types have no size."""
    assert (1, 4) == (BLOCKS[0])
    assert [tensor_bytes((64, 3), 8), tensor_bytes((33,), 8), tensor_bytes((1,), 5)] == [
        6 * 34,
        None,
        None,
    ]
    assert tensor_bytes((), 0) == 4


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a whole model."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "a.gguf").read_bytes()


@given(st.data())
def test_any_cut_of_the_header_is_refused(sound: bytes, data: st.DataObject) -> None:
    """However short the header is, it is an integrity error."""
    size = parse_header(sound, name="a").data_offset - 32
    cut = data.draw(st.integers(0, size))
    with pytest.raises(IntegrityError):
        parse_header(sound[:cut], name="a")


@given(st.integers(0, 9000), st.binary(min_size=1, max_size=16))
def test_any_damage_is_an_integrity_error(sound: bytes, at: int, noise: bytes) -> None:
    """No bytes make the parser fail in another way."""
    damaged = sound[:at] + noise + sound[at + len(noise) :]
    with suppress(IntegrityError):
        assert parse_header(io.BytesIO(damaged).getvalue(), name="a").end >= 0


class Counted:
    """Bytes in memory that remember how many were read; *has_ranges* as of a server."""

    def __init__(self, data: bytes, *, has_ranges: bool = True) -> None:
        self.data = data
        self.read = 0
        self.has_ranges = has_ranges

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return len(self.data)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return them, as a file would."""
        if offset and not self.has_ranges:
            return b""
        self.read += len(self.data[offset : offset + count])
        return self.data[offset : offset + count]


def with_vocabulary(count: int) -> bytes:
    """Return a header whose *count* tokens stand between its metadata and its tensors."""
    tokens = struct.pack("<IQ", 8, count) + text("token") * count
    described = pair("general.architecture", 8, text("llama"))
    last = pair("last", 4, bytes(4))
    listed = pair("tokenizer.ggml.tokens", 9, tokens)
    return gguf(described, listed, last, tensors=(tensor("a", (32,), 8),)) + bytes(4096)


@pytest.mark.parametrize(
    ("tokens", "read"),
    [(10, 64 << 10), (30_000, 512 << 10), (100_000, 4 << 20), (400_000, 16 << 20)],
)
def test_header_is_read_in_growing_bites(tokens: int, read: int) -> None:
    """A small one costs one request, and a large one is whole after a few."""
    source = Counted(with_vocabulary(tokens) + bytes(20 << 20))
    beginning = read_beginning(source, name="a")
    assert beginning.header == parse_header(source.data, name="a")
    assert read == source.read


def test_header_that_is_longer_than_what_may_be_read() -> None:
    """What came first is known all the same, with or without ranges."""
    data = with_vocabulary(400_000)
    for source, most, read in (
        (Counted(data), 1 << 20, 1 << 20),
        (Counted(data, has_ranges=False), 16 << 20, 64 << 10),
        (Counted(data), 1000, 1000),
        (Counted(with_vocabulary(1_400_000)), 32 << 20, 16 << 20),
    ):
        beginning = read_beginning(source, name="a", most_bytes=most)
        assert ({"general.architecture": "llama"}, None) == (beginning.metadata, beginning.header)
        assert read == source.read


def test_file_that_ends_within_its_header() -> None:
    """That is no lack of patience, but damage."""
    with pytest.raises(HeaderCut, match="ends before its header does"):
        read_beginning(Counted(with_vocabulary(400_000)[:100_000]), name="a")


@given(st.data())
def test_remote_header_is_damaged_in_known_ways_only(sound: bytes, data: st.DataObject) -> None:
    """Cut and changed anywhere, a header costs no more than is there, and fails as our own."""
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 9000))
        noise = data.draw(st.binary(min_size=1, max_size=12))
        damaged[at : at + len(noise)] = noise
    source = Counted(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    with suppress(IntegrityError):
        read_beginning(source, name="a")
    assert source.read <= source.size_bytes


@given(st.data())
def test_hostile_metadata_costs_no_more_than_it_is(data: st.DataObject) -> None:
    """Whatever kinds and counts a header makes up: known errors alone, and bounded memory."""
    kinds = st.sampled_from([0, 4, 6, 7, 8, 9, 10, 13])
    counts = st.one_of(st.integers(0, 2000), st.integers(0, 2**64 - 1))
    pairs = []
    for index in range(data.draw(st.integers(0, 30))):
        described = struct.pack("<IQ", data.draw(kinds), data.draw(counts))
        body = data.draw(st.binary(max_size=64)) * data.draw(st.sampled_from([1, 100]))
        pairs.append(pair(f"key{index}", 9, described + body))
    hostile = gguf(*pairs) + data.draw(st.binary(max_size=64))
    tracemalloc.start()
    with suppress(IntegrityError):
        parse_header(hostile, name="a")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


@given(st.integers(0, 2**64 - 1), st.sampled_from([8, 16]))
def test_hostile_counts_cost_no_memory(sound: bytes, count: int, at: int) -> None:
    """However many tensors or pairs a header claims, it is only believed as far as it reaches."""
    hostile = sound[:at] + struct.pack("<Q", count) + sound[at + 8 :]
    tracemalloc.start()
    with suppress(IntegrityError):
        parse_header(hostile, name="a")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


def test_header_agrees_with_the_library(tmp_path: Path) -> None:
    """Each value, tensor and place is what the reference package reads."""
    path = write_gguf(tmp_path / "a.gguf")
    theirs = GGUFReader(path)
    with path.open("rb") as file:
        ours = read_header(file, name="a")
    described = [(each.name, each.data_offset, each.n_bytes) for each in theirs.tensors]
    places = [(each.name, ours.data_offset + each.offset, each.size_bytes) for each in ours.tensors]
    assert described == places
    for key, field in theirs.fields.items():
        if key.startswith("GGUF."):
            continue
        value = ours.metadata[key]
        if not isinstance(value, Array):
            assert field.contents() == value
        elif value.values:
            assert field.contents() == list(value.values)
    weights = sum(int(each.n_elements) for each in theirs.tensors)
    size_bytes = sum(int(each.n_bytes) for each in theirs.tensors)
    assert size_bytes * 8 / weights == ours.bits_per_weight
    assert 0.0 == parse_header(gguf(), name="a").bits_per_weight
