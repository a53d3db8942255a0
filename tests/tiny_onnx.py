"""Writers of tiny models for sherpa-onnx: transducers, a detector of speech, voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import onnx

    Constants = Mapping[str, npt.NDArray[np.generic]]
    Shape = Sequence[int | str]

# A transducer: the last word alone decides which word comes next, and the last one is followed
# by blanks for ever.

_MELS = 80
_STREAM_FRAMES = 9
_CONTEXT = 2
_SPECIAL = ("<blk>", "<sos/eos>", "<unk>")


def write_transducer(folder: Path, text: str = "hello", *, streaming: bool = True) -> Path:
    """Write a transducer that hears *text* in any audio."""
    words = text.split()
    size = len(_SPECIAL) + len(words) + 1
    folder.mkdir(parents=True, exist_ok=True)
    _write_streaming_encoder(folder, size) if streaming else _write_encoder(folder, size)
    _write_decoder(folder, size)
    _write_joiner(folder, size, len(words))
    # What is before the first word is token -1, which is the last one.
    tokens = [*_SPECIAL, *(f"\u2581{word}" for word in words), "<before>"]
    lines = (f"{token} {index}\n" for index, token in enumerate(tokens))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    return folder


def _write_streaming_encoder(folder: Path, size: int) -> None:
    _save(
        folder / "encoder.onnx",
        [
            ("Gather", ["x", "frames"], ["some"], {"axis": 1}),
            ("MatMul", ["some", "weights"], ["encoder_out"], {}),
            ("Identity", ["h"], ["next_h"], {}),
            ("Identity", ["c"], ["next_c"], {}),
        ],
        inputs={
            "x": ("float", ["n", _STREAM_FRAMES, _MELS]),
            "h": ("float", [1, "n", size]),
            "c": ("float", [1, "n", size]),
        },
        outputs={
            "encoder_out": ("float", ["n", 2, size]),
            "next_h": ("float", [1, "n", size]),
            "next_c": ("float", [1, "n", size]),
        },
        constants={"frames": np.array([0, 4]), "weights": np.zeros((_MELS, size), np.float32)},
        metadata={
            "model_type": "lstm",
            "num_encoder_layers": 1,
            "T": _STREAM_FRAMES,
            "decode_chunk_len": 4,
            "rnn_hidden_size": size,
            "d_model": size,
        },
    )


def _write_encoder(folder: Path, size: int) -> None:
    _save(
        folder / "encoder.onnx",
        [
            ("MatMul", ["x", "weights"], ["encoder_out"], {}),
            ("Identity", ["x_lens"], ["encoder_out_lens"], {}),
        ],
        inputs={"x": ("float", ["n", "t", _MELS]), "x_lens": ("int64", ["n"])},
        outputs={"encoder_out": ("float", ["n", "t", size]), "encoder_out_lens": ("int64", ["n"])},
        constants={"weights": np.zeros((_MELS, size), np.float32)},
        metadata={"model_type": "zipformer"},
    )


def _write_decoder(folder: Path, size: int) -> None:
    _save(
        folder / "decoder.onnx",
        [
            ("Gather", ["y", "last"], ["token"], {"axis": 1}),
            ("Gather", ["directions", "token"], ["decoder_out"], {"axis": 0}),
        ],
        inputs={"y": ("int64", ["n", _CONTEXT])},
        outputs={"decoder_out": ("float", ["n", size])},
        constants={"last": np.array(_CONTEXT - 1), "directions": np.eye(size, dtype=np.float32)},
        metadata={"vocab_size": size, "context_size": _CONTEXT},
    )


def _write_joiner(folder: Path, size: int, word_count: int) -> None:
    follows = np.zeros((size, size), np.float32)
    first = len(_SPECIAL)
    words = [*range(first, first + word_count)]
    for token, following in zip([0, *words], [*words, 0], strict=True):
        follows[token, following] = 8.0
    follows[-1, first] = 8.0
    _save(
        folder / "joiner.onnx",
        [
            ("Mul", ["encoder_out", "nothing"], ["ignored"], {}),
            ("Add", ["decoder_out", "ignored"], ["known"], {}),
            ("MatMul", ["known", "follows"], ["logit"], {}),
        ],
        inputs={"encoder_out": ("float", ["n", size]), "decoder_out": ("float", ["n", size])},
        outputs={"logit": ("float", ["n", size])},
        constants={"follows": follows, "nothing": np.array(0, np.float32)},
        metadata={"joiner_dim": size},
    )


# A detector of speech, with the inputs and outputs of Silero's fifth version.


def write_detector(path: Path) -> Path:
    """Write a detector that takes everything loud for speech."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(
        path,
        [
            ("Abs", ["input"], ["sizes"], {}),
            ("ReduceMean", ["sizes"], ["size"], {"axes": [1], "keepdims": 1}),
            ("Greater", ["size", "quiet"], ["loud"], {}),
            ("Cast", ["loud"], ["speech"], {"to": 1}),
            ("Cast", ["sr"], ["rate"], {"to": 1}),
            ("Mul", ["rate", "nothing"], ["ignored"], {}),
            ("Add", ["speech", "ignored"], ["output"], {}),
            ("Identity", ["state"], ["stateN"], {}),
        ],
        inputs={
            "input": ("float", [1, "samples"]),
            "state": ("float", [2, 1, 128]),
            "sr": ("int64", [1]),
        },
        outputs={"output": ("float", [1, 1]), "stateN": ("float", [2, 1, 128])},
        constants={"quiet": np.array(0.05, np.float32), "nothing": np.array(0, np.float32)},
        metadata={},
    )
    return path


# A Matcha voice: every phoneme becomes four frames, every frame 64 samples of a wave.

_MATCHA_TOKENS = 120
_FRAMES_PER_PHONEME = 4
_HOP = 64
VOICE_RATE_HZ = 22_050
_PHONEMES = "_^$ !',-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɹʃʊʌʒˈˌːθᵻ"  # noqa: RUF001 - espeak's alphabet


def write_matcha(folder: Path, *, periods: int = 4) -> tuple[Path, Path]:
    """Write a Matcha voice that hums, *periods* of a wave per frame, and its vocoder.

    It knows how words sound from the data that comes with Piper.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voice, vocoder = folder / "model-steps-3.onnx", folder / "vocoder.onnx"
    _write_acoustic_model(voice)
    _write_vocoder(vocoder, periods)
    write_phonemes(folder)
    return voice, vocoder


def write_phonemes(folder: Path) -> None:
    """Put into *folder* what a voice must know of sounds."""
    from importlib.util import find_spec
    from pathlib import Path

    lines = (f"{symbol} {index}\n" for index, symbol in enumerate(_PHONEMES))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    piper = find_spec("piper")
    assert piper is not None
    assert piper.origin is not None
    (folder / "espeak-ng-data").symlink_to(Path(piper.origin).parent / "espeak-ng-data")


def _write_acoustic_model(path: Path) -> None:
    _save(
        path,
        [
            ("Gather", ["loudness", "x"], ["phonemes"], {"axis": 0}),
            ("Transpose", ["phonemes"], ["turned"], {"perm": [0, 2, 1]}),
            ("Concat", ["turned"] * _FRAMES_PER_PHONEME, ["frames"], {"axis": 2}),
            ("Cast", ["x_length"], ["length"], {"to": 1}),
            ("ReduceSum", ["length"], ["first"], {"keepdims": 0}),
            ("ReduceSum", ["noise_scale"], ["second"], {"keepdims": 0}),
            ("ReduceSum", ["length_scale"], ["third"], {"keepdims": 0}),
            ("Sum", ["first", "second", "third"], ["scales"], {}),
            ("Mul", ["scales", "nothing"], ["ignored"], {}),
            ("Add", ["frames", "ignored"], ["mel"], {}),
        ],
        inputs={
            "x": ("int64", ["n", "l"]),
            "x_length": ("int64", ["n"]),
            "noise_scale": ("float", [1]),
            "length_scale": ("float", [1]),
        },
        outputs={"mel": ("float", ["n", _MELS, "t"])},
        constants={
            "loudness": np.full((_MATCHA_TOKENS, _MELS), 0.3, np.float32),
            "nothing": np.array(0, np.float32),
        },
        metadata={
            "model_type": "matcha-tts",
            "language": "English",
            "voice": "en-us",
            "has_espeak": 1,
            "jieba": 0,
            "n_speakers": 1,
            "sample_rate": VOICE_RATE_HZ,
            "version": 1,
            "pad_id": 0,
            "use_icefall": 1,
            "use_eos_bos": 1,
            "num_ode_steps": 3,
        },
    )


def _write_vocoder(path: Path, periods: int) -> None:
    wave = np.sin(2 * np.pi * periods * np.arange(_HOP) / _HOP).astype(np.float32)
    _save(
        path,
        [
            ("ReduceMean", ["mel"], ["loudness"], {"axes": [1], "keepdims": 0}),
            ("Unsqueeze", ["loudness", "last"], ["column"], {}),
            ("Mul", ["column", "wave"], ["frames"], {}),
            ("Reshape", ["frames", "line"], ["audio"], {}),
        ],
        inputs={"mel": ("float", ["n", _MELS, "l"])},
        outputs={"audio": ("float", ["n", "s"])},
        constants={"last": np.array([2]), "wave": wave, "line": np.array([1, -1])},
        metadata={"model_type": "hifigan"},
    )


# A Kokoro model: every phoneme becomes a piece of a wave whose loudness is the speaker's.

KOKORO_RATE_HZ = 24_000
_KOKORO_PIECE = 240
_KOKORO_STYLES = (510, 1, 4)  # one for each number of phonemes


def write_kokoro(folder: Path, voices: Mapping[str, float]) -> Path:
    """Write a Kokoro model; each of *voices* hums as loud as its number says."""
    folder.mkdir(parents=True, exist_ok=True)
    longest, _, width = _KOKORO_STYLES
    styles = [np.full((longest, width), loudness, "<f4") for loudness in voices.values()]
    (folder / "voices.bin").write_bytes(np.stack(styles).tobytes())
    write_phonemes(folder)
    wave = np.sin(2 * np.pi * 4 * np.arange(_KOKORO_PIECE) / _KOKORO_PIECE).astype(np.float32)
    _save(
        folder / "model.onnx",
        [
            ("Cast", ["tokens"], ["numbers"], {"to": 1}),
            ("Mul", ["numbers", "nothing"], ["zeros"], {}),
            ("Transpose", ["zeros"], ["column"], {"perm": [1, 0]}),
            ("ReduceMean", ["style"], ["loudness"], {"keepdims": 0}),
            ("Mul", ["speed", "nothing"], ["ignored"], {}),
            ("Sum", ["column", "loudness", "ignored"], ["loud"], {}),
            ("Mul", ["loud", "wave"], ["pieces"], {}),
            ("Reshape", ["pieces", "line"], ["audio"], {}),
        ],
        inputs={
            "tokens": ("int64", [1, "l"]),
            "style": ("float", [1, width]),
            "speed": ("float", [1]),
        },
        outputs={"audio": ("float", ["s"])},
        constants={
            "nothing": np.array(0, np.float32),
            "wave": wave,
            "line": np.array([-1]),
        },
        metadata={
            "model_type": "kokoro",
            "language": "English",
            "has_espeak": 1,
            "sample_rate": KOKORO_RATE_HZ,
            "version": 1,
            "voice": "en-us",
            "style_dim": ",".join(map(str, _KOKORO_STYLES)),
            "n_speakers": len(voices),
            "speaker_names": ",".join(voices),
        },
    )
    return folder


# What all of them are written with.

_OPSET, _IR_VERSION = 13, 8


def _save(
    path: Path,
    nodes: Sequence[tuple[str, list[str], list[str], dict[str, Any]]],
    *,
    inputs: Mapping[str, tuple[str, Shape]],
    outputs: Mapping[str, tuple[str, Shape]],
    constants: Constants,
    metadata: Mapping[str, object],
) -> None:
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(kind, given, made, **how) for kind, given, made, how in nodes],
        path.stem,
        [_value(name, *described) for name, described in inputs.items()],
        [_value(name, *described) for name, described in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
    helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.save(model, str(path))


def _value(name: str, kind: str, shape: Shape) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    kinds = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64}
    return helper.make_tensor_value_info(name, kinds[kind], list(shape))
