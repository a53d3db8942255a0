"""Headers of real models, from their published hyper-parameters, with nothing where weights are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import gguf

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Real:
    """What a model's `config.json` says; *more* are keys of its architecture alone."""

    architecture: str
    layers: int
    embedding: int
    heads: int
    kv_heads: int
    forward: int
    vocabulary: int
    head: int = 128
    tied: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    block: Callable[[Real], Shapes] | None = None

    def shapes(self) -> Shapes:
        """Return the tensors of each layer."""
        return self.block(self) if self.block else dense(self)


def dense(real: Real) -> Shapes:
    """Return the tensors of a plain layer."""
    queries, kept = real.heads * real.head, real.kv_heads * real.head
    return {
        "attn_norm": (real.embedding,),
        "attn_q": (real.embedding, queries),
        "attn_k": (real.embedding, kept),
        "attn_v": (real.embedding, kept),
        "attn_output": (queries, real.embedding),
        "ffn_norm": (real.embedding,),
        "ffn_gate": (real.embedding, real.forward),
        "ffn_up": (real.embedding, real.forward),
        "ffn_down": (real.forward, real.embedding),
    }


def with_norms(real: Real) -> Shapes:
    """Return the tensors of a layer of Gemma 3."""
    wide = dict.fromkeys(("post_attention_norm", "post_ffw_norm"), (real.embedding,))
    return dense(real) | wide | dict.fromkeys(("attn_q_norm", "attn_k_norm"), (real.head,))


def with_experts(real: Real) -> Shapes:
    """Return the tensors of a layer of gpt-oss: thirty-two experts, and biases everywhere."""
    shapes, count = dense(real), int(real.more["expert_count"])
    for name in ("ffn_gate", "ffn_up", "ffn_down"):
        shapes[f"{name}_exps"] = (*shapes.pop(name), count)
    return shapes | {
        "ffn_gate_inp": (real.embedding, count),
        "attn_sinks": (real.heads,),
        "ffn_gate_exps.bias": (real.forward, count),
        "ffn_up_exps.bias": (real.forward, count),
        "ffn_down_exps.bias": (real.embedding, count),
    }


def tensor_shapes(real: Real) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each tensor of *real*, in the order of the file."""
    yield "token_embd.weight", (real.embedding, real.vocabulary)
    for index in range(real.layers):
        for name, shape in real.shapes().items():
            yield f"blk.{index}.{name if '.' in name else name + '.weight'}", shape
    yield "output_norm.weight", (real.embedding,)
    if not real.tied:
        yield "output.weight", (real.embedding, real.vocabulary)


def packed_as(quantisation: str, name: str, shape: tuple[int, ...], layers: int) -> str:
    """Return the type of the tensor *name*, as `llama-quantize` chooses it for *quantisation*.

    The rules are those of `llama_tensor_get_type` in llama.cpp's src/llama-quant.cpp.
    """
    if len(shape) == 1 or name.endswith(".bias") or "ffn_gate_inp" in name:
        return "F32"
    if quantisation == "MXFP4_MOE":
        return "MXFP4" if "_exps" in name else "Q8_0"
    if name == "output.weight" and quantisation != "Q8_0":
        return "Q6_K"
    if quantisation == "Q4_K_M":
        return _mixed(name, layers)
    return quantisation


def _mixed(name: str, layers: int) -> str:
    if ".attn_v." not in name and ".ffn_down." not in name:
        return "Q4_K"
    index = int(name.split(".")[1])
    edge = layers // 8
    more = index < edge or index >= 7 * layers // 8 or (index - edge) % 3 == 2
    return "Q6_K" if more else "Q4_K"


def write_header(
    path: Path,
    real: Real,
    quantisation: str,
    *,
    words: bool = False,
    context: int = 131_072,
    keep: Callable[[str], bool] = lambda _name: True,
) -> Path:
    """Write *real*, packed as *quantisation*, to *path*: a true header, and a hole behind it.

    With *words* there are a vocabulary and merges of the length that real ones have. A part of
    a model has only the tensors that it should *keep*.
    """
    import gguf

    writer = gguf.GGUFWriter(path, real.architecture)
    _describe(writer, real, context)
    if words:
        _add_words(writer, real.vocabulary)
    size_bytes = 0
    for name, shape in tensor_shapes(real):
        if not keep(name):
            continue
        kind = gguf.GGMLQuantizationType[packed_as(quantisation, name, shape, real.layers)]
        each, block = gguf.GGML_QUANT_SIZES[kind]
        count = int(np.prod(shape)) // each * block
        writer.add_tensor_info(
            name, tuple(reversed(shape)), np.dtype(np.float16), count, raw_dtype=kind
        )
        size_bytes += -(-count // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header_bytes = -(-path.stat().st_size // 32) * 32
    with path.open("r+b") as file:
        file.truncate(header_bytes + size_bytes)
    return path


def _describe(writer: gguf.GGUFWriter, real: Real, context: int) -> None:
    writer.add_name("real")
    writer.add_context_length(context)
    writer.add_embedding_length(real.embedding)
    writer.add_block_count(real.layers)
    writer.add_feed_forward_length(real.forward)
    writer.add_head_count(real.heads)
    writer.add_head_count_kv(real.kv_heads)
    if "attention.key_length" not in real.more:
        writer.add_key_length(real.head)
        writer.add_value_length(real.head)
    for key, value in real.more.items():
        writer.add_uint32(f"{real.architecture}.{key}", value)


def _add_words(writer: gguf.GGUFWriter, count: int) -> None:
    # Llama 3 has 280,147 merges and a header of 7.5 MB; Qwen2.5 has 151,387 merges.
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{index:x}" + "a" * (index % 4) for index in range(count)])
    writer.add_token_types([1] * count)
    merges = 151_387 if count == QWEN_7B.vocabulary else 280_147
    writer.add_token_merges([f"{index:x} {index % 977:x}" for index in range(merges)])


QWEN_7B = Real("qwen2", 28, 3584, 28, 4, 18_944, 152_064)
QWEN_14B = Real("qwen2", 48, 5120, 40, 8, 13_824, 152_064)
LLAMA_8B = Real("llama", 32, 4096, 32, 8, 14_336, 128_256)
LLAMA_70B = Real("llama", 80, 8192, 64, 8, 28_672, 128_256)
GEMMA_27B = Real(
    *("gemma3", 62, 5376, 32, 16, 21_504, 262_144),
    tied=True,
    more={"attention.sliding_window": 1024},
    block=with_norms,
)
GPT_OSS_20B = Real(
    *("gpt-oss", 24, 2880, 64, 8, 2880, 201_088),
    head=64,
    more={"attention.sliding_window": 128, "expert_count": 32, "expert_used_count": 4},
    block=with_experts,
)
