"""ONNX models: the protobuf is whole, and so is what it keeps in other files.

The fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.modelfiles.protobuf import SIZED, VARINT, Field, Message
from aava_cli.modelfiles.reader import Reader, damaged

if TYPE_CHECKING:
    from pathlib import Path

_IR_VERSION, _GRAPH, _OPSET, _METADATA = 1, 7, 8, 14
_WIRES = {_IR_VERSION: VARINT, 2: SIZED, 3: SIZED, 4: SIZED, 5: VARINT, 6: SIZED}
_WIRES |= {_GRAPH: SIZED, _OPSET: SIZED, _METADATA: SIZED, 20: SIZED, 25: SIZED}
_NODE, _TENSOR_NAME = 1, 8
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_KEY, _VALUE = 1, 2
_OPSET_VERSION = 2
_IR_VERSIONS, _OPSET_VERSIONS = range(1, 64), range(1, 256)


@dataclass(slots=True)
class OnnxModel:
    """What a model says of itself: its versions, what it takes and gives, what lies beside it.

    *metadata* are the properties that its exporter wrote, *external* what is said of each
    tensor that is kept in another file.
    """

    ir_version: int = 0
    nodes: int = 0
    opsets: list[int] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    external: list[dict[str, str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def read_onnx(path: Path) -> OnnxModel:
    """Return what *path* says of itself, without its weights.

    Raises:
        IntegrityError: it is no ONNX model, or ends early.
    """
    found = _walked(path)
    if not found.nodes and not found.outputs:
        raise damaged(path, "is no ONNX model: it has no graph")
    return found


def check_onnx(path: Path) -> OnnxModel:
    """Return what *path* says of itself, once an engine could load all of it.

    Raises:
        IntegrityError: it is no ONNX model, ends early, or misses a file of weights.
    """
    found = _walked(path)
    _judge(path, found)
    for tensor in found.external:
        _check_external(path, tensor)
    return found


def _walked(path: Path) -> OnnxModel:
    found = OnnxModel()
    with path.open("rb") as file:
        reader = Reader(path, file)
        if not reader.left:
            raise reader.damaged("is empty")
        message = Message(reader)
        for each in message.fields(reader.left):
            _read_model(message, each, found)
    return found


def _read_model(message: Message, each: Field, found: OnnxModel) -> None:
    if _WIRES.get(each.number, each.wire) != each.wire:
        raise message.wrong()
    match each.number:
        case 1:
            found.ir_version = each.value
        case 7:
            _read_graph(message, each, found)
        case 8:
            fields = message.fields(each.value)
            found.opsets += [inner.value for inner in fields if inner.number == _OPSET_VERSION]
        case 14:
            key, value = _pair(message, each)
            found.metadata[key] = value


def _read_graph(message: Message, graph: Field, found: OnnxModel) -> None:
    weights: set[str] = set()
    for each in message.fields(graph.value):
        found.nodes += each.number == _NODE
        if each.wire != SIZED:
            continue
        match each.number:
            case 5:
                weights.add(_read_tensor(message, each, found))
            case 11:
                found.inputs.append(_named(message, each))
            case 12:
                found.outputs.append(_named(message, each))
    # Old exporters list the weights among the inputs.
    found.inputs = [name for name in found.inputs if name not in weights]


def _read_tensor(message: Message, tensor: Field, found: OnnxModel) -> str:
    name, described, is_external = "", dict[str, str](), False
    for part in message.fields(tensor.value):
        if part.number == _TENSOR_NAME and part.wire == SIZED:
            name = message.text(part)
        elif part.number == _EXTERNAL_DATA and part.wire == SIZED:
            key, value = _pair(message, part)
            described[key] = value
        is_external |= (part.number, part.value) == (_DATA_LOCATION, _EXTERNAL)
    if is_external:
        found.external.append(described)
    return name


def _named(message: Message, value: Field) -> str:
    return _pair(message, value)[0]


def _pair(message: Message, pair: Field) -> tuple[str, str]:
    texts = {_KEY: "", _VALUE: ""}
    for each in message.fields(pair.value):
        if each.wire == SIZED and each.number in texts:
            texts[each.number] = message.text(each)
    return texts[_KEY], texts[_VALUE]


def _judge(path: Path, found: OnnxModel) -> None:
    if found.ir_version not in _IR_VERSIONS:
        raise damaged(path, "is no ONNX model: it has no version of the format")
    if not found.nodes:
        raise damaged(path, "is no ONNX model: it has no graph")
    if not found.opsets or not all(each in _OPSET_VERSIONS for each in found.opsets):
        raise damaged(path, "is no ONNX model: it has no version of its operators")


def _check_external(path: Path, tensor: dict[str, str]) -> None:
    location = tensor.get("location", "")
    file = path.parent / location
    if not location or location.startswith("/") or ".." in PurePosixPath(location).parts:
        raise damaged(path, f"keeps weights in `{location}`, outside its folder")
    if not file.is_file():
        raise damaged(file, f"is missing, where `{path.name}` keeps its weights")
    numbers = [tensor.get(key) or "0" for key in ("offset", "length")]
    if not all(number.isdecimal() for number in numbers):
        raise damaged(path, f"does not say where in `{location}` its weights are")
    size_bytes, end = file.stat().st_size, sum(map(int, numbers))
    if end > size_bytes:
        problem = f"ends before the weights of `{path.name}`"
        raise damaged(file, f"{problem}: {size_bytes:,} of {end:,} bytes are there")
