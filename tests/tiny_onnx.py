"""Writers of tiny models for sherpa-onnx that listen: transducers, a detector of speech."""

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

MELS = 80
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
    save(
        folder / "encoder.onnx",
        [
            ("Gather", ["x", "frames"], ["some"], {"axis": 1}),
            ("MatMul", ["some", "weights"], ["encoder_out"], {}),
            ("Identity", ["h"], ["next_h"], {}),
            ("Identity", ["c"], ["next_c"], {}),
        ],
        inputs={
            "x": ("float", ["n", _STREAM_FRAMES, MELS]),
            "h": ("float", [1, "n", size]),
            "c": ("float", [1, "n", size]),
        },
        outputs={
            "encoder_out": ("float", ["n", 2, size]),
            "next_h": ("float", [1, "n", size]),
            "next_c": ("float", [1, "n", size]),
        },
        constants={"frames": np.array([0, 4]), "weights": np.zeros((MELS, size), np.float32)},
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
    save(
        folder / "encoder.onnx",
        [
            ("MatMul", ["x", "weights"], ["encoder_out"], {}),
            ("Identity", ["x_lens"], ["encoder_out_lens"], {}),
        ],
        inputs={"x": ("float", ["n", "t", MELS]), "x_lens": ("int64", ["n"])},
        outputs={"encoder_out": ("float", ["n", "t", size]), "encoder_out_lens": ("int64", ["n"])},
        constants={"weights": np.zeros((MELS, size), np.float32)},
        metadata={"model_type": "zipformer"},
    )


def _write_decoder(folder: Path, size: int) -> None:
    save(
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
    save(
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
    save(
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


# What all of them are written with.

_OPSET, _IR_VERSION = 13, 8


def save(
    path: Path,
    nodes: Sequence[tuple[str, list[str], list[str], dict[str, Any]]],
    *,
    inputs: Mapping[str, tuple[str, Shape]],
    outputs: Mapping[str, tuple[str, Shape]],
    constants: Constants,
    metadata: Mapping[str, object],
) -> None:
    """Write the graph of *nodes*: each has its kind, inputs, outputs and attributes."""
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
