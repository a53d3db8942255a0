"""How weights are packed: block sizes, and the names under which packed models go around.

The numbers of tensor types are `ggml_type` in ggml/include/ggml.h, their blocks `type_traits` in
ggml/src/ggml.c; the numbers of file types are `llama_ftype` in llama.cpp's include/llama.h, of
which whisper.cpp's `ggml_ftype` is a part.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Weights per block and bytes per block. The numbers that are left out were withdrawn, or stand
# for blocks that exist in memory only.
BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    24: (1, 1),  # I8
    25: (1, 2),  # I16
    26: (1, 4),  # I32
    27: (1, 8),  # I64
    28: (1, 8),  # F64
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    34: (256, 54),  # TQ1_0
    35: (256, 66),  # TQ2_0
    39: (32, 17),  # MXFP4
    40: (64, 36),  # NVFP4
    41: (128, 18),  # Q1_0
}

FILE_TYPES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
}

_LABEL = re.compile(
    r"(?<![a-z0-9])((?:i?q|tq)\d(?:_[a-z0-9]+)+|b?f16|f32|fp16|fp32|(?:mx|nv)fp4(?:_moe)?)(?![a-z0-9])"
)
# Mixtures of somebody's own making, which say nothing of the types in them.
_OWN_MIXTURE = re.compile(r"(?<![a-z0-9])ud[-_]")
_FAMILY = re.compile(r"(I?Q\d(?:_K)?)(?:_(?:XXS|XS|S|M|L|NL))?")
# People call both ways to spend sixteen bits by either name.
_SAME = {"BF16": "F16", "FP16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4"}
_BITS = re.compile(r"\d+")
# Embeddings and rows that no block fits are packed less tightly than the rest.
_LEAST, _MORE_BITS = 0.85, 4.0


def tensor_bytes(shape: tuple[int, ...], kind: int) -> int | None:
    """Return the size of a tensor, or None where rows of *shape* hold no whole blocks."""
    if kind not in BLOCKS:
        return None
    weights, size_bytes = BLOCKS[kind]
    whole = not shape or shape[0] % weights == 0
    return math.prod(shape) // weights * size_bytes if whole else None


def named_quantisation(filename: str) -> str | None:
    """Return the one quantisation that *filename* names, or None: `a-Q4_K_M.gguf` is `Q4_K_M`."""
    name = filename.lower()
    if _OWN_MIXTURE.search(name):
        return None
    found = {label.upper() for label in _LABEL.findall(name)}
    return found.pop() if len(found) == 1 else None


def is_other_type(named: str, file_type: int) -> bool:
    """Return whether a file that calls itself *file_type* is surely not what is *named*.

    `S`, `M` and `L` are mixtures of one type; types and mixtures that are unknown are believed.
    """
    actual = FILE_TYPES.get(file_type)
    known = {_family(each) for each in FILE_TYPES.values()}
    return actual is not None and _family(named) in known - {_family(actual)}


def is_other_weight(named: str, bits: float) -> bool:
    """Return whether weights of *bits* on average are surely not packed as *named* says."""
    number = _BITS.search(named)
    nominal = int(number[0]) if number else bits
    return not nominal * _LEAST <= bits <= nominal + _MORE_BITS


def _family(label: str) -> str:
    label = _SAME.get(label, label)
    found = _FAMILY.fullmatch(label)
    return found[1] if found else label
