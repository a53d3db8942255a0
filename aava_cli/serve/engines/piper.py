"""Text to speech with Piper voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError, Speech

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Piper:
    """A Piper voice."""

    def __init__(self, voice: Any) -> None:  # noqa: ANN401 - an untyped package
        self._voice = voice

    def synthesize(self, text: str) -> Speech:
        """Return *text*, spoken at the voice's own rate."""
        spoken = b"".join(chunk.audio_int16_bytes for chunk in self._voice.synthesize(text))
        return Speech(spoken, self._voice.config.sample_rate)


def load(path: Path, options: Mapping[str, str]) -> Piper:  # noqa: ARG001 - a voice has no options
    """Load the voice *path*, described by the file of that name plus `.json`."""
    from piper import PiperVoice

    try:
        return Piper(PiperVoice.load(path))
    except (KeyError, ValueError) as error:
        raise EngineError(f"`{path}.json` describes no voice: {error!r}") from error
