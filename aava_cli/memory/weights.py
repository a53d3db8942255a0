"""Where a language model's weights go: layer by layer, with what stands before and behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.gguf import Tensor

_LAYER = re.compile(r"blk\.(\d+)\.")
# llama.cpp looks tokens up in the host's memory, wherever the layers are.
_INPUT = frozenset({"token_embd", "per_layer_token_embd", "token_types", "position_embd"})
_TOKENS = "token_embd.weight"


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes as they lie in the file: *input_bytes* look tokens up, *output_bytes* score them.

    *tied_bytes* of them do both, and are in the file once; on a GPU they are a copy.
    *largest_bytes* is the largest tensor of a layer.
    """

    layers: tuple[int, ...]
    input_bytes: int
    output_bytes: int
    tied_bytes: int = 0
    largest_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """All that is in the file."""
        return sum(self.layers) + self.input_bytes + self.output_bytes - self.tied_bytes


def weigh(tensors: tuple[Tensor, ...], layer_count: int) -> Weights:
    """Return where the bytes of *tensors*, those of all files of a model, belong."""
    layers = [0] * layer_count
    before = behind = tokens = largest = 0
    has_output = False
    for tensor in tensors:
        found = _LAYER.match(tensor.name)
        if found and int(found[1]) < layer_count:
            layers[int(found[1])] += tensor.size_bytes
            largest = max(largest, tensor.size_bytes)
        elif tensor.name.partition(".")[0] in _INPUT:
            before += tensor.size_bytes
            tokens = tensor.size_bytes if tensor.name == _TOKENS else tokens
        else:
            behind += tensor.size_bytes
            has_output |= tensor.name == "output.weight"
    tied = 0 if has_output else tokens
    return Weights(tuple(layers), before, behind + tied, tied, largest)
