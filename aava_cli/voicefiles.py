"""Check that the files of a selection fit each other and its options.

Each file may be whole, and the daemon may still die of them together: of a recogniser of the
other type, of another model where the detector of speech should be, of a voice without rules
to pronounce by. What each engine requires was read from its own source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import IntegrityError, NotFound
from aava_cli.modelfiles.onnx import read_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aava_cli.backends import Backend, Selection
    from aava_cli.modelfiles.onnx import OnnxModel

    Paths = Mapping[str, Path]

# Every streaming encoder of sherpa-onnx has both, and no other has them.
_STREAMING = frozenset({"T", "decode_chunk_len"})
_STREAMING_KINDS = ("conformer", "ebranchformer", "lstm", "zipformer", "zipformer2")
_DECODER_KEYS = ("vocab_size", "context_size")
# Inputs and outputs of Silero's detector, by its fourth and fifth version.
_DETECTORS = (
    (("input", "sr", "h", "c"), ("output", "hn", "cn")),
    (("input", "state", "sr"), ("output", "stateN")),
)
_VOCODERS = ("hifigan", "vocos", "matcha-tts vocos")
_VOCODER_NAMES = ("hifigan*.onnx", "vocos*.onnx", "*vocoder*.onnx")
_KENLM_MAGIC = b"mmap lm "
_NOT_A_MODEL = (b"<", b"{", b"version ")  # a web page, an answer, a pointer to the file


def check_parts(selection: Selection, paths: Paths) -> None:
    """Check that *paths*, where the options' files are on this host, fit *selection*.

    Raises:
        IntegrityError: they do not; the file and what is wrong with it are named.
        NotFound: a part is missing.
    """
    check = _CHECKS.get(selection.backend.parts)
    if check is not None and selection.backend.model in paths:
        check(selection, paths)


def options_of(backend: Backend, path: Path) -> dict[str, str]:
    """Return what the files at *path* say of their options; a path is relative to its folder."""
    if backend.parts == "sherpa" and (encoder := _first(path, "encoder*.onnx")):
        return {"type": _sherpa_type(read_onnx(encoder))}
    if backend.parts == "matcha" and (vocoder := _first(path.parent, *_VOCODER_NAMES)):
        return {"vocoder": vocoder.name}
    return {}


def model_root(backend: Backend, path: Path) -> Path:
    """Return the folder that the daemon itself takes for the model in *path*."""
    # Archives may hold the model one folder deeper; the daemon looks there, and says so.
    if backend.files == "vosk" and path.is_dir() and not (path / "conf").is_dir():
        nested = sorted(each for each in path.iterdir() if (each / "conf").is_dir())
        return nested[0] if nested else path
    return path


def _first(folder: Path, *patterns: str) -> Path | None:
    found = (file for pattern in patterns for file in sorted(folder.glob(pattern)))
    return next(found, None)


def _unfit(path: Path, problem: str, hint: str = "") -> IntegrityError:
    again = "run `aava models verify`, or `aava models pull` to fetch it again"
    return IntegrityError(f"`{path}` {problem}", hint=hint or again)


def _check_sherpa(selection: Selection, paths: Paths) -> None:
    folder, declared = paths["path"], selection.values["type"]
    for encoder in sorted(folder.glob("encoder*.onnx")):
        _check_encoder(encoder, declared)
    for decoder in sorted(folder.glob("decoder*.onnx")):
        metadata = read_onnx(decoder).metadata
        missing = [key for key in _DECODER_KEYS if key not in metadata]
        if missing:
            raise _unfit(decoder, f"does not say its `{missing[0]}`, without which it is no use")
    _expect_content(folder / "tokens.txt")
    if "vad" in paths:
        _check_detector(paths["vad"])


def _expect_content(file: Path) -> None:
    # With an empty list of words the engine loads, and nothing is ever heard or said.
    if not file.is_file() or not file.read_bytes().strip():
        raise _unfit(file, "is missing or empty")


def _check_encoder(encoder: Path, declared: str) -> None:
    found = read_onnx(encoder)
    kind = found.metadata.get("model_type")
    if not kind:
        raise _unfit(encoder, "does not say what it is: the daemon would die of it")
    actual = _sherpa_type(found)
    if actual != declared:
        message = f"is an {actual} model, and `type={declared}` is asked for"
        raise _unfit(encoder, message, f"add `--set stt.type={actual}`")
    if actual == "online" and kind not in _STREAMING_KINDS:
        raise _unfit(encoder, f"is of the kind `{kind}`, which does not stream")


def _sherpa_type(encoder: OnnxModel) -> str:
    return "online" if encoder.metadata.keys() >= _STREAMING else "offline"


def _check_detector(vad: Path) -> None:
    found = read_onnx(vad)
    if (tuple(found.inputs), tuple(found.outputs)) not in _DETECTORS:
        hint = "pull a model of type `offline`, which brings it, or set `--set stt.vad=PATH`"
        raise _unfit(vad, "is not Silero's detector of speech: the daemon would die of it", hint)


def _check_kroko(_selection: Selection, paths: Paths) -> None:
    path = paths["path"]
    with path.open("rb") as file:
        begin = file.read(8)
    if not begin:
        raise _unfit(path, "is empty")
    if begin.startswith(_NOT_A_MODEL):
        raise _unfit(path, "is no model but a text")
    if path.suffix == ".onnx":
        read_onnx(path)


def _check_tone(selection: Selection, paths: Paths) -> None:
    folder = paths["path"]
    model = folder / "model.onnx"
    if not model.is_file():
        raise _unfit(folder, "has no `model.onnx`")
    read_onnx(model)
    if selection.values.get("decoder", "beam_search") != "beam_search":
        return
    kenlm = paths.get("kenlm", folder / "kenlm.bin")
    if not kenlm.is_file():
        hint = "pull it, or add `--set stt.decoder=greedy`, which needs none"
        raise NotFound(f"`{kenlm}` is missing, with which `beam_search` decodes", hint=hint)
    with kenlm.open("rb") as file:
        if file.read(len(_KENLM_MAGIC)) != _KENLM_MAGIC:
            raise _unfit(kenlm, "is no language model of KenLM")


def _check_kokoro(selection: Selection, paths: Paths) -> None:
    """Check for all that is spoken with: for what is missing the engine would ask the hub."""
    folder = paths["path"]
    # `aava serve` speaks with the model as sherpa-onnx publishes it.
    network = _first(folder, "model*.onnx")
    there = _weights_voices(folder) if network is None else _network_voices(network)
    for name in selection.values.get("voice", "af_heart").split(","):
        if name not in there:
            raise NotFound.named("kokoro voice", name, there, listing="aava models show kokoro-82m")


def _weights_voices(folder: Path) -> tuple[str, ...]:
    voices = (file for file in sorted(folder.glob("voices/*.pt")) if file.stat().st_size)
    return tuple(file.stem for file in voices)


def _network_voices(network: Path) -> tuple[str, ...]:
    metadata = read_onnx(network).metadata
    for name in ("voices.bin", "tokens.txt"):
        _expect_content(network.parent / name)
    _check_pronunciation(network.parent, needs_espeak=metadata.get("has_espeak") == "1")
    return tuple(metadata.get("speaker_names", "").split(","))


def _check_matcha(_selection: Selection, paths: Paths) -> None:
    model = paths["path"]
    found = read_onnx(model)
    if found.metadata.get("model_type") != "matcha-tts":
        raise _unfit(model, "is no acoustic model of Matcha")
    _expect_content(model.parent / "tokens.txt")
    _check_pronunciation(model.parent, needs_espeak=found.metadata.get("has_espeak") == "1")
    vocoder = paths["vocoder"]
    kind = read_onnx(vocoder).metadata.get("model_type")
    if kind not in _VOCODERS:
        raise _unfit(vocoder, f"is no vocoder: it says that it is `{kind or 'nothing'}`")


def _check_pronunciation(folder: Path, *, needs_espeak: bool) -> None:
    if needs_espeak:
        places = (folder / "espeak-ng-data" / "phontab", folder / "phontab")
        if not any(place.is_file() and place.stat().st_size for place in places):
            problem = "has no `espeak-ng-data`: the daemon would end where it has to pronounce"
            raise _unfit(folder, problem)
    elif _first(folder, "lexicon*.txt") is None:
        raise _unfit(folder, "has no `lexicon.txt`")


_CHECKS: Mapping[str | None, Callable[[Selection, Paths], None]] = {
    "sherpa": _check_sherpa,
    "kroko": _check_kroko,
    "tone": _check_tone,
    "kokoro": _check_kokoro,
    "matcha": _check_matcha,
}
