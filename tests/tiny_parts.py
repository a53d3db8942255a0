"""Writers of tiny models of many files: real formats, of which nothing runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ONLINE = {"model_type": "zipformer2", "T": "45", "decode_chunk_len": "32"}
OFFLINE = {"model_type": "zipformer2", "comment": "non-streaming"}
DECODER = {"vocab_size": "500", "context_size": "2"}
DETECTOR = (("input", "state", "sr"), ("output", "stateN"))
OLD_DETECTOR = (("input", "sr", "h", "c"), ("output", "hn", "cn"))


def write_onnx(
    path: Path,
    metadata: Mapping[str, str] | None = None,
    names: tuple[tuple[str, ...], tuple[str, ...]] = (("x",), ("y",)),
    *,
    weights: str = "",
) -> Path:
    """Write a graph of inputs and outputs by *names*; *weights* are listed as an input, too."""
    import onnx
    from onnx import TensorProto, helper

    inputs, outputs = names
    listed = [*inputs, weights] if weights else inputs
    tensors = [helper.make_tensor(weights, TensorProto.FLOAT, [1], [0.5])] if weights else []
    graph = helper.make_graph(
        [helper.make_node("Identity", [inputs[0]], [output]) for output in outputs],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in listed],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in outputs],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def write_transducer(folder: Path, encoder: Mapping[str, str]) -> Path:
    """Write a transducer for sherpa whose *encoder* has this metadata."""
    write_onnx(folder / "encoder.int8.onnx", encoder)
    write_onnx(folder / "decoder.onnx", DECODER)
    write_onnx(folder / "joiner.onnx", {"joiner_dim": "512"})
    (folder / "tokens.txt").write_text("<blk> 0\nhello 1\n", encoding="utf-8")
    return folder


def write_matcha(folder: Path) -> Path:
    """Write a Matcha voice with its vocoder and its rules of pronunciation."""
    metadata = {"model_type": "matcha-tts", "has_espeak": "1"}
    model = write_onnx(folder / "model-steps-3.onnx", metadata)
    write_onnx(folder / "hifigan_v2.onnx", {"model_type": "hifigan"})
    (folder / "tokens.txt").write_text("_ 0\n", encoding="utf-8")
    (folder / "espeak-ng-data").mkdir()
    (folder / "espeak-ng-data" / "phontab").write_bytes(b"rules")
    return model


def write_tone(folder: Path, *, kenlm: bool = True) -> Path:
    """Write a T-one folder, with the language model or without."""
    write_onnx(folder / "model.onnx")
    if kenlm:
        (folder / "kenlm.bin").write_bytes(b"mmap lm of words\n\0")
    return folder


def write_kokoro_weights(folder: Path, *voices: str) -> Path:
    """Write a Kokoro folder as the hub has it, with *voices*."""
    (folder / "voices").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"n_token": 178}), encoding="utf-8")
    (folder / "kokoro-v1_0.pth").write_bytes(b"PK\3\4weights")
    for voice in voices:
        (folder / "voices" / f"{voice}.pt").write_bytes(b"PK\3\4style")
    return folder


def write_kokoro_network(folder: Path, *voices: str) -> Path:
    """Write a Kokoro folder as sherpa-onnx publishes it, with *voices*."""
    metadata = {"model_type": "kokoro", "has_espeak": "0", "speaker_names": ",".join(voices)}
    write_onnx(folder / "model.onnx", metadata)
    for name in ("voices.bin", "tokens.txt", "lexicon-us-en.txt"):
        (folder / name).write_bytes(b"some")
    return folder
