"""Check that a model's files are whole, before a daemon that would crash on them sees them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aava_cli.modelfiles.reader import damaged

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
        _check_of(backend.files)(path)
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error


def _check_of(kind: str | None) -> Callable[[Path], None]:
    # Each is loaded when a model of its kind is looked at: together they cost a light command.
    module, function = _CHECKS[kind]
    check: Callable[[Path], None] = getattr(import_module(f"{__name__}.{module}"), function)
    return check


_CHECKS: Mapping[str | None, tuple[str, str]] = {
    None: ("folders", "check_anything"),
    "gguf": ("ggml", "check_gguf"),
    "ggml": ("ggml", "check_ggml"),
    "piper": ("piper", "check_piper"),
    "vosk": ("folders", "check_vosk"),
    "sherpa": ("folders", "check_sherpa"),
    "tone": ("folders", "check_tone"),
    "matcha": ("folders", "check_matcha"),
    "kokoro": ("folders", "check_kokoro"),
    "ctranslate2": ("ctranslate2", "check_ctranslate2"),
    "safetensors": ("safetensors", "check_safetensors"),
}
