"""Models that are several files: all of them are there, and those with a format are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.modelfiles.onnx import check_onnx
from aava_cli.modelfiles.reader import damaged, expect_one, read_json
from aava_cli.modelfiles.safetensors import check_all_safetensors

if TYPE_CHECKING:
    from pathlib import Path

_PACKED = b"PK"  # weights of PyTorch are a zip
_OLD_PICKLE = b"\x80"


def check_anything(path: Path) -> None:
    """Accept what only the engine itself knows, but for files that say how long they are."""
    if path.is_dir():
        check_all_safetensors(path)


def check_vosk(path: Path) -> None:
    """Check for the folders of a Vosk model."""
    # Archives may hold the model one folder deeper, and the daemon looks there too.
    nested = [each for each in path.iterdir() if (each / "conf").is_dir()]
    root = path if (path / "conf").is_dir() or not nested else nested[0]
    if not (root / "conf").is_dir():
        raise damaged(root, "is no Vosk model: it has no `conf` folder")
    expect_one(root, "am/final.mdl", "final.mdl")


def check_sherpa(path: Path) -> None:
    """Check the parts of a transducer; one that says nothing of itself kills the engine."""
    expect_one(path, "tokens.txt")
    for part in ("encoder", "decoder", "joiner"):
        for file in expect_one(path, f"{part}*.onnx"):
            found = check_onnx(file)
            if part == "encoder" and not found.metadata:
                raise damaged(file, "has no metadata, from which the engine learns what it is")


def check_tone(path: Path) -> None:
    """Check the network of T-one, and that its language model, if there is one, is not empty."""
    for file in expect_one(path, "model.onnx"):
        check_onnx(file)
    if (path / "kenlm.bin").exists():
        expect_one(path, "kenlm.bin")


def check_matcha(path: Path) -> None:
    """Check an acoustic model and what must lie beside it."""
    check_onnx(path)
    expect_one(path.parent, "tokens.txt")
    # The engine ends its process where it has to spell, and finds no rules to.
    if not (path.parent / "espeak-ng-data").is_dir() and not (path.parent / "lexicon.txt").exists():
        raise damaged(path.parent, "has no `espeak-ng-data` and no `lexicon.txt`")


def check_kokoro(path: Path) -> None:
    """Check the folder from which the engine speaks without asking the hub.

    `aava serve` speaks with the model as sherpa-onnx publishes it.
    """
    for network in sorted(path.glob("model*.onnx")):
        check_onnx(network)
        expect_one(path, "voices.bin")
        expect_one(path, "tokens.txt")
        return
    expect_one(path, "config.json")
    read_json(path / "config.json")
    for file in (*expect_one(path, "kokoro-v1_0.pth"), *expect_one(path, "voices/*.pt")):
        with file.open("rb") as opened:
            if not opened.read(2).startswith((_PACKED, _OLD_PICKLE)):
                raise damaged(file, "does not begin as weights of PyTorch do")
