"""What a header's metadata comes to, and what is refused in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import UsageError
from aava_cli.gguf import Array, Tensor
from aava_cli.memory.cache import CACHE_TYPES, cache_bytes, cache_type, row_bytes
from aava_cli.memory.compute import masked_cells
from aava_cli.memory.describing import checkpoint_need, gguf_need
from aava_cli.memory.shape import Layer, Unreadable, read_shape
from aava_cli.memory.terms import CacheTerms
from aava_cli.memory.weights import Weights, weigh
from aava_cli.quantisation import BLOCKS

if TYPE_CHECKING:
    from aava_cli.gguf import Value


def described(architecture: str, **keys: Value) -> dict[str, Value]:
    """Return the metadata of a model of *architecture*."""
    usual: dict[str, Value] = {
        "block_count": 4,
        "embedding_length": 64,
        "attention.head_count": 8,
        "attention.head_count_kv": 2,
    }
    named = {key.replace("__", "."): value for key, value in keys.items()}
    told = {f"{architecture}.{key}": value for key, value in (usual | named).items()}
    return {"general.architecture": architecture, **told}


def numbers(*values: float) -> Array:
    """Return a list as the parser keeps it."""
    return Array(4, len(values), values)


def test_plain_attention() -> None:
    """Keys and values are as many as the heads that keep them are wide."""
    shape = read_shape(described("llama"), ())
    assert (Layer(16, 16),) * 4 == shape.layers
    assert (64, 8, 0, None) == (
        shape.embedding,
        shape.heads,
        shape.vocabulary,
        shape.trained_context,
    )


def test_numbers_for_each_layer() -> None:
    """Layers without heads that keep anything keep nothing, and lists may say so."""
    shape = read_shape(described("llama", attention__head_count_kv=numbers(2, 0, 4, 2)), ())
    assert [16, 0, 32, 16] == [layer.keys for layer in shape.layers]


def test_windows_by_a_list() -> None:
    """A list says of each layer whether it has a window; its heads may be others."""
    shape = read_shape(
        described(
            "gemma4",
            attention__sliding_window=128,
            attention__sliding_window_pattern=Array(7, 4, (True, True, True, False)),
            attention__key_length=32,
            attention__value_length=32,
            attention__key_length_swa=8,
            attention__value_length_swa=8,
        ),
        (),
    )
    assert (*(Layer(16, 16, 128),) * 3, Layer(64, 64)) == shape.layers


@pytest.mark.parametrize(
    ("architecture", "said", "windows"),
    [
        ("gemma3", None, [512, 512, 512, 512]),
        ("gemma3", 2, [512, 0, 512, 0]),
        ("gemma2", None, [512, 0, 512, 0]),
        ("smallthinker", None, [0, 512, 512, 512]),
        ("exaone4", None, [0, 0, 0, 0]),
        ("llama", None, [0, 0, 0, 0]),
        ("qwen2", None, [0, 0, 0, 0]),
    ],
)
def test_windows_by_architecture(architecture: str, said: int | None, windows: list[int]) -> None:
    """What no header says, the architecture's loader knows; others read a window as none."""
    keys: dict[str, Value] = {"attention__sliding_window": 512}
    if said is not None:
        keys["attention__sliding_window_pattern"] = said
    shape = read_shape(described(architecture, **keys), ())
    assert windows == [layer.window for layer in shape.layers]


def test_layers_that_look_into_others() -> None:
    """Shared layers keep nothing, and neither do those that only guess ahead."""
    shared = read_shape(described("gemma4", attention__shared_kv_layers=2), ())
    ahead = read_shape(described("glm4moe", nextn_predict_layers=1), ())
    assert [16, 16, 0, 0] == [layer.keys for layer in shared.layers]
    assert [16, 16, 16, 0] == [layer.keys for layer in ahead.layers]


def test_states() -> None:
    """Recurrent layers keep a state, however long the context; a few kinds have both."""
    ssm: dict[str, Value] = {"ssm__conv_kernel": 4, "ssm__inner_size": 8, "ssm__state_size": 2}
    mixed = read_shape(described("jamba", attention__head_count_kv=numbers(0, 2, 0, 0), **ssm), ())
    both = read_shape(described("falcon-h1", **ssm), ())
    steps = read_shape(described("qwen3next", full_attention_interval=2, **ssm), ())
    short = read_shape(described("lfm2", attention__head_count_kv=0, shortconv__l_cache=3), ())
    rwkv = read_shape(described("rwkv6", wkv__head_size=8), ())
    assert [40, 0, 40, 40] == [layer.state for layer in mixed.layers]
    assert {(16, 40)} == {(layer.keys, layer.state) for layer in both.layers}
    assert [(0, 40), (16, 0)] * 2 == [(layer.keys, layer.state) for layer in steps.layers]
    assert {128} == {layer.state for layer in short.layers}
    assert {640} == {layer.state for layer in rwkv.layers}
    assert {0} == {layer.state for layer in read_shape(described("mamba"), ()).layers}
    long, longer = (cache_bytes(rwkv, CacheTerms(context)) for context in (256, 65_536))
    assert long == longer == 4 * 640 * 4


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({}, "says nothing of its architecture"),
        ({"general.architecture": 7}, "says nothing of its architecture"),
        ({"general.architecture": "llama"}, "no usable `llama.block_count`"),
        (described("llama", block_count=0), "claims 0 layers"),
        (described("llama", block_count=2000), "claims 2,000 layers"),
        (described("llama", block_count="four"), "no usable `llama.block_count`"),
        (described("llama", embedding_length=1 << 40), "no usable `llama.embedding_length`"),
        (described("llama", attention__head_count=-1), "no usable `llama.attention.head_count`"),
        (described("llama", attention__head_count_kv=numbers(1, 2)), "for fewer layers"),
    ],
)
def test_what_describes_no_model(metadata: dict[str, Value], problem: str) -> None:
    """Numbers that no model has are refused before anything is made of them."""
    with pytest.raises(Unreadable, match=problem):
        read_shape(metadata, ())


KEYS = (
    *("block_count", "embedding_length", "attention__head_count", "attention__head_count_kv"),
    *("attention__key_length", "nextn_predict_layers", "attention__sliding_window"),
    *("attention__sliding_window_pattern", "ssm__inner_size", "ssm__conv_kernel"),
    *("full_attention_interval", "wkv__head_size", "shortconv__l_cache", "expert_used_count"),
)
ARCHITECTURES = ("llama", "gemma3", "jamba", "mamba", "falcon-h1", "qwen3next", "rwkv6")
NUMBERS = st.sampled_from([-2, -1, 0, 1, 3, 4, 5, 64, 5000, 2**24, 2**64 - 1, 0.5, math.nan])
VALUES = NUMBERS | st.just("x") | st.lists(NUMBERS, max_size=8).map(lambda each: numbers(*each))


@given(st.sampled_from(ARCHITECTURES), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_metadata_is_a_shape_or_refused(architecture: str, keys: dict[str, Value]) -> None:
    """No header makes the counting fail in another way, or take long."""
    try:
        shape = read_shape(described(architecture, **keys), ())
    except Unreadable:
        return
    assert cache_bytes(shape, CacheTerms(4096)) >= 0


def test_size_of_the_vocabulary() -> None:
    """It is the table's, else the list's, else what is said."""
    table = Tensor("token_embd.weight", (64, 999), 0, 0, 0)
    listed = {**described("llama"), "tokenizer.ggml.tokens": Array(8, 777)}
    assert 999 == read_shape(listed, (tensor("output_norm.weight", 1), table)).vocabulary
    assert 777 == read_shape(listed, ()).vocabulary
    assert 555 == read_shape(described("llama", vocab_size=555), ()).vocabulary


def tensor(name: str, size_bytes: int) -> Tensor:
    """Return a tensor of which only the size counts."""
    return Tensor(name, (1,), 0, 0, size_bytes)


def test_weights_by_layer() -> None:
    """Tables of tokens stand before the layers, all else behind; a copy is in the file once."""
    tied = (
        tensor("token_embd.weight", 100),
        tensor("per_layer_token_embd.weight", 50),
        tensor("blk.0.attn_q.weight", 10),
        tensor("blk.1.ffn_up.weight", 20),
        tensor("blk.7.odd.weight", 3),
        tensor("output_norm.weight", 1),
    )
    found = weigh(tied, 2)
    assert Weights((10, 20), 150, 104, 100, 20) == found
    assert sum(each.size_bytes for each in tied) == found.total_bytes
    own = weigh((*tied, tensor("output.weight", 90)), 2)
    assert (94, 0) == (own.output_bytes, own.tied_bytes)
    assert found.total_bytes + 90 == own.total_bytes


def test_types_of_caches() -> None:
    """Each has the size of its blocks; others are refused with those that there are."""
    assert {name: row_bytes(256, name) for name in CACHE_TYPES} == {
        name: 256 // BLOCKS[kind][0] * BLOCKS[kind][1] for name, kind in CACHE_TYPES.items()
    }
    assert "q8_0" == cache_type("Q8_0")
    with pytest.raises(UsageError, match="`q3_k` is no type of a cache") as caught:
        cache_type("q3_k")
    assert "q8_0" in caught.value.hint


def test_masks_of_each_kind_of_cache() -> None:
    """Windows have a mask of their own; what has a state has none."""
    gemma = read_shape(described("gemma2", attention__sliding_window=256), ())
    recurrent = read_shape(described("mamba"), ())
    assert (512, 4096) == masked_cells(gemma, CacheTerms(4096))
    assert (4096, 4096) == masked_cells(gemma, CacheTerms(4096, full_window=True))
    assert () == masked_cells(recurrent, CacheTerms(4096))


def test_need_of_no_headers_model() -> None:
    """Where the caller has the name, it says which file it is."""
    from aava_cli.gguf import GgufHeader

    with pytest.raises(Unreadable):
        gguf_need("a", (GgufHeader(3, {}, (), 0),))


QWEN = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "vocab_size": 152_064,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"hidden_size": "x"}, "`hidden_size`"), ({"vocab_size": -1}, "`vocab_size`")],
)
def test_config_that_describes_no_model(change: dict[str, object], problem: str) -> None:
    """What is wrong in a `config.json` is named."""
    with pytest.raises(Unreadable, match=problem):
        checkpoint_need("a", QWEN | change, 1, 1)


def test_config_within_a_config() -> None:
    """Models that see pictures describe the language model inside."""
    inner = checkpoint_need("a", {"text_config": QWEN}, 1000, 1).kind
    assert checkpoint_need("a", QWEN | {"model_type": None}, 1000, 1).kind == inner
