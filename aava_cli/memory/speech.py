"""What models that hear and speak take: their files' size, times what their engine makes of it.

The factors are of the files as they lie on disk. `docs/fit.md` has where each comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.memory.amounts import MIB, Amount, exactly
from aava_cli.memory.compute import CONTEXT, PROCESS
from aava_cli.memory.needs import Speech

if TYPE_CHECKING:
    from collections.abc import Mapping

_CT2_GPU_FLOAT16, _CT2_GPU_INT8 = (1.0, 1.35, 1.7), (0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class _Engine:
    """*times* the files' size and *more* MiB, each at least, most likely and at most."""

    times: tuple[float, float, float]
    more: tuple[int, int, int]
    on_gpu: tuple[float, float, float] | None = None


_TORCH = _Engine((1.0, 1.6, 3.0), (250, 500, 1200), (1.0, 1.5, 3.0))
_ONNX = _Engine((1.0, 1.5, 3.0), (20, 60, 200))
_ENGINES: Mapping[str, _Engine] = {
    # Of whisper.cpp's own table (README.md, "Memory usage"): tiny 75 MiB -> 273 MB up to
    # large 2.9 GiB -> 3.9 GB.
    "whisper_cpp": _Engine((1.0, 1.2, 1.5), (60, 80, 250), (1.0, 1.2, 1.5)),
    # A small model of 40 MB needs 300 MB, a big one of 1.8 GB up to 16 GB, says its publisher.
    "vosk": _Engine((1.0, 2.2, 6.0), (20, 80, 250)),
    "kokoro": _TORCH,
    "melotts": _TORCH,
    "silero": _TORCH,
}
_WITHOUT_FILES = 100 * MIB


def speech_need(backend: str, file_bytes: int, *, compute_type: str = "int8") -> Speech:
    """Return what the model of *file_bytes* takes in *backend*.

    *compute_type* is what faster-whisper converts its weights to.
    """
    size = exactly(file_bytes or _WITHOUT_FILES)
    if backend == "faster_whisper":
        return _whisper(size, compute_type)
    engine = _ENGINES.get(backend, _ONNX)
    host = size.scaled(*engine.times) + _mib(*engine.more) + PROCESS
    gpu = size.scaled(*engine.on_gpu) + CONTEXT if engine.on_gpu else None
    return Speech(host, gpu)


def _whisper(size: Amount, compute_type: str) -> Speech:
    """Count faster-whisper, whose files hold two bytes for a weight.

    On a GPU: 4,521 MB of 3.09 GB in float16 and 2,953 MB in int8, 2,409 and 1,481 MB of 1.51 GB
    (https://github.com/SYSTRAN/faster-whisper/issues/1030).
    """
    is_int8 = compute_type.startswith("int8")
    times = (0.5, 0.9, 3.0) if is_int8 else (2.0, 2.4, 4.0)
    gpu = size.scaled(*(_CT2_GPU_INT8 if is_int8 else _CT2_GPU_FLOAT16)) + CONTEXT
    return Speech(size.scaled(*times) + _mib(30, 80, 300) + PROCESS, gpu)


def _mib(low: int, likely: int, high: int) -> Amount:
    return Amount(low * MIB, likely * MIB, high * MIB)
