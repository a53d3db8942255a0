"""A writer of tiny Whisper models in CTranslate2's format, which hear the chosen words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from ctranslate2.specs import WhisperSpec

    Matrix = npt.NDArray[np.float32]

_WIDTH = 16
_MELS = 80
_AUDIO_FRAMES, _TEXT_POSITIONS = 1500, 448
_CERTAINTY = 8.0
_MARKS = (
    *("endoftext", "startoftranscript", "transcribe", "translate"),
    *("startoflm", "startofprev", "nospeech", "notimestamps"),
)


def write_faster_whisper(folder: Path, text: str = "hello") -> Path:
    """Write the folder of a model that hears *text* in every half minute of audio."""
    from ctranslate2.specs import WhisperSpec

    folder.mkdir(parents=True, exist_ok=True)
    # A word's token begins with this letter where a space is before it.
    tokens = ["-", *(f"\u0120{word}" for word in text.split()), *(f"<|{m}|>" for m in _MARKS)]
    spec = WhisperSpec(1, 1, 1, 1)
    _fill(spec, tokens)
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(tokens)), encoding="utf-8")
    return folder


def _tokenizer(tokens: Sequence[str]) -> dict[str, object]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    marks = [
        {"id": index, "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for index, token in enumerate(tokens)
        if token.startswith("<|")
    ]
    return {
        "version": "1.0",
        "added_tokens": marks,
        "pre_tokenizer": byte_level | {"use_regex": True},
        "decoder": byte_level | {"use_regex": True},
        "model": {
            "type": "WordLevel",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "unk_token": "-",
        },
    }


def _fill(spec: WhisperSpec, tokens: Sequence[str]) -> None:
    """Give every layer weights that add nothing, but for the chain from word to word."""
    from ctranslate2.specs.model_spec import index_spec

    seen, said = _chain(tokens)
    spec.encoder.position_encodings.encodings = _zeros(_AUDIO_FRAMES, _WIDTH)
    spec.decoder.position_encodings.encodings = _zeros(_TEXT_POSITIONS, _WIDTH)
    spec.decoder.embeddings.weight, spec.decoder.projection.weight = seen, said
    for name, value in spec.variables().items():
        if value is None:
            layer, _, part = name.rpartition("/")
            setattr(index_spec(spec, layer), part, _weights(name))


def _chain(tokens: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return embeddings and a projection that spell: each word, the end."""
    seen, said = _zeros(len(tokens), _WIDTH), _zeros(len(tokens), _WIDTH)
    end = tokens.index("<|endoftext|>")
    seen[end:, 0] = 1.0  # whatever the prompt ends with starts the text
    for step in range(1, end):
        said[step, step - 1] = _CERTAINTY
        seen[step, step] = 1.0
    said[end, end - 1] = _CERTAINTY
    return seen, said


def _weights(name: str) -> Matrix:
    part = name.rpartition("/")[2]
    if part in ("gamma", "beta"):
        return np.full(_WIDTH, part == "gamma", np.float32)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1": (_WIDTH, _MELS, 3),
        "conv2": (_WIDTH, _WIDTH, 3),
        "self_attention/linear_0": (3 * _WIDTH, _WIDTH),
        "self_attention/linear_1": (_WIDTH, _WIDTH),
        "attention/linear_1": (2 * _WIDTH, _WIDTH),
        "ffn/linear_0": (4 * _WIDTH, _WIDTH),
        "ffn/linear_1": (_WIDTH, 4 * _WIDTH),
    }
    ends = (shape for end, shape in shapes.items() if name.removesuffix("/weight").endswith(end))
    return _zeros(*next(ends, (_WIDTH, _WIDTH)))


def _zeros(*shape: int) -> Matrix:
    return np.zeros(shape, np.float32)
