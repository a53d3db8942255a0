"""Writers of tiny models that real engines load, and that say what the test chose.

Nothing is trained. Each model is a chain of one-hot directions: what came before points at the
next word, and the last word points at the end, so the engines answer the same text every time.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import gguf
    import numpy.typing as npt
    import onnx

    Matrix = npt.NDArray[np.float32]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


# A GGUF model for llama.cpp: one layer whose attention and feed-forward add nothing.

_LLAMA_WIDTH = 32
_LLAMA_END = 2
_LLAMA_CERTAINTY = 8.0


def write_gguf(
    path: Path,
    reply: str = "hello from tiny",
    *,
    leave_out: str = "",
    template: str = CHAT_TEMPLATE,
) -> Path:
    """Write a GGUF language model that answers *reply* to everything, once *template* is done."""
    import gguf

    words = [f"\u2581{word}" for word in reply.split()]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    _describe_llama(writer)
    writer.add_chat_template(template)
    first_word = _add_llama_tokens(writer, words)
    for name, tensor in _llama_tensors(first_word, len(words)):
        if name != leave_out:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_gguf_only_engine_rejects(path: Path) -> Path:
    """Write a GGUF whose header, sizes and extents are right, but which no engine can run."""
    return write_gguf(path, leave_out="blk.0.ffn_down.weight")


def _describe_llama(writer: gguf.GGUFWriter) -> None:
    writer.add_name("aava-tiny")
    writer.add_license("MIT")
    writer.add_context_length(2048)
    writer.add_embedding_length(_LLAMA_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_LLAMA_WIDTH)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_LLAMA_WIDTH // 2)
    writer.add_file_type(0)  # every tensor is F32


def _add_llama_tokens(writer: gguf.GGUFWriter, words: Sequence[str]) -> int:
    """Add the vocabulary and return the id of the first of *words*."""
    import gguf

    control = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*control, *raw, *words]
    kinds = (
        [gguf.TokenType.UNKNOWN]
        + [gguf.TokenType.CONTROL] * (len(control) - 1)
        + [gguf.TokenType.BYTE] * len(raw)
        + [gguf.TokenType.NORMAL] * len(words)
    )
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(_LLAMA_END)
    writer.add_unk_token_id(0)
    writer.add_vocab_size(len(tokens))
    return len(control) + len(raw)


def _llama_tensors(first_word: int, word_count: int) -> Iterator[tuple[str, Matrix]]:
    size = first_word + word_count
    seen = _zeros(size, _LLAMA_WIDTH)
    said = _zeros(size, _LLAMA_WIDTH)
    seen[:first_word, 0] = 1.0  # whatever the prompt ends with starts the reply
    for step in range(word_count):
        seen[first_word + step, step + 1] = 1.0
        said[first_word + step, step] = _LLAMA_CERTAINTY
    said[_LLAMA_END, word_count] = _LLAMA_CERTAINTY
    flat, square = np.ones(_LLAMA_WIDTH, np.float32), _zeros(_LLAMA_WIDTH, _LLAMA_WIDTH)
    yield from (("token_embd.weight", seen), ("output_norm.weight", flat), ("output.weight", said))
    yield from ((f"blk.0.{name}_norm.weight", flat) for name in ("attn", "ffn"))
    attention = (f"attn_{name}" for name in ("q", "k", "v", "output"))
    feed_forward = (f"ffn_{name}" for name in ("gate", "up", "down"))
    yield from ((f"blk.0.{name}.weight", square) for name in (*attention, *feed_forward))


# A Piper voice: a sine whose length follows the number of phonemes.

_HOP = 256
_PHONEMES = "_^$ !',-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɹʃʊʌʒˈˌːθᵻ"  # noqa: RUF001 - espeak's alphabet


def write_piper(path: Path, tone_hz: float = 440.0, *, sample_rate_hz: int = 16000) -> Path:
    """Write a Piper voice (`path` and `path` + `.json`) that hums *tone_hz*."""
    import onnx

    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(_sine_voice(2 * np.pi * tone_hz / sample_rate_hz), str(path))
    described = {
        "audio": {"sample_rate": sample_rate_hz, "quality": "x_low"},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": {symbol: [index] for index, symbol in enumerate(_PHONEMES)},
        "num_symbols": len(_PHONEMES),
        "num_speakers": 1,
        "speaker_id_map": {},
        "language": {"code": "en_US"},
        "dataset": "tiny",
    }
    path.with_name(path.name + ".json").write_text(json.dumps(described), encoding="utf-8")
    return path


def _sine_voice(radians_per_sample: float) -> onnx.ModelProto:
    """Return sin(step * 0.._HOP*n) for n phonemes; the scales count for nothing."""
    from onnx import TensorProto, helper, numpy_helper

    constants: dict[str, npt.NDArray[np.generic]] = {
        "axis": np.array(1, np.int64),
        "hop": np.array(_HOP, np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "step": np.array(radians_per_sample, np.float32),
        "shape": np.array([1, 1, -1], np.int64),
        "nothing": np.array(0.0, np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Shape", ["input"], ["sizes"]),
        node("Gather", ["sizes", "axis"], ["phonemes"], axis=0),
        node("Mul", ["phonemes", "hop"], ["samples"]),
        node("Range", ["zero", "samples", "one"], ["index"]),
        node("Cast", ["index"], ["time"], to=TensorProto.FLOAT),
        node("Mul", ["time", "step"], ["phase"]),
        node("Sin", ["phase"], ["wave"]),
        node("Reshape", ["wave", "shape"], ["shaped"]),
        # onnxruntime drops inputs that nothing reads, and piper always sends them.
        node("ReduceSum", ["scales"], ["scale"], keepdims=0),
        node("Cast", ["input_lengths"], ["lengths"], to=TensorProto.FLOAT),
        node("ReduceSum", ["lengths"], ["length"], keepdims=0),
        node("Add", ["scale", "length"], ["both"]),
        node("Mul", ["both", "nothing"], ["ignored"]),
        node("Add", ["shaped", "ignored"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny-voice",
        [
            helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "phonemes"]),
            helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 1, "time"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


# A whisper.cpp model: the position alone decides which token comes next.

_WHISPER_MAGIC = 0x67676D6C
_WHISPER_WIDTH = 16
_WHISPER_VOCABULARY = 51864  # exactly this many means English only
_WHISPER_TOKENS = 50256
_WHISPER_END = 50256
_WHISPER_FIRST_TIMESTAMP = 50363
_WHISPER_FIRST_WORD = 1000
_WHISPER_AUDIO_FRAMES = 1500
_WHISPER_TEXT_POSITIONS = 448
_WHISPER_MELS, _WHISPER_BINS = 80, 201


def write_whisper(path: Path, text: str = "hello") -> Path:
    """Write a whisper.cpp model that hears *text* in every half minute of audio."""
    words = text.split()
    path.parent.mkdir(parents=True, exist_ok=True)
    width = _WHISPER_WIDTH
    sizes = (
        *(_WHISPER_VOCABULARY, _WHISPER_AUDIO_FRAMES, width, 1, 1),
        *(_WHISPER_TEXT_POSITIONS, width, 1, 1, _WHISPER_MELS, 1),
    )
    with path.open("wb") as file:
        file.write(struct.pack("<12i", _WHISPER_MAGIC, *sizes))
        file.write(struct.pack("<2i", _WHISPER_MELS, _WHISPER_BINS))
        file.write(np.full((_WHISPER_MELS, _WHISPER_BINS), 0.01, np.float32).tobytes())
        file.write(_whisper_tokens(words))
        for name, tensor, half in _whisper_tensors(len(words)):
            file.write(_ggml_tensor(name, tensor, half=half))
    return path


def _whisper_tokens(words: Sequence[str]) -> bytes:
    tokens = [b"t%d" % index for index in range(_WHISPER_TOKENS)]
    tokens[220] = b" "  # the engine looks this one up by its text
    for index, word in enumerate(words):
        tokens[_WHISPER_FIRST_WORD + index] = b" " + word.encode()
    lengths_and_texts = b"".join(struct.pack("<i", len(token)) + token for token in tokens)
    return struct.pack("<i", len(tokens)) + lengths_and_texts


def _ggml_tensor(name: str, tensor: Matrix, *, half: bool) -> bytes:
    head = struct.pack("<3i", tensor.ndim, len(name), int(half))
    shape = struct.pack(f"<{tensor.ndim}i", *reversed(tensor.shape))
    return head + shape + name.encode() + tensor.astype("<f2" if half else "<f4").tobytes()


def _whisper_tensors(word_count: int) -> Iterator[tuple[str, Matrix, bool]]:
    width = _WHISPER_WIDTH
    tokens, positions = _whisper_chain(word_count)
    yield "encoder.positional_embedding", _zeros(_WHISPER_AUDIO_FRAMES, width), False
    yield "encoder.conv1.weight", _zeros(width, _WHISPER_MELS, 3), True
    yield "encoder.conv1.bias", _zeros(width, 1), False
    yield "encoder.conv2.weight", _zeros(width, width, 3), True
    yield "encoder.conv2.bias", _zeros(width, 1), False
    yield from _layer_norm("encoder.ln_post")
    yield from _whisper_block("encoder.blocks.0", ("attn",))
    yield "decoder.positional_embedding", positions, False
    yield "decoder.token_embedding.weight", tokens, True
    yield from _layer_norm("decoder.ln")
    yield from _whisper_block("decoder.blocks.0", ("attn", "cross_attn"))


def _whisper_chain(word_count: int) -> tuple[Matrix, Matrix]:
    """Return embeddings that spell: a timestamp, each word, the end."""
    words = range(_WHISPER_FIRST_WORD, _WHISPER_FIRST_WORD + word_count)
    chain = (_WHISPER_FIRST_TIMESTAMP, *words, _WHISPER_END)
    tokens = _zeros(_WHISPER_VOCABULARY, _WHISPER_WIDTH)
    positions = _zeros(_WHISPER_TEXT_POSITIONS, _WHISPER_WIDTH)
    positions[len(chain) :, len(chain) - 1] = 1000.0
    for step, token in enumerate(chain):
        tokens[token, step] = 8.0
        positions[step, step] = 1000.0  # outweighs the token that was heard last
    return tokens, positions


def _zeros(*shape: int) -> Matrix:
    return np.zeros(shape, np.float32)


def _layer_norm(name: str) -> Iterator[tuple[str, Matrix, bool]]:
    yield f"{name}.weight", np.ones(_WHISPER_WIDTH, np.float32), False
    yield f"{name}.bias", _zeros(_WHISPER_WIDTH), False


def _whisper_block(name: str, attentions: Sequence[str]) -> Iterator[tuple[str, Matrix, bool]]:
    width = _WHISPER_WIDTH
    layers = [
        (f"{attention}.{part}", width, width)
        for attention in attentions
        for part in ("query", "key", "value", "out")
    ]
    layers += [("mlp.0", 4 * width, width), ("mlp.2", width, 4 * width)]
    for norm in (*attentions, "mlp"):
        yield from _layer_norm(f"{name}.{norm}_ln")
    for layer, rows, columns in layers:
        yield f"{name}.{layer}.weight", _zeros(rows, columns), True
        if not layer.endswith("key"):
            yield f"{name}.{layer}.bias", _zeros(rows), False


# What goes wrong with files.


def truncate_half(path: Path) -> Path:
    """Cut *path* to half its size, as an interrupted copy would."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return path


def write_garbage(path: Path, size_bytes: int = 4096, *, seed: int = 0) -> Path:
    """Write bytes that are no model at all, the same for the same *seed*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.random.default_rng(seed).bytes(size_bytes))
    return path
