"""What a language model keeps while it reads, read from a GGUF header's metadata.

The rules are those of llama.cpp: `llama_hparams` in src/llama-hparams.cpp, and what each
architecture's loader under src/models/ makes of its keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.gguf import Array
from aava_cli.memory.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gguf import Tensor, Value

_MAX_LAYERS = 1024
_MAX_NUMBER = 1 << 24


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer keeps: *keys* and *values* are numbers for each token.

    *window* is how far it looks back, 0 for all; *state* are numbers of four bytes for each
    conversation, however long that is.
    """

    keys: int
    values: int
    window: int = 0
    state: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that memory depends on; *trained_context* is None where nobody says."""

    architecture: str
    layers: tuple[Layer, ...]
    embedding: int
    heads: int
    vocabulary: int
    feed_forward: int = 0
    experts_used: int = 0
    expert_forward: int = 0
    trained_context: int | None = None
    is_latent: bool = False


class Unreadable(Exception):
    """The metadata does not describe a model that keeps anything; the caller names the file."""


class Keys:
    """The metadata under an architecture's name, checked as they are asked for."""

    def __init__(self, metadata: Mapping[str, Value]) -> None:
        self._metadata = metadata
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise Unreadable("says nothing of its architecture")
        self.architecture = architecture

    def value(self, key: str) -> Value | None:
        """Return what stands under *key*, if anything."""
        return self._metadata.get(f"{self.architecture}.{key}")

    def number(self, key: str, default: int | None = None) -> int:
        """Return the whole number under *key*; of a list, its largest.

        Raises:
            Unreadable: there is none and no *default*, or it is no number that a model has.
        """
        value = self.value(key)
        if isinstance(value, Array):
            return max((self._checked(key, each) for each in value.values), default=default or 0)
        if value is None and default is not None:
            return default
        return self._checked(key, value)

    def each(self, key: str, count: int, default: int) -> tuple[int, ...]:
        """Return *count* numbers, one for each layer: a list, or one that holds for all."""
        value = self.value(key)
        if not isinstance(value, Array):
            return (self.number(key, default),) * count
        if len(value.values) < count:
            raise Unreadable(f"has `{self.architecture}.{key}` for fewer layers than it has")
        return tuple(self._checked(key, each) for each in value.values[:count])

    def _checked(self, key: str, value: Value | None) -> int:
        if not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
            raise Unreadable(f"has no usable `{self.architecture}.{key}`")
        return int(value)


def read_shape(metadata: Mapping[str, Value], tensors: tuple[Tensor, ...]) -> Shape:
    """Return the shape that *metadata* and the *tensors* of all its files describe.

    Raises:
        Unreadable: they describe none.
    """
    keys = Keys(metadata)
    count = keys.number("block_count")
    if not 0 < count <= _MAX_LAYERS:
        raise Unreadable(f"claims {count:,} layers")
    embedding, forward = keys.number("embedding_length"), keys.number("feed_forward_length", 0)
    return Shape(
        architecture=keys.architecture,
        layers=_layers(keys, count, embedding),
        embedding=embedding,
        heads=keys.number("attention.head_count", 0),
        vocabulary=_vocabulary(keys, metadata, tensors),
        feed_forward=forward,
        experts_used=keys.number("expert_used_count", 0),
        expert_forward=keys.number("expert_feed_forward_length", forward),
        trained_context=keys.number("context_length", 0) or None,
        is_latent=keys.value("attention.key_length_mla") is not None,
    )


def _layers(keys: Keys, count: int, embedding: int) -> tuple[Layer, ...]:
    heads = keys.number("attention.head_count", 0)
    kept = keys.each("attention.head_count_kv", count, heads)
    head = embedding // heads if heads else 0
    sizes = {name: keys.number(f"attention.{name}_length", head) for name in ("key", "value")}
    windows = windows_of(keys, count)
    # The last layers may look into the caches of those before them, or only guess ahead.
    shared = keys.number("attention.shared_kv_layers", 0) + keys.number("nextn_predict_layers", 0)
    own = min(_OWN.get(keys.architecture, count), count - shared)
    return tuple(
        _layer(keys, index, kept[index], windows[index], sizes, is_own=index < own)
        for index in range(count)
    )


def _layer(
    keys: Keys,
    index: int,
    kv_heads: int,
    window: int,
    sizes: Mapping[str, int],
    *,
    is_own: bool,
) -> Layer:
    state = _state(keys, index, kv_heads)
    if not is_own or _is_recurrent(keys, index, kv_heads):
        return Layer(0, 0, 0, state if is_own else 0)
    key, value = sizes["key"], sizes["value"]
    if window:
        key = keys.number("attention.key_length_swa", key)
        value = keys.number("attention.value_length_swa", value)
    if keys.value("attention.key_length_mla") is not None:
        # One compressed row serves as keys and as values.
        value = 0
    return Layer(key * kv_heads, value * kv_heads, window, state)


# These read all layers as recurrent, or mix both kinds in each.
_RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
_BOTH = frozenset({"falcon-h1"})
# The loader of this one knows the number, whatever the header says.
_OWN = {"gemma3n": 20}
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}


def _is_recurrent(keys: Keys, index: int, kv_heads: int) -> bool:
    if keys.architecture in _RECURRENT:
        return True
    if keys.architecture in _INTERVALS:
        interval = keys.number("full_attention_interval", _INTERVALS[keys.architecture])
        return (index + 1) % max(interval, 1) != 0
    return kv_heads == 0


def _state(keys: Keys, index: int, kv_heads: int) -> int:
    """Return the numbers of state, as `n_embd_r` and `n_embd_s` count them."""
    if keys.architecture not in _BOTH and not _is_recurrent(keys, index, kv_heads):
        return 0
    embedding = keys.number("embedding_length")
    if head := keys.number("wkv.head_size", 0):
        return embedding * (keys.number("token_shift_count", 2) + head)
    if cache := keys.number("shortconv.l_cache", 0):
        return embedding * (cache - 1)
    inner, state = keys.number("ssm.inner_size", 0), keys.number("ssm.state_size", 0)
    if not inner:
        return 0
    groups = keys.number("ssm.group_count", 0)
    width = max(keys.number("ssm.conv_kernel", 1) - 1, 0)
    return width * (inner + 2 * groups * state) + state * inner


def _vocabulary(keys: Keys, metadata: Mapping[str, Value], tensors: tuple[Tensor, ...]) -> int:
    for tensor in tensors:
        if tensor.name in ("token_embd.weight", "output.weight") and len(tensor.shape) > 1:
            return tensor.shape[1]
    tokens = metadata.get("tokenizer.ggml.tokens")
    return tokens.count if isinstance(tokens, Array) else keys.number("vocab_size", 0)
