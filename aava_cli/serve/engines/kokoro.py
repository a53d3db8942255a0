"""Text to speech with Kokoro voices, by sherpa-onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.modelfiles.onnx import read_onnx
from aava_cli.serve.engines import EngineError
from aava_cli.serve.engines.sherpa_voice import SherpaVoice, expect_file, load_voice, sounds_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load(path: Path, options: Mapping[str, str]) -> SherpaVoice:
    """Load the model in the folder *path*, as sherpa-onnx publishes it.

    Options: `voice`, a name that the model knows; `mode`, which must be `local`.
    """
    from sherpa_onnx import OfflineTtsKokoroModelConfig

    mode = options.get("mode") or "local"
    if mode != "local":
        raise EngineError(f"Kokoro speaks on this host alone: its mode is `local`, not `{mode}`")
    network = _network(path)
    speaker = _speaker(network, options.get("voice", ""))
    kokoro = OfflineTtsKokoroModelConfig(
        model=str(network),
        voices=expect_file(path / "voices.bin"),
        tokens=expect_file(path / "tokens.txt"),
        **sounds_in(path),
    )
    return load_voice(speaker, kokoro=kokoro)


def _network(folder: Path) -> Path:
    found = sorted(folder.glob("model*.onnx"), key=lambda file: (".int8." in file.name, file))
    if not found and any(folder.glob("*.pth")):
        raise EngineError(f"`{folder}` holds weights for PyTorch; `model.onnx` is needed here")
    network = found[0] if found else folder / "model.onnx"
    expect_file(network)
    return network


def _speaker(network: Path, voice: str) -> int:
    """Return the number of *voice*, which must be one that *network* was made with."""
    names = read_onnx(network).metadata.get("speaker_names", "").split(",")
    if voice not in names:
        raise EngineError(f"no voice `{voice}`; there are " + ", ".join(f"`{n}`" for n in names))
    return names.index(voice)
