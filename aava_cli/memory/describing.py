"""Make a model's need from what is known of it: a header, files' sizes, or an entry alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.memory.guess import guess_language
from aava_cli.memory.needs import Language, ModelNeed
from aava_cli.memory.shape import read_shape
from aava_cli.memory.speech import speech_need
from aava_cli.memory.weights import weigh

if TYPE_CHECKING:
    from aava_cli.catalog import Model
    from aava_cli.gguf import GgufHeader
    from aava_cli.memory.needs import Basis
    from aava_cli.roles import Role

LLAMA = "llama"


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
