"""Models that no engine can use, each with a fault of its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from tests.tiny_ctranslate2 import write_faster_whisper
from tests.tiny_models import truncate_half, write_garbage, write_gguf, write_piper, write_whisper
from tests.tiny_onnx import write_transducer
from tests.tiny_voices import write_kokoro, write_matcha
from tests.tiny_vosk import write_vosk

if TYPE_CHECKING:
    from pathlib import Path


def write_bad_models(folder: Path) -> None:
    """Write under *folder*, beside good models, the ones that the tests ask for."""
    _write_bad_vosk(folder / "stt")
    _write_bad_transducers(folder / "stt")
    _write_bad_whispers(folder / "stt")
    _write_bad_voices(folder / "tts")
    _write_bad_language_models(folder / "llm")


def _write_bad_vosk(stt: Path) -> None:
    (write_vosk(stt / "vosk-no-graph") / "graph/HCLG.fst").unlink()
    write_garbage(write_vosk(stt / "vosk-bad-graph") / "graph/HCLG.fst")
    write_garbage(write_vosk(stt / "vosk-bad-network") / "am/final.mdl")
    shutil.rmtree(write_vosk(stt / "vosk-no-conf") / "conf")


def _write_bad_transducers(stt: Path) -> None:
    import onnx

    unmarked = write_transducer(stt / "sherpa-unmarked") / "encoder.onnx"
    model = onnx.load(str(unmarked))
    del model.metadata_props[:]
    onnx.save(model, str(unmarked))
    write_garbage(write_transducer(stt / "sherpa-garbage") / "encoder.onnx")
    (write_transducer(stt / "sherpa-empty") / "encoder.onnx").write_bytes(b"")
    (write_transducer(stt / "sherpa-wordless") / "tokens.txt").write_text("")
    (write_transducer(stt / "sherpa-unjoined") / "joiner.onnx").unlink()


def _write_bad_whispers(stt: Path) -> None:
    write_garbage(stt / "ggml-garbage.bin")
    truncate_half(write_whisper(stt / "ggml-half.bin"))
    truncate_half(write_faster_whisper(stt / "faster-half") / "model.bin")
    (write_faster_whisper(stt / "faster-mute") / "tokenizer.json").unlink()


def _write_bad_voices(tts: Path) -> None:
    truncate_half(write_piper(tts / "half.onnx"))
    write_piper(tts / "alone.onnx").with_name("alone.onnx.json").unlink()
    write_piper(tts / "torn.onnx").with_name("torn.onnx.json").write_text("{")
    write_piper(tts / "blank.onnx").with_name("blank.onnx.json").write_text("{}")
    (write_matcha(tts / "matcha-silent")[0].parent / "espeak-ng-data").unlink()
    write_garbage(write_matcha(tts / "matcha-garbage")[0])
    write_garbage(write_matcha(tts / "matcha-garbage-vocoder")[1])
    (write_matcha(tts / "matcha-wordless")[0].parent / "tokens.txt").unlink()
    torch = write_kokoro(tts / "kokoro-torch", {"af_heart": 0.3})
    (torch / "model.onnx").rename(torch / "kokoro-v1_0.pth")
    truncate_half(write_kokoro(tts / "kokoro-half", {"af_heart": 0.3}) / "voices.bin")


def _write_bad_language_models(llm: Path) -> None:
    truncate_half(write_gguf(llm / "half.gguf"))
    write_garbage(llm / "garbage.gguf")
    write_gguf(llm / "incomplete.gguf", leave_out="blk.0.ffn_down.weight")


def _stt(backend: str, name: str, **others: object) -> dict[str, Any]:
    return {"stt_backend": backend, "stt_model_path": f"/app/models/stt/{name}", **others}


def _sherpa(name: str, kind: str = "online", **others: object) -> dict[str, Any]:
    return _stt("sherpa", name, sherpa_model_type=kind, **others)


def _fast(model: str) -> dict[str, Any]:
    return {"stt_backend": "faster_whisper", "stt_config": {"model": model}}


def _piper(name: str) -> dict[str, Any]:
    return {"tts_backend": "piper", "tts_model_path": f"/app/models/tts/{name}"}


def _matcha(folder: str, vocoder: str = "vocoder.onnx") -> dict[str, Any]:
    place = f"/app/models/tts/{folder}"
    return {
        "tts_backend": "matcha",
        "matcha_model_path": f"{place}/model-steps-3.onnx",
        "matcha_vocoder_path": f"{place}/{vocoder}",
    }


def _kokoro(folder: str, **others: str) -> dict[str, Any]:
    place = f"/app/models/tts/{folder}"
    return {"tts_backend": "kokoro", "kokoro_model_path": place, **others}


def _llm(name: str) -> dict[str, Any]:
    return {"llm_model_path": f"/app/models/llm/{name}"}


NOT_A_DETECTOR = "/app/models/stt/sherpa-online/decoder.onnx"

# The request, and what the reply says of the fault.
BAD_SWITCHES: tuple[tuple[dict[str, Any], str], ...] = (
    (_stt("vosk", "vosk-no-graph"), "Can't open file"),
    (_stt("vosk", "vosk-bad-graph"), "Bad FST header"),
    (_stt("vosk", "vosk-bad-network"), 'Expected token "<TransitionModel>"'),
    (_stt("vosk", "vosk-no-conf"), "has no `conf` folder"),
    (_stt("vosk", "ggml-first.bin"), "is no Vosk model"),
    (_sherpa("sherpa-unmarked"), "Unknown model type in online transducer"),
    (_sherpa("sherpa-online", "offline"), "was trained to listen while somebody speaks: `online`"),
    (_sherpa("sherpa-offline", "online"), "was trained for whole utterances: `offline`"),
    (_sherpa("sherpa-offline", "sideways"), "`online` or `offline`, not `sideways`"),
    (
        _sherpa("sherpa-offline", "offline", sherpa_vad_model_path=NOT_A_DETECTOR),
        "Unsupported silero vad model",
    ),
    (
        _sherpa("sherpa-offline", "offline", sherpa_vad_model_path="/app/models/no.onnx"),
        "no model of speech and silence at",
    ),
    (_sherpa("sherpa-garbage"), "encoder.onnx` is no ONNX model"),
    (_sherpa("sherpa-empty"), "sherpa-empty/encoder.onnx` is empty"),
    (_sherpa("sherpa-wordless"), "tokens.txt` is missing or empty"),
    (_sherpa("sherpa-unjoined"), "it has no `joiner*.onnx`"),
    (_stt("whisper_cpp", "ggml-garbage.bin"), "bad magic"),
    (_stt("whisper_cpp", "ggml-half.bin"), "not all tensors loaded"),
    (_stt("whisper_cpp", "vosk-model-hello"), "is not a file"),
    ({"stt_backend": "whisper_cpp", "stt_model_path": "/app/models/llm/first.gguf"}, "bad magic"),
    (_fast("/app/models/stt/faster-half"), "invalid payload size"),
    (_fast("/app/models/stt/faster-mute"), "has no `tokenizer.json`"),
    (_fast("/app/models/stt/vosk-model-hello"), "has no `tokenizer.json`"),
    (_fast("tiny"), "no model named `tiny` in this host's cache"),
    (_fast("no-such-size"), "Invalid model size 'no-such-size'"),
    (_piper("half.onnx"), "Protobuf parsing failed"),
    (_piper("none.onnx"), "no model at"),
    (_piper("alone.onnx"), "alone.onnx.json"),
    (_piper("torn.onnx"), "torn.onnx.json` describes no voice"),
    (_piper("blank.onnx"), "KeyError('num_symbols')"),
    (_matcha("matcha-silent"), "has neither `espeak-ng-data` nor `lexicon.txt`"),
    (_matcha("matcha-garbage"), "model-steps-3.onnx failed:Protobuf parsing failed"),
    (_matcha("matcha-garbage-vocoder"), "vocoder.onnx failed:Protobuf parsing failed"),
    (_matcha("matcha-wordless"), "tokens.txt`, which is missing"),
    (_matcha("matcha-icefall-tiny", "none.onnx"), "none.onnx`, which is missing"),
    (_matcha("matcha-none"), "no model at"),
    (_kokoro("kokoro-torch", kokoro_voice="af_heart"), "holds weights for PyTorch"),
    (_kokoro("kokoro-half", kokoro_voice="af_heart"), "Corrupted --kokoro-voices"),
    (
        _kokoro("kokoro", kokoro_voice="nobody"),
        "no voice `nobody`; there are `af_heart`, `am_adam`",
    ),
    (_kokoro("kokoro", kokoro_mode="api"), "its mode is `local`, not `api`"),
    (_llm("half.gguf"), "not within the file bounds"),
    (_llm("garbage.gguf"), "GGUF"),
    (_llm("incomplete.gguf"), "'blk.0.ffn_down.weight' not found"),
    (_llm(""), "Is a directory"),
    ({"llm_model_path": "/app/models/stt/ggml-first.bin"}, "GGUF"),
    ({"llm_config": {"context": 0}}, "must be a whole number from 16 to 16777216, not `0`"),
    ({"llm_config": {"context": -5}}, "must be a whole number from 16 to 16777216, not `-5`"),
    ({"llm_config": {"batch": 0}}, "must be a whole number from 1 to 16384, not `0`"),
    ({"llm_config": {"chat_format": "nope"}}, "no chat format named `nope`"),
)
