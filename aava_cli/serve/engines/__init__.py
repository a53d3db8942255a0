"""What an engine can do, and the modules that do it: one per engine, named in `ENGINES`."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from aava_cli.backends import BACKENDS
from aava_cli.limits import usable_processors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENGINES = (
    "faster_whisper",
    "kokoro",
    "llama",
    "matcha",
    "piper",
    "sherpa",
    "vosk",
    "whisper_cpp",
)

# More threads than this make a model for speech slower.
_MOST_THREADS = 8


class EngineError(Exception):
    """An engine could not do what it was asked; the message says why."""


class Unanswerable(EngineError):
    """What was asked cannot be answered by anybody; the model is well."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a voice said: signed 16-bit mono samples."""

    pcm16: bytes
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is asked, and how freely it may answer."""

    text: str
    system: str = ""
    max_tokens: int = 64
    temperature: float = 0.4
    top_p: float = 0.85
    repeat_penalty: float = 1.05


@runtime_checkable
class SpeechToText(Protocol):
    """A model that writes down what it hears."""

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return the text of *pcm16_16k*, signed 16-bit mono samples at 16 kHz."""
        ...


@runtime_checkable
class TextToSpeech(Protocol):
    """A voice."""

    def synthesize(self, text: str) -> Speech:
        """Return *text*, spoken."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """A model that answers."""

    def reply(self, prompt: Prompt) -> str:
        """Return the answer to *prompt*."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """A model whose engine says what it runs with, which may not be what was asked for."""

    @property
    def effective(self) -> Mapping[str, str]:
        """What the engine says, by option; `fallback` is why it is not what was asked for."""
        ...


Engine: TypeAlias = SpeechToText | TextToSpeech | LanguageModel


def load_engine(name: str, path: Path, options: Mapping[str, str]) -> Engine:
    """Load the model *path* into the engine *name*: a backend's name, in `ENGINES`."""
    module = importlib.import_module(f"{__name__}.{name}")
    engine: Engine = module.load(path, options)
    return engine


def said_by(name: str) -> dict[str, str]:
    """Return what the engine *name* says in its log: an expression for the value of each option.

    The last of them is always said, and after the others.
    """
    if name not in ENGINES:
        return {}
    module = importlib.import_module(f"{__name__}.{name}")
    said: dict[str, str] = getattr(module, "SAID", {})
    return said


def threads() -> int:
    """Return how many threads an engine should use here."""
    return min(_MOST_THREADS, usable_processors())


def samples_of(pcm16: bytes) -> Any:  # noqa: ANN401 - numpy is imported where it is used
    """Return *pcm16* as the numbers from -1 to 1 that engines take."""
    import numpy as np

    return np.frombuffer(pcm16, "<i2").astype(np.float32) / 32768


def pcm16_of(samples: Any) -> bytes:  # noqa: ANN401
    """Return *samples*, numbers from -1 to 1, as signed 16-bit samples."""
    import numpy as np

    pcm16: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm16


def is_available(name: str) -> bool:
    """Whether the backend *name* has an engine here and the package that it needs."""
    package = BACKENDS[name].package
    return name in ENGINES and package is not None and importlib.util.find_spec(package) is not None
