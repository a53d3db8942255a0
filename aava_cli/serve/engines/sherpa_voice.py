"""Voices that sherpa-onnx speaks with, of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError, Speech, pcm16_of, threads

if TYPE_CHECKING:
    from pathlib import Path


class SherpaVoice:
    """A voice; *speaker* is its number among those of the model."""

    def __init__(self, voice: Any, speaker: int = 0) -> None:  # noqa: ANN401 - an untyped package
        self._voice = voice
        self._speaker = speaker

    def synthesize(self, text: str) -> Speech:
        """Return *text*, spoken at the voice's own rate."""
        spoken = self._voice.generate(text, sid=self._speaker)
        return Speech(pcm16_of(spoken.samples), int(spoken.sample_rate))


def load_voice(speaker: int = 0, **kind: Any) -> SherpaVoice:  # noqa: ANN401
    """Load the model that *kind* describes: its name, and the package's own description."""
    from sherpa_onnx import OfflineTts, OfflineTtsConfig, OfflineTtsModelConfig

    model = OfflineTtsModelConfig(num_threads=threads(), **kind)
    return SherpaVoice(OfflineTts(OfflineTtsConfig(model=model)), speaker)


def expect_file(path: Path) -> str:
    """Return *path*.

    Raises:
        EngineError: there is no such file; the engine would end its process.
    """
    if not path.is_file():
        raise EngineError(f"the voice needs `{path}`, which is missing")
    return str(path)


def sounds_in(folder: Path) -> dict[str, str]:
    """Return where the model in *folder* has its knowledge of how words sound.

    Raises:
        EngineError: nowhere; the engine would end its process.
    """
    found: dict[str, str] = {}
    data = [each for each in (folder / "espeak-ng-data", folder) if (each / "phontab").is_file()]
    # Where British and American words are both there, the engine can use only one of them.
    lexicons = [each for each in sorted(folder.glob("lexicon*.txt")) if "gb" not in each.name]
    if data:
        found["data_dir"] = str(data[0])
    if lexicons:
        found["lexicon"] = ",".join(map(str, lexicons))
    if not found:
        raise EngineError(f"`{folder}` has neither `espeak-ng-data` nor `lexicon.txt`")
    return found
