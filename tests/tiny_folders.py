"""Writers of the smallest files that are whole: networks, weights, and folders of them."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CTRANSLATE2_FLOAT32 = 0


def write_onnx(
    path: Path, metadata: Mapping[str, str] | None = None, *, external: str | None = None
) -> Path:
    """Write a network that adds a constant, which is in the file *external* if that is named."""
    from onnx import TensorProto, helper, numpy_helper, save
    from onnx.external_data_helper import set_external_data

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = np.arange(4, dtype=np.float32)
    constant = numpy_helper.from_array(weights, "constant")
    if external is not None:
        (path.parent / external).write_bytes(weights.tobytes())
        set_external_data(constant, external, offset=0, length=weights.nbytes)
        constant.ClearField("raw_data")
        constant.data_location = TensorProto.EXTERNAL
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("in", "out")]
    node = helper.make_node("Add", ["in", "constant"], ["out"])
    graph = helper.make_graph([node], "tiny", sides[:1], sides[1:], [constant])
    opsets = [helper.make_opsetid("", 15)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    save(model, str(path))
    return path


def ctranslate2_weights(
    *, spec: str = "WhisperSpec", version: int = 6, rows: int = 2, size_bytes: int | None = None
) -> bytes:
    """Return a `model.bin` of one variable and one alias for it."""
    weights = np.arange(3 * rows, dtype=np.float32)
    claimed = weights.nbytes if size_bytes is None else size_bytes
    parts = [
        struct.pack("<I", version),
        _text(spec),
        struct.pack("<II", 3, 1),
        _text("encoder/weight"),
        struct.pack("<BIIBI", 2, rows, 3, _CTRANSLATE2_FLOAT32, claimed),
        weights.tobytes(),
        struct.pack("<I", 1),
        _text("decoder/weight"),
        _text("encoder/weight"),
    ]
    return b"".join(parts)


def faster_whisper() -> dict[str, bytes]:
    """Return the files of a folder of faster-whisper."""
    return {
        "model.bin": ctranslate2_weights(rows=1000),
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "vocabulary.txt": b"a\nb\n",
    }


def safetensors(tensors: Mapping[str, tuple[int, ...]], **header: object) -> bytes:
    """Return a file of *tensors* of float32; *header* replaces what the header says."""
    described: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        start, end = end, end + 4 * int(np.prod(shape))
        described[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(described | header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def _text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"
