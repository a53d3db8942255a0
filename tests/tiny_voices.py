"""Writers of tiny voices for sherpa-onnx, of the kinds Matcha and Kokoro."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.tiny_onnx import MELS, save

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# A Matcha voice: every phoneme becomes four frames, every frame 64 samples of a wave.

_MATCHA_TOKENS = 120
_FRAMES_PER_PHONEME = 4
_HOP = 64
VOICE_RATE_HZ = 22_050
_PHONEMES = "_^$ !',-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɹʃʊʌʒˈˌːθᵻ"  # noqa: RUF001 - espeak's alphabet


def write_matcha(folder: Path, *, periods: int = 4) -> tuple[Path, Path]:
    """Write a Matcha voice that hums, *periods* of a wave per frame, and its vocoder.

    It knows how words sound from the data that comes with Piper.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voice, vocoder = folder / "model-steps-3.onnx", folder / "vocoder.onnx"
    _write_acoustic_model(voice)
    _write_vocoder(vocoder, periods)
    write_phonemes(folder)
    return voice, vocoder


def write_phonemes(folder: Path) -> None:
    """Put into *folder* what a voice must know of sounds."""
    from importlib.util import find_spec
    from pathlib import Path

    lines = (f"{symbol} {index}\n" for index, symbol in enumerate(_PHONEMES))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    piper = find_spec("piper")
    assert piper is not None
    assert piper.origin is not None
    (folder / "espeak-ng-data").symlink_to(Path(piper.origin).parent / "espeak-ng-data")


def _write_acoustic_model(path: Path) -> None:
    save(
        path,
        [
            ("Gather", ["loudness", "x"], ["phonemes"], {"axis": 0}),
            ("Transpose", ["phonemes"], ["turned"], {"perm": [0, 2, 1]}),
            ("Concat", ["turned"] * _FRAMES_PER_PHONEME, ["frames"], {"axis": 2}),
            ("Cast", ["x_length"], ["length"], {"to": 1}),
            ("ReduceSum", ["length"], ["first"], {"keepdims": 0}),
            ("ReduceSum", ["noise_scale"], ["second"], {"keepdims": 0}),
            ("ReduceSum", ["length_scale"], ["third"], {"keepdims": 0}),
            ("Sum", ["first", "second", "third"], ["scales"], {}),
            ("Mul", ["scales", "nothing"], ["ignored"], {}),
            ("Add", ["frames", "ignored"], ["mel"], {}),
        ],
        inputs={
            "x": ("int64", ["n", "l"]),
            "x_length": ("int64", ["n"]),
            "noise_scale": ("float", [1]),
            "length_scale": ("float", [1]),
        },
        outputs={"mel": ("float", ["n", MELS, "t"])},
        constants={
            "loudness": np.full((_MATCHA_TOKENS, MELS), 0.3, np.float32),
            "nothing": np.array(0, np.float32),
        },
        metadata={
            "model_type": "matcha-tts",
            "language": "English",
            "voice": "en-us",
            "has_espeak": 1,
            "jieba": 0,
            "n_speakers": 1,
            "sample_rate": VOICE_RATE_HZ,
            "version": 1,
            "pad_id": 0,
            "use_icefall": 1,
            "use_eos_bos": 1,
            "num_ode_steps": 3,
        },
    )


def _write_vocoder(path: Path, periods: int) -> None:
    wave = np.sin(2 * np.pi * periods * np.arange(_HOP) / _HOP).astype(np.float32)
    save(
        path,
        [
            ("ReduceMean", ["mel"], ["loudness"], {"axes": [1], "keepdims": 0}),
            ("Unsqueeze", ["loudness", "last"], ["column"], {}),
            ("Mul", ["column", "wave"], ["frames"], {}),
            ("Reshape", ["frames", "line"], ["audio"], {}),
        ],
        inputs={"mel": ("float", ["n", MELS, "l"])},
        outputs={"audio": ("float", ["n", "s"])},
        constants={"last": np.array([2]), "wave": wave, "line": np.array([1, -1])},
        metadata={"model_type": "hifigan"},
    )


# A Kokoro model: every phoneme becomes a piece of a wave whose loudness is the speaker's.

KOKORO_RATE_HZ = 24_000
_KOKORO_PIECE = 240
_KOKORO_STYLES = (510, 1, 4)  # one for each number of phonemes


def write_kokoro(folder: Path, voices: Mapping[str, float]) -> Path:
    """Write a Kokoro model; each of *voices* hums as loud as its number says."""
    folder.mkdir(parents=True, exist_ok=True)
    longest, _, width = _KOKORO_STYLES
    styles = [np.full((longest, width), loudness, "<f4") for loudness in voices.values()]
    (folder / "voices.bin").write_bytes(np.stack(styles).tobytes())
    write_phonemes(folder)
    wave = np.sin(2 * np.pi * 4 * np.arange(_KOKORO_PIECE) / _KOKORO_PIECE).astype(np.float32)
    save(
        folder / "model.onnx",
        [
            ("Cast", ["tokens"], ["numbers"], {"to": 1}),
            ("Mul", ["numbers", "nothing"], ["zeros"], {}),
            ("Transpose", ["zeros"], ["column"], {"perm": [1, 0]}),
            ("ReduceMean", ["style"], ["loudness"], {"keepdims": 0}),
            ("Mul", ["speed", "nothing"], ["ignored"], {}),
            ("Sum", ["column", "loudness", "ignored"], ["loud"], {}),
            ("Mul", ["loud", "wave"], ["pieces"], {}),
            ("Reshape", ["pieces", "line"], ["audio"], {}),
        ],
        inputs={
            "tokens": ("int64", [1, "l"]),
            "style": ("float", [1, width]),
            "speed": ("float", [1]),
        },
        outputs={"audio": ("float", ["s"])},
        constants={
            "nothing": np.array(0, np.float32),
            "wave": wave,
            "line": np.array([-1]),
        },
        metadata={
            "model_type": "kokoro",
            "language": "English",
            "has_espeak": 1,
            "sample_rate": KOKORO_RATE_HZ,
            "version": 1,
            "voice": "en-us",
            "style_dim": ",".join(map(str, _KOKORO_STYLES)),
            "n_speakers": len(voices),
            "speaker_names": ",".join(voices),
        },
    )
    return folder
