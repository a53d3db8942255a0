"""Make a model's need from what is known of it: a header, files' sizes, or an entry alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.memory.checkpoints import Checkpoint
from aava_cli.memory.guess import guess_language
from aava_cli.memory.needs import Language, ModelNeed
from aava_cli.memory.shape import Unreadable, read_shape
from aava_cli.memory.speech import speech_need
from aava_cli.memory.weights import weigh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.catalog import Model
    from aava_cli.gguf import GgufHeader
    from aava_cli.memory.needs import Basis
    from aava_cli.roles import Role

LLAMA = "llama"
TRANSFORMERS = "transformers"
"""What the model server loads with; it is no backend of the daemon."""

_MOST = 1 << 32


def gguf_need(name: str, headers: tuple[GgufHeader, ...]) -> ModelNeed:
    """Return what the language model *name* needs; *headers* are those of all its parts.

    Raises:
        Unreadable: they describe no model that keeps a cache.
    """
    metadata = headers[0].metadata
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    shape = read_shape(metadata, tensors)
    weights = weigh(tensors, len(shape.layers))
    return ModelNeed(name, "llm", LLAMA, "header", weights.total_bytes, Language(shape, weights))


def sized_need(
    name: str, role: Role, backend: str, file_bytes: int, *, basis: Basis = "sizes"
) -> ModelNeed:
    """Return what a model needs of which only the size of its files is known."""
    if role == "llm":
        return ModelNeed(name, role, backend, "guess", file_bytes, guess_language(file_bytes))
    return ModelNeed(name, role, backend, basis, file_bytes, speech_need(backend, file_bytes))


def catalog_need(model: Model) -> ModelNeed:
    """Return what *model* needs as its catalog entry has it, before anybody asks its source."""
    sizes = [file.size_bytes for file in model.files]
    known = [size for size in sizes if size is not None]
    size = sum(known) if known and len(known) == len(sizes) else model.approx_bytes
    basis: Basis = "sizes" if size else "guess"
    return sized_need(model.id, model.role, model.backend, size or 0, basis=basis)


def checkpoint_need(
    name: str, config: Mapping[str, object], numbers: int, file_bytes: int
) -> ModelNeed:
    """Return what a model of the transformers library needs; *numbers* are all its weights.

    Raises:
        Unreadable: its *config* describes no language model.
    """
    described = config.get("text_config")
    inner = described if isinstance(described, dict) else config
    hidden, heads = _whole(inner, "hidden_size"), _whole(inner, "num_attention_heads")
    layers, tokens = _whole(inner, "num_hidden_layers"), _whole(inner, "vocab_size")
    head = _whole(inner, "head_dim", hidden // heads if heads else 0)
    kept = _whole(inner, "num_key_value_heads", heads)
    tables = 1 if config.get("tie_word_embeddings") else 2
    architecture = config.get("model_type")
    kind = Checkpoint(
        weights=numbers,
        unpacked=min(numbers, tables * tokens * hidden),
        cache_numbers=2 * layers * kept * head,
        architecture=architecture if isinstance(architecture, str) else "",
        trained_context=_whole(inner, "max_position_embeddings", 0) or None,
    )
    return ModelNeed(name, "llm", TRANSFORMERS, "header", file_bytes, kind)


def _whole(config: Mapping[str, object], key: str, default: int | None = None) -> int:
    value = config.get(key, default)
    if not isinstance(value, int) or not 0 <= value <= _MOST:
        raise Unreadable(f"has no usable `{key}` in its `config.json`")
    return value
