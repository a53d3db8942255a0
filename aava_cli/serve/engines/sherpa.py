"""Speech to text with sherpa-onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.modelfiles.onnx import read_onnx
from aava_cli.serve.engines import EngineError, samples_of, threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_RATE_HZ = 16_000
_PARTS = ("encoder", "decoder", "joiner")
# What the engine needs to know of a network of these kinds before it can stream.
_CHUNK = "decode_chunk_len"
_STREAM_BY_CHUNKS = ("conformer", "lstm", "zipformer", "zipformer2")
_WINDOW = 512  # what the detector takes at a time
_DETECTOR_SECONDS = 60
# A stream must see what follows a word before it tells the word.
_TAIL_SAMPLES = 10_560


class Streaming:
    """A transducer that was trained to listen while somebody speaks."""

    def __init__(self, recognizer: Any) -> None:  # noqa: ANN401 - an untyped package
        self._recognizer = recognizer

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return what is said in *pcm16_16k*."""
        stream = self._recognizer.create_stream()
        stream.accept_waveform(_RATE_HZ, samples_of(pcm16_16k + bytes(2 * _TAIL_SAMPLES)))
        stream.input_finished()
        while self._recognizer.is_ready(stream):
            self._recognizer.decode_stream(stream)
        text: str = self._recognizer.get_result(stream)
        return text.strip()


class Whole:
    """A transducer for whole utterances; with a *detector*, for the speech in them alone."""

    def __init__(self, recognizer: Any, detector: Any) -> None:  # noqa: ANN401 - an untyped package
        self._recognizer = recognizer
        self._detector = detector

    def transcribe(self, pcm16_16k: bytes) -> str:
        """Return what is said in *pcm16_16k*."""
        heard = samples_of(pcm16_16k)
        parts = self._speech_in(heard) if self._detector else [heard]
        return " ".join(filter(None, map(self.decode, parts)))

    def decode(self, samples: Any) -> str:  # noqa: ANN401 - numpy is imported where it is used
        """Return the text of *samples*, which are speech."""
        stream = self._recognizer.create_stream()
        stream.accept_waveform(_RATE_HZ, samples)
        self._recognizer.decode_stream(stream)
        text: str = stream.result.text
        return text.strip()

    def _speech_in(self, samples: Any) -> Iterator[Any]:  # noqa: ANN401
        self._detector.reset()
        for start in range(0, len(samples), _WINDOW):
            self._detector.accept_waveform(samples[start : start + _WINDOW])
        self._detector.flush()
        while not self._detector.empty():
            yield self._detector.front.samples
            self._detector.pop()


def load(path: Path, options: Mapping[str, str]) -> Streaming | Whole:
    """Load the transducer in the folder *path*.

    Options: `type` (`online` or `offline`, as the model was trained), `vad` (a Silero model,
    for `offline` alone).
    """
    from sherpa_onnx import OfflineRecognizer, OnlineRecognizer

    files = {part: _part(path, part) for part in _PARTS}
    known: dict[str, Any] = {part: str(file) for part, file in files.items()}
    known |= {"tokens": str(_tokens(path)), "num_threads": threads()}
    kind = options.get("type", "online")
    _expect_trained_as(kind, files["encoder"])
    match kind:
        case "online":
            return Streaming(OnlineRecognizer.from_transducer(**known))
        case "offline":
            whole = Whole(OfflineRecognizer.from_transducer(**known), _detector(options))
            # Silence goes no further than the detector, and would prove nothing.
            whole.decode(samples_of(bytes(2 * _RATE_HZ)))
            return whole
        case other:
            raise EngineError(f"a sherpa model is `online` or `offline`, not `{other}`")


def _expect_trained_as(kind: str, encoder: Path) -> None:
    """Refuse a network of the other *kind*, where its properties tell: the engine would end."""
    properties = read_onnx(encoder).metadata
    streams = _CHUNK in properties
    if streams and kind == "offline":
        raise EngineError(f"`{encoder}` was trained to listen while somebody speaks: `online`")
    if not streams and kind == "online" and properties.get("model_type") in _STREAM_BY_CHUNKS:
        raise EngineError(f"`{encoder}` was trained for whole utterances: `offline`")


def _part(folder: Path, part: str) -> Path:
    """Return the network *part*: in full numbers where the folder has both."""
    found = sorted(folder.glob(f"{part}*.onnx"), key=lambda file: (".int8." in file.name, file))
    if not found:
        raise EngineError(f"`{folder}` is no transducer: it has no `{part}*.onnx`")
    return found[0]


def _tokens(folder: Path) -> Path:
    tokens = folder / "tokens.txt"
    # The engine would load without words, and be silent for ever.
    if not tokens.is_file() or not tokens.read_text(encoding="utf-8").strip():
        raise EngineError(f"`{tokens}` is missing or empty")
    return tokens


def _detector(options: Mapping[str, str]) -> Any:  # noqa: ANN401 - an untyped package
    """Return what finds speech in silence, None where none is configured."""
    from pathlib import Path

    from sherpa_onnx import SileroVadModelConfig, VadModelConfig, VoiceActivityDetector

    model = options.get("vad", "")
    if not model:
        return None
    if not Path(model).is_file():
        raise EngineError(f"no model of speech and silence at `{model}`")
    config = VadModelConfig(
        silero_vad=SileroVadModelConfig(model=model, window_size=_WINDOW), sample_rate=_RATE_HZ
    )
    return VoiceActivityDetector(config, buffer_size_in_seconds=_DETECTOR_SECONDS)
