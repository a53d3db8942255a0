"""Model files that are whole pass, and those that an engine would choke on are named."""

from __future__ import annotations

import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS
from aava_cli.errors import IntegrityError
from aava_cli.modelfiles import check_model
from tests.tiny_models import (
    truncate_half,
    write_garbage,
    write_gguf,
    write_piper,
    write_whisper,
)

if TYPE_CHECKING:
    from aava_cli.backends import Backend

LLAMA, PIPER, WHISPER = BACKENDS["llama"], BACKENDS["piper"], BACKENDS["whisper_cpp"]
VOSK, SHERPA = BACKENDS["vosk"], BACKENDS["sherpa"]
FASTER_WHISPER, KROKO = BACKENDS["faster_whisper"], BACKENDS["kroko"]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a whole whisper.cpp model."""
    return write_whisper(tmp_path_factory.mktemp("whisper") / "a.bin").read_bytes()


def test_whole_models_pass(tmp_path: Path) -> None:
    """What real engines load is accepted."""
    check_model(LLAMA, write_gguf(tmp_path / "a.gguf"))
    check_model(WHISPER, write_whisper(tmp_path / "a.bin"))
    check_model(PIPER, write_piper(tmp_path / "a.onnx"))


@pytest.mark.parametrize("backend", [each for each in BACKENDS.values() if each.installed])
def test_every_backend_misses_its_files(backend: Backend, tmp_path: Path) -> None:
    """A model that is not there is missing, whatever its engine."""
    with pytest.raises(IntegrityError, match="is missing"):
        check_model(backend, tmp_path / "none")


def test_every_format_is_known(tmp_path: Path) -> None:
    """Each kind of files that a backend names has a check, which an empty folder fails or not."""
    for backend in BACKENDS.values():
        with suppress(IntegrityError):
            check_model(backend, tmp_path)


def test_truncated_models_are_refused(tmp_path: Path) -> None:
    """Half a file of any kind is found out without an engine."""
    with pytest.raises(IntegrityError, match=r"a\.gguf` ends before"):
        check_model(LLAMA, truncate_half(write_gguf(tmp_path / "a.gguf")))
    with pytest.raises(IntegrityError, match=r"a\.bin` ends before its last tensor does"):
        check_model(WHISPER, truncate_half(write_whisper(tmp_path / "a.bin")))
    with pytest.raises(IntegrityError, match=r"a\.onnx` ends before its last field does"):
        check_model(PIPER, truncate_half(write_piper(tmp_path / "a.onnx")))


@pytest.mark.parametrize("backend", [LLAMA, WHISPER, PIPER])
def test_garbage_is_refused(tmp_path: Path, backend: Backend) -> None:
    """Bytes that are no model, no bytes, and a folder are each refused."""
    for path in (write_garbage(tmp_path / "a.onnx"), tmp_path):
        with pytest.raises(IntegrityError):
            check_model(backend, path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(IntegrityError):
        check_model(backend, tmp_path / "empty")


@given(st.data())
def test_any_cut_of_a_whisper_model_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whisper: bytes, data: st.DataObject
) -> None:
    """Even a cut between two tensors is found: their number is known."""
    path = tmp_path_factory.mktemp("cut") / "a.bin"
    path.write_bytes(whisper[: data.draw(st.integers(0, len(whisper) - 1))])
    with pytest.raises(IntegrityError):
        check_model(WHISPER, path)


def whisper_with(whisper: bytes, at: int, *values: int) -> bytes:
    """Return *whisper* with other integers at the byte *at*."""
    return whisper[:at] + struct.pack(f"<{len(values)}i", *values) + whisper[at + 4 * len(values) :]


FILTERS, TOKENS = 48, 56 + 4 * 80 * 201


@pytest.mark.parametrize(
    ("at", "values", "problem"),
    [
        (4, (0,), "a header that no whisper.cpp model has"),
        (8, (-1,), "a header that no whisper.cpp model has"),
        (FILTERS, (1 << 20, 1 << 20), "ends before its filters does"),
        (TOKENS, (0,), "claims 0 tokens"),
        (TOKENS, (1 << 24,), "claims 16,777,216 tokens"),
        (TOKENS + 4, (-5,), "ends before its tokens does"),
    ],
)
def test_damaged_whisper_header(
    tmp_path: Path, whisper: bytes, at: int, values: tuple[int, ...], problem: str
) -> None:
    """Impossible sizes are named, and cost neither memory nor time."""
    path = tmp_path / "a.bin"
    path.write_bytes(whisper_with(whisper, at, *values))
    with pytest.raises(IntegrityError, match=problem):
        check_model(WHISPER, path)


def test_whisper_model_without_its_last_tensor(tmp_path: Path, whisper: bytes) -> None:
    """A cut that falls between two tensors is found by their number."""
    path = tmp_path / "a.bin"
    path.write_bytes(whisper[: whisper.index(b"decoder.blocks.0.mlp.2.bias") - 16])
    with pytest.raises(IntegrityError, match="has 49 of 50 tensors"):
        check_model(WHISPER, path)


def test_damaged_whisper_tensor(tmp_path: Path, whisper: bytes) -> None:
    """A tensor with an unknown type, no side, or too many is refused."""
    first = whisper.index(b"encoder.positional_embedding") - 20
    path = tmp_path / "a.bin"
    for values, problem in (
        ((9, 28, 0), "a tensor of 9 dimensions"),
        ((2, 28, 5), "a tensor of type 5"),
        ((2, 28, 0, 0), "of type 0 and shape"),
        ((2, -28, 0), "ends before its last tensor"),
    ):
        path.write_bytes(whisper_with(whisper, first, *values))
        with pytest.raises(IntegrityError, match=problem):
            check_model(WHISPER, path)


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        (None, "is missing"),
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "has no `audio`, `espeak`, `phoneme_id_map`, `num_symbols`, `num_speakers`"),
    ],
)
def test_piper_needs_its_description(tmp_path: Path, described: bytes | None, problem: str) -> None:
    """A voice without a usable `.onnx.json` is refused, and that file is named."""
    path = write_piper(tmp_path / "a.onnx")
    config = tmp_path / "a.onnx.json"
    config.unlink()
    if described is not None:
        config.write_bytes(described)
    with pytest.raises(IntegrityError, match=rf"a\.onnx\.json` {problem}"):
        check_model(PIPER, path)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("audio", {"sample_rate": "16000"}, "a wrong `audio.sample_rate`: expected a whole number"),
        ("audio", {"sample_rate": True}, "a wrong `audio.sample_rate`: expected a whole number"),
        ("audio", {"sample_rate": 0}, "a wrong `audio.sample_rate`: expected a whole number"),
        ("audio", {}, "a wrong `audio.sample_rate`: expected a whole number"),
        ("audio", 16000, "a wrong `audio.sample_rate`: expected a whole number"),
        ("espeak", {"voice": None}, "a wrong `espeak.voice`: expected text"),
        ("num_symbols", "256", "a wrong `num_symbols`: expected a whole number from 1"),
        ("num_speakers", 0, "a wrong `num_speakers`: expected a whole number from 1"),
        ("phoneme_id_map", {}, "a wrong `phoneme_id_map`: expected a table of phonemes"),
        ("phoneme_id_map", [], "a wrong `phoneme_id_map`: expected a table of phonemes"),
        ("phoneme_id_map", {"^": [1], "_": [0], "$": 2}, "a wrong `phoneme_id_map`: expected"),
        ("phoneme_id_map", {"^": [1], "_": [0], "$": ["2"]}, "a wrong `phoneme_id_map`: expected"),
        ("phoneme_type", 1, "a wrong `phoneme_type`: expected text"),
        ("inference", {"noise_w": "0.8"}, "a wrong `inference`: expected a table of numbers"),
        ("inference", None, "a wrong `inference`: expected a table of numbers"),
    ],
)
def test_piper_voice_is_described_in_the_right_types(
    tmp_path: Path, key: str, value: object, problem: str
) -> None:
    """The engine believes each of them, and fails only when it is to speak."""
    path = write_piper(tmp_path / "a.onnx")
    config = tmp_path / "a.onnx.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), key: value}))
    with pytest.raises(IntegrityError, match=rf"a\.onnx\.json` has {problem}"):
        check_model(PIPER, path)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
def test_pipe_is_no_model(backend: Backend, tmp_path: Path) -> None:
    """Nobody waits for what never comes."""
    pipe = tmp_path / "model"
    os.mkfifo(pipe)
    with pytest.raises(IntegrityError, match="is neither a file nor a folder"):
        check_model(backend, pipe)
    with pytest.raises(IntegrityError, match="is neither a file nor a folder"):
        check_model(backend, Path(os.devnull))


def test_fixed_width_fields_are_walked(tmp_path: Path) -> None:
    """Protobuf has fields of four and eight bytes; groups and endless numbers are damage."""
    path = write_piper(tmp_path / "a.onnx")
    path.write_bytes(b"\x0d" + bytes(4) + b"\x09" + bytes(8) + b"\x08\x01")
    check_model(PIPER, path)
    for damage in (b"\x0b", b"\x00", b"\x08" + b"\xff" * 11):
        path.write_bytes(damage)
        with pytest.raises(IntegrityError, match="is no ONNX model"):
            check_model(PIPER, path)


def fill(folder: Path, *names: str) -> Path:
    """Write files that are not empty and, as ONNX, whole."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x08\x01")
    return folder


def test_vosk_folder(tmp_path: Path) -> None:
    """A model has `conf` and `am/final.mdl`, there or one folder deeper."""
    check_model(VOSK, fill(tmp_path / "a", "conf/mfcc.conf", "am/final.mdl"))
    check_model(VOSK, fill(tmp_path / "b", "nested/conf/mfcc.conf", "nested/am/final.mdl"))
    with pytest.raises(IntegrityError, match="it has no `conf` folder"):
        check_model(VOSK, fill(tmp_path / "c", "am/final.mdl"))
    with pytest.raises(IntegrityError, match=r"has no `am/final\.mdl`"):
        check_model(VOSK, fill(tmp_path / "d", "conf/mfcc.conf"))
    (tmp_path / "a/am/final.mdl").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"final\.mdl` is empty"):
        check_model(VOSK, tmp_path / "a")


def test_sherpa_folder(tmp_path: Path) -> None:
    """A transducer is four files, and its parts are whole."""
    parts = ("encoder-epoch-1.int8.onnx", "decoder.onnx", "joiner.onnx")
    root = fill(tmp_path / "a", "tokens.txt", *parts)
    check_model(SHERPA, root)
    (root / "joiner.onnx").write_bytes(b"\x0a\x7f")
    with pytest.raises(IntegrityError, match=r"joiner\.onnx` ends before"):
        check_model(SHERPA, root)
    (root / "decoder.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"has no `decoder\*\.onnx`"):
        check_model(SHERPA, root)
    with pytest.raises(IntegrityError, match="cannot be read: Not a directory"):
        check_model(VOSK, root / "tokens.txt")


def test_ctranslate2_folder_or_name(tmp_path: Path) -> None:
    """A folder is checked; a name is the engine's own business."""
    check_model(FASTER_WHISPER, tmp_path / "small")
    root = fill(tmp_path / "a", "model.bin", "tokenizer.json", "vocabulary.txt")
    check_model(FASTER_WHISPER, root)
    (root / "tokenizer.json").unlink()
    check_model(FASTER_WHISPER, root)
    (root / "vocabulary.txt").unlink()
    with pytest.raises(IntegrityError, match="has no `vocabulary"):
        check_model(FASTER_WHISPER, root)


def test_unknown_format_only_has_to_be_there(tmp_path: Path) -> None:
    """Where only the engine knows the format, anything is accepted."""
    path = tmp_path / "a.data"
    path.write_text(json.dumps({}))
    check_model(KROKO, path)
