"""Packed weights: their sizes, and what file names say of them."""

from __future__ import annotations

import pytest
from gguf.constants import LlamaFileType

from aava_cli.quantisation import FILE_TYPES, is_other_type, is_other_weight, named_quantisation

NUMBERS = {label: number for number, label in FILE_TYPES.items()}


def test_file_types_are_those_of_the_library() -> None:
    """Every number that we know has the name that the reference package gives it."""
    theirs = {each.value: each.name.removeprefix("MOSTLY_") for each in LlamaFileType}
    theirs[0] = "F32"
    assert {number: theirs[number] for number in FILE_TYPES} == FILE_TYPES
    assert set(theirs) - set(FILE_TYPES) == {LlamaFileType.GUESSED}


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf", "Q4_K_M"),
        ("qwen2.5-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("ggml-base.en-q5_1.bin", "Q5_1"),
        ("model-IQ2_XXS.gguf", "IQ2_XXS"),
        ("model-fp16.gguf", "FP16"),
        ("model.BF16.gguf", "BF16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("i1-Q6_K-00001-of-00003.gguf", "Q6_K"),
        ("Phi-3-mini-4k-instruct-q4.gguf", None),
        ("ggml-base.en.bin", None),
        ("model-Q4_K_M-f16.gguf", None),
        ("model-UD-Q4_K_M.gguf", None),
        ("xq4_k_m.gguf", None),
    ],
)
def test_name_says_how_it_is_packed(filename: str, expected: str | None) -> None:
    """One label is believed; two, or a mixture of somebody's own, say nothing."""
    assert expected == named_quantisation(filename)


@pytest.mark.parametrize(
    ("named", "actual", "expected"),
    [
        ("Q4_K_M", "Q4_K_M", False),
        ("Q4_K_M", "Q4_K_S", False),
        ("Q4_K_M", "Q8_0", True),
        ("Q4_K_M", "Q4_0", True),
        ("Q8_0", "F16", True),
        ("FP16", "BF16", False),
        ("F32", "F16", True),
        ("IQ4_XS", "IQ4_NL", False),
        ("MXFP4", "MXFP4_MOE", False),
        ("Q4_K_XL", "Q8_0", False),
        ("Q4_0_4_4", "Q8_0", False),
    ],
)
def test_other_type(named: str, actual: str, *, expected: bool) -> None:
    """Sizes of a mixture are not told apart, and what is unknown is believed."""
    assert expected == is_other_type(named, NUMBERS[actual])


def test_file_type_that_is_unknown_is_believed() -> None:
    """New numbers come with every year."""
    assert not is_other_type("Q4_K_M", 999)


@pytest.mark.parametrize(
    ("named", "bits", "expected"),
    [
        ("Q4_K_M", 4.9, False),
        ("Q4_K_M", 6.4, False),  # half a billion weights, of which a third are embeddings
        ("Q4_K_M", 8.5, True),
        ("Q8_0", 4.9, True),
        ("F16", 8.5, True),
        ("IQ1_S", 2.0, False),
    ],
)
def test_other_weight(named: str, bits: float, *, expected: bool) -> None:
    """Only what no mixture explains is another."""
    assert expected == is_other_weight(named, bits)
