"""Tiny language models of many architectures, as far as llama.cpp wants them to load them.

All weights are zero: nobody reads what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import gguf

WIDTH, HEADS, KV_HEADS, HEAD, FORWARD = 256, 8, 2, 32, 512
_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class Tiny:
    """One architecture: its layers, what its header says besides, and each layer's tensors."""

    architecture: str
    layers: int = 6
    extra: Mapping[str, Any] = field(default_factory=dict)
    block: Callable[[int], Mapping[str, tuple[int, ...]]] = lambda _index: dense()
    outer: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    kv_heads: int | list[int] = KV_HEADS
    head: int = HEAD


def dense(*, norms: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a plain layer, with *norms* besides the usual two."""
    kept = KV_HEADS * HEAD
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
        "attn_q": (WIDTH, HEADS * HEAD),
        "attn_k": (WIDTH, kept),
        "attn_v": (WIDTH, kept),
        "attn_output": (HEADS * HEAD, WIDTH),
        "ffn_gate": (WIDTH, FORWARD),
        "ffn_up": (WIDTH, FORWARD),
        "ffn_down": (FORWARD, WIDTH),
    }
    for name in norms:
        shapes[name] = (HEAD,) if "_q_" in name or "_k_" in name else (WIDTH,)
    return shapes


def _qwen2() -> dict[str, tuple[int, ...]]:
    kept = KV_HEADS * HEAD
    biases = {"attn_q.bias": (HEADS * HEAD,), "attn_k.bias": (kept,), "attn_v.bias": (kept,)}
    return dense() | biases


def _phi3() -> dict[str, tuple[int, ...]]:
    shapes = dense()
    for name in ("attn_q", "attn_k", "attn_v", "ffn_gate"):
        del shapes[name]
    return shapes | {
        "attn_qkv": (WIDTH, (HEADS + 2 * KV_HEADS) * HEAD),
        "ffn_up": (WIDTH, 2 * FORWARD),
    }


def _experts() -> dict[str, tuple[int, ...]]:
    shapes = dense()
    for name in ("ffn_gate", "ffn_up", "ffn_down"):
        shapes[f"{name}_exps"] = (*shapes.pop(name), 4)
    return shapes | {"ffn_gate_inp": (WIDTH, 4)}


_LATENT, _TURNED, _FLAT = 64, 16, 32


def _latent(index: int) -> dict[str, tuple[int, ...]]:
    shapes = dense() if index < 1 else _experts()
    for name in ("attn_q", "attn_k", "attn_v"):
        del shapes[name]
    shapes |= {
        "attn_q_a": (WIDTH, _LATENT),
        "attn_q_a_norm": (_LATENT,),
        "attn_q_b": (_LATENT, HEADS * (_FLAT + _TURNED)),
        "attn_kv_a_mqa": (WIDTH, _LATENT + _TURNED),
        "attn_kv_a_norm": (_LATENT,),
        "attn_k_b": (_FLAT, _LATENT, HEADS),
        "attn_v_b": (_LATENT, HEAD, HEADS),
        "attn_output": (HEADS * HEAD, WIDTH),
    }
    if index >= 1:
        shapes |= {f"ffn_{name}_shexp": shape for name, shape in _shared().items()}
    return shapes


def _shared() -> dict[str, tuple[int, ...]]:
    return {"gate": (WIDTH, FORWARD), "up": (WIDTH, FORWARD), "down": (FORWARD, WIDTH)}


_INNER, _STATE, _KERNEL, _RANK = 2 * WIDTH, 16, 4, 16


def _mamba(_index: int) -> dict[str, tuple[int, ...]]:
    return {
        "attn_norm": (WIDTH,),
        "ssm_in": (WIDTH, 2 * _INNER),
        "ssm_conv1d": (_KERNEL, _INNER),
        "ssm_conv1d.bias": (_INNER,),
        "ssm_x": (_INNER, _RANK + 2 * _STATE),
        "ssm_dt": (_RANK, _INNER),
        "ssm_dt.bias": (_INNER,),
        "ssm_a.": (_STATE, _INNER),
        "ssm_d.": (_INNER,),
        "ssm_out": (_INNER, WIDTH),
    }


def _jamba(index: int) -> dict[str, tuple[int, ...]]:
    both = dense()
    if index % 2:
        return both
    forward = {name: both[name] for name in ("ffn_norm", "ffn_gate", "ffn_up", "ffn_down")}
    norms = {"ssm_dt_norm": (_RANK,), "ssm_b_norm": (_STATE,), "ssm_c_norm": (_STATE,)}
    return _mamba(index) | forward | norms


def _gpt_oss() -> dict[str, tuple[int, ...]]:
    shapes = _experts()
    del shapes["ffn_norm"]
    kept = KV_HEADS * HEAD
    return shapes | {
        "post_attention_norm": (WIDTH,),
        "attn_sinks": (HEADS,),
        "attn_q.bias": (HEADS * HEAD,),
        "attn_k.bias": (kept,),
        "attn_v.bias": (kept,),
        "attn_output.bias": (WIDTH,),
        "ffn_gate_inp.bias": (4,),
        "ffn_gate_exps.bias": (FORWARD, 4),
        "ffn_up_exps.bias": (FORWARD, 4),
        "ffn_down_exps.bias": (WIDTH, 4),
    }


_GEMMA = ("post_attention_norm", "post_ffw_norm")
_SSM = {
    "ssm.conv_kernel": _KERNEL,
    "ssm.inner_size": _INNER,
    "ssm.state_size": _STATE,
    "ssm.time_step_rank": _RANK,
}
_MOE = {"expert_count": 4, "expert_used_count": 2}
TINY: Mapping[str, Tiny] = {
    "llama": Tiny("llama", outer={"output": (WIDTH, _TOKENS)}),
    "llama with experts": Tiny("llama", extra=_MOE, block=lambda _index: _experts()),
    "qwen2": Tiny("qwen2", block=lambda _index: _qwen2()),
    "qwen3": Tiny("qwen3", block=lambda _index: dense(norms=("attn_q_norm", "attn_k_norm"))),
    "phi3": Tiny(
        "phi3",
        extra={"rope.dimension_count": HEAD, "attention.sliding_window": 256},
        block=lambda _index: _phi3(),
        outer={"output": (WIDTH, _TOKENS)},
    ),
    "gemma2": Tiny(
        "gemma2",
        extra={"attention.sliding_window": 512, "attn_logit_softcapping": 50.0},
        block=lambda _index: dense(norms=_GEMMA),
    ),
    "gemma3": Tiny(
        "gemma3",
        layers=7,
        extra={"attention.sliding_window": 512},
        block=lambda _index: dense(norms=(*_GEMMA, "attn_q_norm", "attn_k_norm")),
    ),
    "cohere2": Tiny(
        "cohere2",
        layers=5,
        extra={"attention.sliding_window": 256, "logit_scale": 1.0, "rope.dimension_count": HEAD},
        block=lambda _index: {name: s for name, s in dense().items() if name != "ffn_norm"},
    ),
    "gpt-oss": Tiny(
        "gpt-oss",
        extra=_MOE | {"attention.sliding_window": 128, "expert_feed_forward_length": FORWARD},
        block=lambda _index: _gpt_oss(),
        outer={"output": (WIDTH, _TOKENS)},
    ),
    "deepseek2": Tiny(
        "deepseek2",
        layers=3,
        extra=_MOE
        | {
            "attention.kv_lora_rank": _LATENT,
            "attention.q_lora_rank": _LATENT,
            "attention.key_length": _LATENT + _TURNED,
            "attention.value_length": _LATENT,
            "attention.key_length_mla": _FLAT + _TURNED,
            "attention.value_length_mla": HEAD,
            "rope.dimension_count": _TURNED,
            "leading_dense_block_count": 1,
            "expert_feed_forward_length": FORWARD,
            "expert_shared_count": 1,
            "expert_weights_scale": 1.0,
            "expert_gating_func": 1,
        },
        block=_latent,
        outer={"output": (WIDTH, _TOKENS)},
        kv_heads=1,
    ),
    "mamba": Tiny("mamba", layers=3, extra=_SSM, block=_mamba, kv_heads=0),
    "jamba": Tiny(
        "jamba",
        layers=4,
        extra=_SSM,
        block=_jamba,
        kv_heads=[0, KV_HEADS, 0, KV_HEADS],
    ),
}


def write_tiny(path: Path, tiny: Tiny, tokens: int = _TOKENS) -> Path:
    """Write a model like *tiny* with a vocabulary of *tokens*, all its weights zero."""
    import gguf

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, tiny.architecture)
    _describe(writer, tiny, tokens)
    for name, shape in _tensors(tiny, tokens):
        # Large matrices are halves, as in most files; the rest is read as floats.
        is_matrix = len(shape) > 1 and name.endswith("weight") and "ssm" not in name
        kind = np.float16 if is_matrix else np.float32
        writer.add_tensor(name, np.zeros(tuple(reversed(shape)), kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, tiny: Tiny, tokens: int) -> None:
    writer.add_name("tiny")
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(tiny.layers)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(tiny.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    if "attention.key_length" not in tiny.extra:
        writer.add_key_length(tiny.head)
        writer.add_value_length(tiny.head)
    for key, value in tiny.extra.items():
        add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
        add(f"{tiny.architecture}.{key}", value)
    _add_vocabulary(writer, tokens)


def _add_vocabulary(writer: gguf.GGUFWriter, count: int) -> None:
    import gguf

    control = ["<unk>", "<s>", "</s>"]
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    words = [f"\u2581w{index}" for index in range(count - len(raw) - len(control))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*control, *raw, *words])
    writer.add_token_scores([0.0] * count)
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * len(raw) + [gguf.TokenType.NORMAL] * len(words)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _tensors(tiny: Tiny, tokens: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "token_embd.weight", (WIDTH, tokens)
    yield "output_norm.weight", (WIDTH,)
    for name, shape in tiny.outer.items():
        yield f"{name}.weight", (shape[0], tokens)
    for index in range(tiny.layers):
        for name, shape in tiny.block(index).items():
            # A name with a point says its own last part; one that ends with it has none.
            last = name.rstrip(".") if "." in name else f"{name}.weight"
            yield f"blk.{index}.{last}", shape
