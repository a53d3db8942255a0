"""What an engine can do, and the modules that do it: one per engine, named in `ENGINES`."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from aava_cli.backends import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENGINES = ("llama", "piper", "whisper_cpp")


class EngineError(Exception):
    """An engine could not do what it was asked; the message says why."""


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


Engine: TypeAlias = SpeechToText | TextToSpeech | LanguageModel


def load_engine(name: str, path: Path, options: Mapping[str, str]) -> Engine:
    """Load the model *path* into the engine *name*: a backend's name, in `ENGINES`."""
    module = importlib.import_module(f"{__name__}.{name}")
    engine: Engine = module.load(path, options)
    return engine


def is_available(name: str) -> bool:
    """Whether the backend *name* has an engine here and the package that it needs."""
    package = BACKENDS[name].package
    return name in ENGINES and package is not None and importlib.util.find_spec(package) is not None
