"""Text to speech with Matcha voices, by sherpa-onnx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError, Speech, pcm16_of, threads

if TYPE_CHECKING:
    from collections.abc import Mapping


class SherpaVoice:
    """A voice that sherpa-onnx speaks with; *speaker* is its number among those of the model."""

    def __init__(self, voice: Any, speaker: int = 0) -> None:  # noqa: ANN401 - an untyped package
        self._voice = voice
        self._speaker = speaker

    def synthesize(self, text: str) -> Speech:
        """Return *text*, spoken at the voice's own rate."""
        spoken = self._voice.generate(text, sid=self._speaker)
        return Speech(pcm16_of(spoken.samples), int(spoken.sample_rate))


def load(path: Path, options: Mapping[str, str]) -> SherpaVoice:
    """Load the acoustic model *path*; option `vocoder` is the model that makes it audible."""
    from sherpa_onnx import (
        OfflineTts,
        OfflineTtsConfig,
        OfflineTtsMatchaModelConfig,
        OfflineTtsModelConfig,
    )

    matcha = OfflineTtsMatchaModelConfig(
        acoustic_model=str(path),
        vocoder=str(expect_file(Path(options.get("vocoder", "")))),
        tokens=str(expect_file(path.parent / "tokens.txt")),
        **phonemes_of(path.parent),
    )
    model = OfflineTtsModelConfig(matcha=matcha, num_threads=threads())
    return SherpaVoice(OfflineTts(OfflineTtsConfig(model=model)))


def expect_file(path: Path) -> Path:
    """Return *path*.

    Raises:
        EngineError: there is no such file; the engine would end its process.
    """
    if not path.is_file():
        raise EngineError(f"the voice needs `{path}`, which is missing")
    return path


def phonemes_of(folder: Path) -> dict[str, str]:
    """Return where the model in *folder* has its knowledge of how words sound.

    Raises:
        EngineError: nowhere; the engine would end its process.
    """
    for data in (folder / "espeak-ng-data", folder):
        if (data / "phontab").is_file():
            return {"data_dir": str(data)}
    lexicons = sorted(folder.glob("lexicon*.txt"))
    if not lexicons:
        raise EngineError(f"`{folder}` has neither `espeak-ng-data` nor `lexicon.txt`")
    return {"lexicon": ",".join(map(str, lexicons))}
