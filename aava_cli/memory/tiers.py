"""What AAVA's daemon makes of `LOCAL_LLM_GPU_LAYERS=-1` and of a context that nobody set.

It looks at the first GPU's whole memory, at nothing that is free, and at no model: -1 is never
all layers. The steps are those of its `local_ai_server`, in MiB and in tokens.
"""

from __future__ import annotations

from aava_cli.memory.amounts import GIB, MIB

_LAYERS = ((18_000, 50), (11_000, 35), (7_000, 20))
_FEWEST_LAYERS = 12
_CONTEXTS = ((20, 4096), (12, 3072), (8, 2048))
_SHORTEST_CONTEXT = 1536
NATIVE_CONTEXT = 768
"""What `aava serve` takes where nothing is set, and the daemon without a GPU."""


def tier_layers(total_bytes: int) -> int:
    """Return how many layers the daemon puts on a first GPU of *total_bytes* for -1."""
    size_mib = total_bytes // MIB
    return next((layers for least, layers in _LAYERS if size_mib >= least), _FEWEST_LAYERS)


def tier_context(total_bytes: int) -> int:
    """Return the context that the daemon begins with on a first GPU of *total_bytes*."""
    size_gib = total_bytes / GIB
    return next((context for least, context in _CONTEXTS if size_gib >= least), _SHORTEST_CONTEXT)
