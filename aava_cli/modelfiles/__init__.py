"""Check that a model's files are whole, before a daemon that would crash on them sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.modelfiles.ctranslate2 import check_ctranslate2
from aava_cli.modelfiles.folders import (
    check_anything,
    check_kokoro,
    check_matcha,
    check_sherpa,
    check_tone,
    check_vosk,
)
from aava_cli.modelfiles.ggml import check_ggml, check_gguf
from aava_cli.modelfiles.piper import check_piper
from aava_cli.modelfiles.reader import damaged
from aava_cli.modelfiles.safetensors import check_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aava_cli.backends import Backend


def check_model(backend: Backend, path: Path) -> None:
    """Check that *path* holds whole files of the kind that *backend* loads.

    Content that only the engine can judge, such as the values of weights, is not looked at.

    Raises:
        IntegrityError: a file is missing, cut short, or of another kind; the file is named.
    """
    if backend.files == "ctranslate2" and not path.exists():
        return  # a name such as `small`, for which the engine has its own store
    if not path.exists():
        raise damaged(path, "is missing")
    if not path.is_file() and not path.is_dir():
        # A pipe would keep whoever opens it waiting for ever.
        raise damaged(path, "is neither a file nor a folder")
    try:
        _CHECKS[backend.files](path)
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error


_CHECKS: Mapping[str | None, Callable[[Path], None]] = {
    None: check_anything,
    "gguf": check_gguf,
    "ggml": check_ggml,
    "piper": check_piper,
    "vosk": check_vosk,
    "sherpa": check_sherpa,
    "tone": check_tone,
    "matcha": check_matcha,
    "kokoro": check_kokoro,
    "ctranslate2": check_ctranslate2,
    "safetensors": check_safetensors,
}
