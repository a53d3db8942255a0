"""Speech to text with whisper.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError, samples_of, threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Shorter audio is skipped by the engine without a word.
_SHORTEST_SAMPLES = 17_600
_NO_SPEECH = "[BLANK_AUDIO]"


class WhisperCpp:
    """A whisper.cpp model."""

    def __init__(self, model: Any, language: str) -> None:  # noqa: ANN401 - an untyped package
        self._model = model
        self._language = language

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return what is said in *pcm16_16k*; nothing where nobody speaks."""
        import numpy as np

        heard = samples_of(pcm16_16k)
        missing = max(0, _SHORTEST_SAMPLES - len(heard))
        segments = self._model.transcribe(np.pad(heard, (0, missing)), language=self._language)
        return " ".join(each.text for each in segments if each.text != _NO_SPEECH).strip()


def load(path: Path, options: Mapping[str, str]) -> WhisperCpp:
    """Load the ggml file *path*; `language` is a code, or `auto`."""
    from pywhispercpp.model import Model

    if not path.is_file():
        # The package takes anything else for the name of a model to download.
        raise EngineError(f"`{path}` is not a file")
    model = Model(str(path), n_threads=threads(), print_progress=False)
    return WhisperCpp(model, options.get("language", "en"))
