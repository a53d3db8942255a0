"""Tell whether a file that was named is a model at all, and whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.modelfiles.ggml import check_gguf
from aava_cli.modelfiles.onnx import check_onnx
from aava_cli.modelfiles.reader import damaged
from aava_cli.modelfiles.safetensors import check_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_CHECKS: Mapping[str, Callable[[Path], object]] = {
    ".gguf": check_gguf,
    ".onnx": check_onnx,
    ".safetensors": check_safetensors,
}
# Several formats go by each of these names; only their engine can tell them apart.
_OTHERS = (".bin", ".data", ".pt", ".pth")


def check_file(path: Path) -> None:
    """Check that *path* is a file that models are made of.

    Raises:
        IntegrityError: it is of another kind, empty, damaged or cut short.
    """
    kind = path.suffix.lower()
    if kind not in (*_CHECKS, *_OTHERS):
        known = ", ".join(f"`{each}`" for each in (*_CHECKS, *_OTHERS))
        raise damaged(path, f"is no model's file: it ends with none of {known}")
    if not path.stat().st_size:
        raise damaged(path, "is empty")
    if kind in _CHECKS:
        try:
            _CHECKS[kind](path)
        except OSError as error:
            raise damaged(path, f"cannot be read: {error.strerror}") from error
