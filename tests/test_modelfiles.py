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
from aava_cli.modelfiles.ctranslate2 import check_weights
from aava_cli.modelfiles.onnx import check_onnx
from aava_cli.modelfiles.reader import read_json
from aava_cli.modelfiles.safetensors import check_safetensors
from tests.tiny_folders import ctranslate2_weights, faster_whisper, safetensors, write_onnx
from tests.tiny_models import (
    truncate_half,
    write_garbage,
    write_gguf,
    write_piper,
    write_whisper,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.backends import Backend

LLAMA, PIPER, WHISPER = BACKENDS["llama"], BACKENDS["piper"], BACKENDS["whisper_cpp"]
VOSK, SHERPA = BACKENDS["vosk"], BACKENDS["sherpa"]
FASTER_WHISPER, KROKO = BACKENDS["faster_whisper"], BACKENDS["kroko"]
TONE, MATCHA = BACKENDS["tone"], BACKENDS["matcha"]
KOKORO, MELOTTS = BACKENDS["kokoro"], BACKENDS["melotts"]


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
    last = whisper[whisper.index(b"decoder.blocks.0.mlp.2.bias") - 16 :]
    path.write_bytes(whisper + last * 2)
    with pytest.raises(IntegrityError, match="has more than 50 tensors"):
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


def test_fields_of_any_width_are_walked(tmp_path: Path) -> None:
    """What is not known is skipped; groups, endless numbers and wrong kinds are damage."""
    path = write_piper(tmp_path / "a.onnx")
    sound = path.read_bytes()
    fixed = b"\xf5\x07" + bytes(4) + b"\xf1\x07" + bytes(8)
    path.write_bytes(fixed + sound + fixed)
    check_model(PIPER, path)
    for damage in (
        b"\x0b",
        b"\x00",
        b"\x08" + b"\xff" * 11,
        b"\x09" + bytes(8),
        b"\x3a\x02\x09\x00",
    ):
        path.write_bytes(sound + damage)
        with pytest.raises(IntegrityError, match=r"is no ONNX model|ends before its last field"):
            check_model(PIPER, path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x12\x01x", "it has no version of the format"),
        (b"\x08\xc8\x01", "it has no version of the format"),
        (b"\x08\x08", "it has no graph"),
        (b"\x08\x08\x3a\x02\x12\x00", "it has no graph"),
        (b"\x08\x08\x3a\x02\x0a\x00", "it has no version of its operators"),
        (b"\x08\x08\x3a\x02\x0a\x00\x42\x03\x10\x80\x7d", "it has no version of its operators"),
        (b"\x08\x08\x3a\x05\x0a\x7f", "ends before its last field does"),
        (b"\x08\x08\x3a\x01\x09" + bytes(8), "ends before its last field does"),
    ],
)
def test_protobuf_that_is_no_model(tmp_path: Path, data: bytes, problem: str) -> None:
    """Fields that end where the file does are not enough."""
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=problem):
        check_onnx(path)


def test_endless_small_fields(tmp_path: Path) -> None:
    """A file that would take minutes to walk is given up early."""
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x01" * ((1 << 20) + 1))
    with pytest.raises(IntegrityError, match="has more than 1,048,576 fields"):
        check_onnx(path)


def test_onnx_says_what_it_is(tmp_path: Path) -> None:
    """Metadata that an engine depends on is read on the way."""
    found = check_onnx(write_onnx(tmp_path / "a.onnx", {"model_type": "zipformer2"}))
    assert ({"model_type": "zipformer2"}, [15], 8) == (
        found.metadata,
        found.opsets,
        found.ir_version,
    )


def test_weights_beside_a_network(tmp_path: Path) -> None:
    """They are part of the model: there, long enough, and in its folder."""
    path = write_onnx(tmp_path / "a.onnx", external="a.weights")
    check_onnx(path)
    (tmp_path / "a.weights").write_bytes(bytes(15))
    with pytest.raises(
        IntegrityError, match=r"a\.weights` ends before .*: 15 of 16 bytes are there"
    ):
        check_onnx(path)
    (tmp_path / "a.weights").unlink()
    with pytest.raises(IntegrityError, match=r"a\.weights` is missing, where `a\.onnx` keeps"):
        check_onnx(path)
    sound = path.read_bytes()
    for damage, problem in (
        (sound.replace(b"a.weights", b"../../etc"), "outside its folder"),
        (sound.replace(b"length\x12\x0216", b"length\x12\x02-1"), "does not say where"),
    ):
        (tmp_path / "a.weights").write_bytes(bytes(16))
        path.write_bytes(damage)
        with pytest.raises(IntegrityError, match=problem):
            check_onnx(path)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_any_damage_to_a_network_is_an_integrity_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    """No bytes make the walk fail in another way."""
    path = write_onnx(tmp_path_factory.mktemp("onnx") / "a.onnx", {"key": "value"})
    sound = path.read_bytes()
    path.write_bytes(sound[:at] + noise + sound[at + len(noise) :])
    with suppress(IntegrityError):
        assert check_onnx(path).nodes


def fill(folder: Path, *names: str) -> Path:
    """Write files that are not empty and, as ONNX, whole."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"PK")
        if name.endswith(".onnx"):
            write_onnx(folder / name, {"model_type": "zipformer2"})
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


def test_encoder_that_says_nothing_of_itself(tmp_path: Path) -> None:
    """It would kill the engine's process."""
    root = fill(tmp_path / "a", "tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx")
    write_onnx(root / "encoder.onnx")
    with pytest.raises(IntegrityError, match=r"encoder\.onnx` has no metadata"):
        check_model(SHERPA, root)


def test_tone_folder(tmp_path: Path) -> None:
    """The network is whole, and a language model is not empty."""
    root = fill(tmp_path / "a", "model.onnx")
    check_model(TONE, root)
    (root / "kenlm.bin").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"kenlm\.bin` is empty"):
        check_model(TONE, root)
    (root / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"has no `model\.onnx`"):
        check_model(TONE, root)


def test_matcha_needs_what_it_spells_with(tmp_path: Path) -> None:
    """Beside the network are tokens, and rules or a list of how words are said."""
    path = write_onnx(tmp_path / "model-steps-3.onnx")
    with pytest.raises(IntegrityError, match=r"has no `tokens\.txt`"):
        check_model(MATCHA, path)
    fill(tmp_path, "tokens.txt")
    with pytest.raises(IntegrityError, match="has no `espeak-ng-data` and no `lexicon"):
        check_model(MATCHA, path)
    (tmp_path / "espeak-ng-data").mkdir()
    check_model(MATCHA, path)
    (tmp_path / "espeak-ng-data").rmdir()
    check_model(MATCHA, fill(tmp_path, "lexicon.txt") / path.name)


def test_kokoro_folder(tmp_path: Path) -> None:
    """The description parses, and weights begin as PyTorch's do."""
    root = fill(tmp_path / "a", "kokoro-v1_0.pth", "voices/af_heart.pt")
    (root / "config.json").write_text("{}")
    check_model(KOKORO, root)
    (root / "voices/af_heart.pt").write_bytes(b"<html>")
    with pytest.raises(IntegrityError, match=r"af_heart\.pt` does not begin as weights of PyTorch"):
        check_model(KOKORO, root)


def write_all(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write *files* to *folder*."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_ctranslate2_folder_or_name(tmp_path: Path) -> None:
    """A folder is checked; a name is the engine's own business."""
    check_model(FASTER_WHISPER, tmp_path / "small")
    root = write_all(tmp_path / "a", faster_whisper())
    check_model(FASTER_WHISPER, root)
    (root / "vocabulary.txt").rename(root / "vocabulary.json")
    (root / "vocabulary.json").write_text('["a", "b"]')
    check_model(FASTER_WHISPER, root)


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("model.bin", None, r"has no `model\.bin`"),
        ("config.json", None, r"has no `config\.json`"),
        ("config.json", b"[]", r"config\.json` is not a JSON object"),
        ("tokenizer.json", None, r"has no `tokenizer\.json`"),
        ("tokenizer.json", b"{", r"tokenizer\.json` is not JSON"),
        ("tokenizer.json", b"[" * 100_000, r"tokenizer\.json` is not JSON"),
        ("vocabulary.txt", None, r"has no `vocabulary\.json`"),
        ("vocabulary.json", b"{}", r"vocabulary\.json` is not a list of tokens"),
        ("model.bin", b"weights" * 9, "is no CTranslate2 model"),
        ("model.bin", ctranslate2_weights(version=7), "of a version that is not known"),
        ("model.bin", ctranslate2_weights(spec="TransformerSpec"), "is a `TransformerSpec`"),
        ("model.bin", ctranslate2_weights()[:20], "ends before its header does"),
        ("model.bin", ctranslate2_weights()[:60], "ends before its last variable does"),
        ("model.bin", ctranslate2_weights()[:-3], "ends before its last alias does"),
        ("model.bin", ctranslate2_weights() + b"x", "has 1 bytes behind its last variable"),
        ("model.bin", ctranslate2_weights(size_bytes=20), "whose shape and size do not fit"),
    ],
)
def test_damaged_folder_of_faster_whisper(
    tmp_path: Path, name: str, data: bytes | None, problem: str
) -> None:
    """What is missing, or does not add up, is named."""
    root = write_all(tmp_path / "a", faster_whisper())
    (root / name).unlink() if data is None else (root / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=problem):
        check_model(FASTER_WHISPER, root)


def test_hostile_numbers_of_ctranslate2(tmp_path: Path) -> None:
    """Counts that no model has cost neither memory nor time."""
    path, sound = tmp_path / "model.bin", ctranslate2_weights()
    count = sound.index(b"encoder/weight") - 6
    rank = count + 4 + 2 + len("encoder/weight") + 1
    aliases = sound.index(b"decoder/weight") - 6
    for at, value, problem in (
        (count, struct.pack("<I", 1 << 31), "claims 2,147,483,648 variables"),
        (rank, b"\xff", "of 255 dimensions"),
        (aliases, struct.pack("<I", 1 << 31), "claims 2,147,483,648 aliases"),
    ):
        path.write_bytes(sound[:at] + value + sound[at + len(value) :])
        with pytest.raises(IntegrityError, match=problem):
            check_weights(path)


def test_weights_from_before_there_were_types_and_aliases(tmp_path: Path) -> None:
    """The second version gives the width of a weight, and their number."""
    name = struct.pack("<H", 2) + b"w\0"
    variable = name + struct.pack("<BIBI", 1, 3, 4, 3) + bytes(12)
    spec = struct.pack("<H", 12) + b"WhisperSpec\0"
    path = tmp_path / "model.bin"
    path.write_bytes(struct.pack("<I", 2) + spec + struct.pack("<II", 1, 1) + variable)
    check_weights(path)


def test_safetensors(tmp_path: Path) -> None:
    """A file, an index with its shards, and a folder of either are checked."""
    path = tmp_path / "model-1.safetensors"
    path.write_bytes(safetensors({"a": (2, 3), "b": ()}))
    check_safetensors(path)
    (tmp_path / "model-2.safetensors").write_bytes(safetensors({"c": (0, 4)}))
    index = tmp_path / "model.safetensors.index.json"
    placed = {"a": path.name, "b": path.name, "c": "model-2.safetensors"}
    index.write_text(json.dumps({"weight_map": placed}))
    check_safetensors(tmp_path)
    check_model(MELOTTS, tmp_path)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"model-1\.safetensors` is missing, a shard of"):
        check_model(MELOTTS, tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(IntegrityError, match=r"has no `\*\.safetensors`"):
        check_safetensors(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "ends before its header does"),
        (struct.pack("<Q", 1 << 40) + b"{}", "claims a header of 1,099,511,627,776 bytes"),
        (struct.pack("<Q", 9) + b"{}", "ends before its header does"),
        (struct.pack("<Q", 2) + b"{x", "is not JSON"),
        (struct.pack("<Q", 2) + b"[]", "has a header that is not a JSON object"),
        (safetensors({"a": (3,)})[:-1], "ends before its last tensor: 11 of 12 bytes are there"),
        (safetensors({"a": (3,)}) + b"xy", "has 2 bytes behind its last tensor"),
        (safetensors({"a": (3,)}, a=None), "a tensor `a` that is not described as one"),
        (
            safetensors({"a": (3,)}, a={"dtype": "F99", "shape": [3], "data_offsets": [0, 12]}),
            "a tensor `a` that is not described as one",
        ),
        (
            safetensors({"a": (3,)}, a={"dtype": "F32", "shape": [-3], "data_offsets": [0, 12]}),
            "a tensor `a` that is not described as one",
        ),
        (
            safetensors({"a": (3,)}, a={"dtype": "F32", "shape": [3], "data_offsets": [0]}),
            "a tensor `a` whose shape and place do not fit",
        ),
        (
            safetensors({"a": (3,)}, a={"dtype": "F16", "shape": [3], "data_offsets": [0, 12]}),
            "a tensor `a` whose shape and place do not fit",
        ),
        (
            safetensors({"a": (3,)}, a={"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}),
            "leave a gap or overlap at byte 0",
        ),
    ],
)
def test_damaged_safetensors(tmp_path: Path, data: bytes, problem: str) -> None:
    """Every byte is accounted for."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=problem):
        check_safetensors(path)


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ({}, "has no `weight_map`"),
        ({"weight_map": {"a": 1}}, "names no files of its folder"),
        ({"weight_map": {"a": "../a.safetensors"}}, "names no files of its folder"),
        ({"weight_map": {"b": "a.safetensors"}}, "do not agree on the weight `a`"),
        ({"weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}, "on the weight `b`"),
    ],
)
def test_index_and_shards_disagree(tmp_path: Path, index: object, problem: str) -> None:
    """A shard of another model, or of another version, is found out."""
    (tmp_path / "a.safetensors").write_bytes(safetensors({"a": (3,)}))
    path = tmp_path / "a.safetensors.index.json"
    path.write_text(json.dumps(index))
    with pytest.raises(IntegrityError, match=problem):
        check_safetensors(path)


def test_description_without_an_end(tmp_path: Path) -> None:
    """Nobody reads a description of gigabytes."""
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(IntegrityError, match="which no description has"):
        read_json(path)


def test_unknown_format_only_has_to_be_there(tmp_path: Path) -> None:
    """Where only the engine knows the format, anything is accepted."""
    path = tmp_path / "a.data"
    path.write_text(json.dumps({}))
    check_model(KROKO, path)
