"""Text to speech with Matcha voices, by sherpa-onnx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.serve.engines.sherpa_voice import SherpaVoice, expect_file, load_voice, sounds_in

if TYPE_CHECKING:
    from collections.abc import Mapping


def load(path: Path, options: Mapping[str, str]) -> SherpaVoice:
    """Load the acoustic model *path*; option `vocoder` is the model that makes it audible."""
    from sherpa_onnx import OfflineTtsMatchaModelConfig

    matcha = OfflineTtsMatchaModelConfig(
        acoustic_model=expect_file(path),
        vocoder=expect_file(Path(options.get("vocoder", ""))),
        tokens=expect_file(path.parent / "tokens.txt"),
        **sounds_in(path.parent),
    )
    return load_voice(matcha=matcha)
