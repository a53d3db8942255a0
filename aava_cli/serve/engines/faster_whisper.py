"""Speech to text with faster-whisper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError, samples_of, threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class FasterWhisper:
    """A Whisper model in CTranslate2's format."""

    def __init__(self, model: Any, language: str, fallback: str) -> None:  # noqa: ANN401 - an untyped package
        self._model = model
        self._language = None if language in ("", "auto") else language
        self._fallback = fallback

    @property
    def effective(self) -> Mapping[str, str]:
        """Where the model runs, and with which numbers."""
        runs = self._model.model
        fallback = {"fallback": self._fallback} if self._fallback else {}
        return {"device": runs.device, "compute_type": runs.compute_type, **fallback}

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return what is said in *pcm16_16k*."""
        segments, _ = self._model.transcribe(
            samples_of(pcm16_16k),
            language=self._language,
            without_timestamps=True,
            condition_on_previous_text=False,
            # A caller waits: no further tries with more fantasy.
            temperature=0.0,
        )
        return " ".join(each.text.strip() for each in segments)


def load(path: Path, options: Mapping[str, str]) -> FasterWhisper:
    """Load the folder *path*, or the model of that name from the cache of the hub.

    Options: `device` (`cpu`, `cuda`, `auto`), `compute_type`, `language` (a code, or `auto`).
    """
    from faster_whisper import WhisperModel

    asked_device = options.get("device") or "auto"
    device = _device(asked_device)
    asked_type = options.get("compute_type") or "default"
    compute_type = _compute_type(asked_type, device)
    model = WhisperModel(
        _folder(path), device=device, compute_type=compute_type, cpu_threads=threads()
    )
    reasons = _fallbacks((asked_device, asked_type), (device, compute_type))
    return FasterWhisper(model, options.get("language", "en"), "; ".join(reasons))


def _folder(path: Path) -> str:
    from faster_whisper import download_model

    folder = path
    if not path.is_absolute():
        try:
            folder = Path(download_model(str(path), local_files_only=True))
        except OSError as error:
            message = f"no model named `{path}` in this host's cache of the hub"
            raise EngineError(message) from error
    if not (folder / "tokenizer.json").is_file():
        # The package would ask the hub for another model's.
        raise EngineError(f"`{folder}` has no `tokenizer.json`")
    return str(folder)


def _device(asked: str) -> str:
    from ctranslate2 import get_cuda_device_count

    return "cuda" if asked != "cpu" and get_cuda_device_count() > 0 else "cpu"


def _compute_type(asked: str, device: str) -> str:
    from ctranslate2 import get_supported_compute_types

    if asked in get_supported_compute_types(device):
        return asked
    return "int8" if device == "cpu" else "default"


def _fallbacks(asked: tuple[str, str], runs: tuple[str, str]) -> Iterator[str]:
    """Yield why what *runs* is not what was *asked* for, each a device and a kind of number."""
    if asked[0] not in (runs[0], "auto"):
        yield f"no device `{asked[0]}` is usable, the model runs on `{runs[0]}`"
    if asked[1] not in (runs[1], "auto", "default"):
        yield f"`{runs[0]}` cannot compute with `{asked[1]}`, the model runs with `{runs[1]}`"
