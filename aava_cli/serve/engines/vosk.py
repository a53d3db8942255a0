"""Speech to text with Vosk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RATE_HZ = 16_000


class Vosk:
    """A Vosk model."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - an untyped package
        self._model = model

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return what is said in *pcm16_16k*."""
        from vosk import KaldiRecognizer

        # One that heard the end of an utterance would go on in the middle of the next.
        recognizer = KaldiRecognizer(self._model, _RATE_HZ)
        recognizer.AcceptWaveform(pcm16_16k)
        text: str = json.loads(recognizer.FinalResult())["text"]
        return text


def load(path: Path, options: Mapping[str, str]) -> Vosk:  # noqa: ARG001 - a model has no options
    """Load the folder *path*, or the one inside it that an archive was packed from."""
    from vosk import Model

    # The package takes a file for a folder and says little about it.
    folders = [path, *(each.parent for each in path.glob("*/conf"))]
    for folder in folders:
        if (folder / "conf").is_dir():
            return Vosk(Model(str(folder)))
    raise EngineError(f"`{path}` is no Vosk model: it has no `conf` folder")
