"""Parts that do not fit each other are found before a daemon would die of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS, Selection
from aava_cli.errors import IntegrityError, NotFound
from aava_cli.modelfiles.onnx import read_onnx
from aava_cli.voicefiles import check_parts, model_root, options_of
from tests.tiny_models import truncate_half
from tests.tiny_parts import (
    DETECTOR,
    OFFLINE,
    OLD_DETECTOR,
    ONLINE,
    write_kokoro_network,
    write_kokoro_weights,
    write_matcha,
    write_onnx,
    write_tone,
    write_transducer,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check(backend: str, values: dict[str, str], **paths: Path) -> None:
    """Check the parts of a selection of *backend* whose files are at *paths*."""
    named = {option: f"/app/models/{path.name}" for option, path in paths.items()}
    check_parts(Selection(BACKENDS[backend], {**named, **values}), paths)


def test_onnx_says_what_it_is(tmp_path: Path) -> None:
    """Properties, inputs and outputs are read; listed weights are no inputs."""
    path = write_onnx(
        tmp_path / "a.onnx", {"model_type": "lstm"}, (("a", "b"), ("c",)), weights="w"
    )
    found = read_onnx(path)
    said = found.metadata, found.inputs, found.outputs
    assert ({"model_type": "lstm"}, ["a", "b"], ["c"]) == said


def test_onnx_properties_may_be_empty_and_fields_fixed(tmp_path: Path) -> None:
    """What has no value is an empty text; fields of four and eight bytes are passed over."""
    graph = b"\x3a\x05\x62\x03\x0a\x01y"
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x95\x03" + bytes(4) + b"\x91\x03" + bytes(8) + b"\x08\x01\x72\x00" + graph)
    found = read_onnx(path)
    assert ({"": ""}, [], ["y"]) == (found.metadata, found.inputs, found.outputs)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"\x08\x01", "has no graph"),
        (b"<html>no</html>", "is no ONNX model"),
        (b"\x00", "is no ONNX model"),
        (b"\x0b", "is no ONNX model"),
        (b"\x08" + b"\xff" * 11, "is no ONNX model"),
        (b"\x0a\x7f", "ends before"),
        (b"\x09\x01", "ends before"),
        (b"\x08", "ends before"),
    ],
)
def test_damaged_onnx_is_named(tmp_path: Path, data: bytes, problem: str) -> None:
    """Whatever is no protobuf, or ends early, is exit 7."""
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=problem):
        read_onnx(path)


def test_endless_fields_are_given_up(tmp_path: Path) -> None:
    """A file that is nothing but tiny fields does not hold up a switch."""
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x01" * ((1 << 20) + 1))
    with pytest.raises(IntegrityError, match="has more than 1,048,576 fields"):
        read_onnx(path)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_described_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """No file makes the reader fail in another way."""
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(data)
    with suppress(IntegrityError):
        found = read_onnx(path)
        assert found.outputs or found.nodes


@pytest.mark.parametrize(
    ("encoder", "kind", "other"), [(ONLINE, "online", "offline"), (OFFLINE, "offline", "online")]
)
def test_sherpa_model_of_the_other_type_is_refused(
    tmp_path: Path, encoder: dict[str, str], kind: str, other: str
) -> None:
    """The daemon exits on it; the hint names the right type."""
    folder = write_transducer(tmp_path / "a", encoder)
    check("sherpa", {"type": kind}, path=folder)
    assert {"type": kind} == options_of(BACKENDS["sherpa"], folder)
    with pytest.raises(IntegrityError, match=f"is an {kind} model") as caught:
        check("sherpa", {"type": other}, path=folder)
    assert f"add `--set stt.type={kind}`" == caught.value.hint


@pytest.mark.parametrize(
    ("encoder", "problem"),
    [({}, "does not say what it is"), ({**ONLINE, "model_type": "gru"}, "the kind `gru`")],
)
def test_sherpa_encoder_must_say_what_it_is(
    tmp_path: Path, encoder: dict[str, str], problem: str
) -> None:
    """Without metadata the daemon segfaults."""
    with pytest.raises(IntegrityError, match=problem):
        check("sherpa", {"type": "online"}, path=write_transducer(tmp_path / "a", encoder))


def test_sherpa_decoder_and_words(tmp_path: Path) -> None:
    """A decoder without its sizes and a list without words are refused."""
    folder = write_transducer(tmp_path / "a", ONLINE)
    (folder / "tokens.txt").write_bytes(b"\n")
    with pytest.raises(IntegrityError, match="is missing or empty"):
        check("sherpa", {}, path=folder)
    write_onnx(folder / "decoder.onnx", {"vocab_size": "5"})
    with pytest.raises(IntegrityError, match="does not say its `context_size`"):
        check("sherpa", {}, path=folder)


def test_sherpa_detector_is_silero(tmp_path: Path) -> None:
    """Any other model in its place kills the daemon."""
    folder, vad = write_transducer(tmp_path / "a", OFFLINE), tmp_path / "vad.onnx"
    for right in (DETECTOR, OLD_DETECTOR):
        check("sherpa", {"type": "offline"}, path=folder, vad=write_onnx(vad, names=right))
    for names in ((("x",), ("y",)), (DETECTOR[0], ("output",))):
        with pytest.raises(IntegrityError, match="is not Silero's detector"):
            check("sherpa", {"type": "offline"}, path=folder, vad=write_onnx(vad, names=names))
    with pytest.raises(IntegrityError, match=r"vad\.onnx` ends before"):
        check("sherpa", {"type": "offline"}, path=folder, vad=truncate_half(vad))


def test_kroko_is_a_model_and_not_a_page(tmp_path: Path) -> None:
    """A page that was saved in place of a model is found out."""
    data = tmp_path / "a.data"
    data.write_bytes(b"\x00\x01kroko")
    check("kroko", {"embedded": "1"}, path=data)
    check("kroko", {}, path=write_onnx(tmp_path / "a.onnx"))
    for text in (b"<!DOCTYPE html>", b'{"error": 401}', b"version https://", b""):
        data.write_bytes(text)
        with pytest.raises(IntegrityError, match=r"is no model but a text|is empty"):
            check("kroko", {"embedded": "1"}, path=data)
    (tmp_path / "b.onnx").write_bytes(b"\x08\x01")
    with pytest.raises(IntegrityError, match="is no ONNX model"):
        check("kroko", {}, path=tmp_path / "b.onnx")


def test_tone_needs_its_language_model_to_search(tmp_path: Path) -> None:
    """`beam_search` needs KenLM, in the folder or elsewhere; `greedy` does not."""
    folder = write_tone(tmp_path / "a")
    check("tone", {}, path=folder)
    bare = write_tone(tmp_path / "b", kenlm=False)
    check("tone", {"decoder": "greedy"}, path=bare)
    check("tone", {}, path=bare, kenlm=folder / "kenlm.bin")
    with pytest.raises(NotFound, match=r"kenlm\.bin` is missing") as caught:
        check("tone", {}, path=bare)
    assert "--set stt.decoder=greedy" in str(caught.value.hint)
    (bare / "kenlm.bin").write_bytes(b"words")
    with pytest.raises(IntegrityError, match="is no language model of KenLM"):
        check("tone", {}, path=bare)
    (bare / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"has no `model\.onnx`"):
        check("tone", {}, path=bare)


@pytest.mark.parametrize("write", [write_kokoro_weights, write_kokoro_network])
def test_kokoro_has_the_voice(tmp_path: Path, write: Callable[..., Path]) -> None:
    """A voice that is not there is exit 10, with those that are."""
    folder = write(tmp_path / "kokoro", "af_heart", "am_adam")
    check("kokoro", {}, path=folder)
    check("kokoro", {"voice": "af_heart,am_adam"}, path=folder)
    with pytest.raises(NotFound, match="no kokoro voice named `am_adm`; nearest: `am_adam`"):
        check("kokoro", {"voice": "am_adm"}, path=folder)


@pytest.mark.parametrize(
    ("write", "name", "problem"),
    [
        (write_kokoro_network, "voices.bin", r"voices\.bin` is missing"),
        (write_kokoro_network, "lexicon-us-en.txt", r"has no `lexicon\.txt`"),
    ],
)
def test_kokoro_is_complete(
    tmp_path: Path, write: Callable[..., Path], name: str, problem: str
) -> None:
    """For what is missing the engine would go to the hub, or fail."""
    folder = write(tmp_path / "kokoro", "af_heart")
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match=problem):
        check("kokoro", {}, path=folder)


def test_whole_matcha_passes(tmp_path: Path) -> None:
    """Rules of pronunciation may be in a folder of their own, beside the model, or a lexicon."""
    model = write_matcha(tmp_path / "a")
    assert {"vocoder": "hifigan_v2.onnx"} == options_of(BACKENDS["matcha"], model)
    vocoder = model.parent / "hifigan_v2.onnx"
    check("matcha", {}, path=model, vocoder=vocoder)
    (model.parent / "espeak-ng-data" / "phontab").rename(model.parent / "phontab")
    check("matcha", {}, path=model, vocoder=vocoder)
    write_onnx(model, {"model_type": "matcha-tts", "has_espeak": "0"})
    (model.parent / "lexicon.txt").write_bytes(b"word W")
    check("matcha", {}, path=model, vocoder=vocoder)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "tokens.txt").write_bytes(b" "), "is missing or empty"),
        (lambda folder: (folder / "tokens.txt").unlink(), r"tokens\.txt` is missing or empty"),
        (lambda folder: (folder / "espeak-ng-data/phontab").unlink(), "has no `espeak-ng-data`"),
        (lambda folder: write_onnx(folder / "model-steps-3.onnx"), "no acoustic model of Matcha"),
        (lambda folder: write_onnx(folder / "hifigan_v2.onnx"), "it says that it is `nothing`"),
    ],
)
def test_matcha_is_complete(tmp_path: Path, damage: Callable[[Path], object], problem: str) -> None:
    """Without its rules the daemon exits, without its vocoder it is silent."""
    model = write_matcha(tmp_path / "a")
    damage(model.parent)
    with pytest.raises(IntegrityError, match=problem):
        check("matcha", {}, path=model, vocoder=model.parent / "hifigan_v2.onnx")


def test_nothing_is_checked_where_nothing_is_here(tmp_path: Path) -> None:
    """A service has no files, and some engines have no parts."""
    check("kroko", {"url": "wss://host/path"})
    check("piper", {}, path=tmp_path / "none")
    assert {} == options_of(BACKENDS["piper"], tmp_path)
    assert {} == options_of(BACKENDS["sherpa"], tmp_path)
    assert {} == options_of(BACKENDS["matcha"], tmp_path / "model.onnx")


def test_vosk_model_may_be_a_folder_deeper(tmp_path: Path) -> None:
    """The daemon looks one folder deeper, and its status names that folder."""
    vosk = BACKENDS["vosk"]
    (tmp_path / "deep" / "inner" / "conf").mkdir(parents=True)
    (tmp_path / "flat" / "conf").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    assert tmp_path / "deep" / "inner" == model_root(vosk, tmp_path / "deep")
    for name in ("flat", "none", "missing"):
        assert tmp_path / name == model_root(vosk, tmp_path / name)
    assert tmp_path / "deep" == model_root(BACKENDS["sherpa"], tmp_path / "deep")


@given(data=st.data())
def test_any_parts_pass_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever lies in a folder, the answer is one of ours."""
    folder = tmp_path_factory.mktemp("parts")
    names = ("encoder.onnx", "decoder.onnx", "tokens.txt", "model.onnx", "config.json")
    for name in data.draw(st.lists(st.sampled_from(names), unique=True)):
        (folder / name).write_bytes(data.draw(st.binary(max_size=40)))
    for backend, path in (("sherpa", folder), ("tone", folder), ("kokoro", folder)):
        with suppress(IntegrityError, NotFound):
            check(backend, {}, path=path)
            assert backend == "sherpa", "nothing random is a network or a voice"
