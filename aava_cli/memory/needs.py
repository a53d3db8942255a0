"""What one model needs, before it is known where it will run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aava_cli.memory.amounts import Amount
    from aava_cli.memory.checkpoints import Checkpoint
    from aava_cli.memory.shape import Shape
    from aava_cli.memory.weights import Weights
    from aava_cli.roles import Role

Basis: TypeAlias = Literal["header", "sizes", "guess"]
"""What an estimate is made from: the file's own header, files' sizes, or a name alone."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language model for llama.cpp: what its header says of cache and weights."""

    shape: Shape
    weights: Weights


@dataclass(frozen=True, slots=True)
class Speech:
    """A model that hears or speaks: what it takes in the host's memory, and on a GPU if it can."""

    host: Amount
    gpu: Amount | None = None


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """One model of a set; *kind* says how its memory is counted."""

    id: str
    role: Role
    backend: str
    basis: Basis
    file_bytes: int
    kind: Language | Speech | Checkpoint
