"""What an ONNX file says about itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import IntegrityError
from aava_cli.onnxfile import read_metadata
from tests.tiny_onnx import write_detector, write_transducer

if TYPE_CHECKING:
    from pathlib import Path


def test_properties_are_read(tmp_path: Path) -> None:
    """They stand behind the weights, which are skipped."""
    found = read_metadata(write_transducer(tmp_path) / "decoder.onnx")
    assert {"vocab_size": "5", "context_size": "2"} == found


def test_model_without_properties_has_none(tmp_path: Path) -> None:
    """That is no damage."""
    assert {} == read_metadata(write_detector(tmp_path / "vad.onnx"))


def test_every_kind_of_field_is_stepped_over(tmp_path: Path) -> None:
    """Numbers of four and eight bytes, and numbers of any length."""
    path = tmp_path / "odd.onnx"
    fields = b"\x15abcd" + b"\x11abcdefgh" + b"\x08\xff\x01"
    path.write_bytes(fields + b"\x72\x08" + b"\x0a\x01k" + b"\x12\x03abc")
    assert {"k": "abc"} == read_metadata(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0b",
        b"\x72\x7f\x0a",
        b"\xff" * 12,
        b"\x0a" + b"\xff" * 9 + b"\x01",
        b"\x72\x03\x0a\x01\xff",
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, data: bytes) -> None:
    """A kind of field that is not, an end in the middle, a number without one, no text."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"bad.onnx` is no ONNX model, or is damaged"):
        read_metadata(path)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Nothing that a file holds is a bug of ours."""
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(data)
    with contextlib.suppress(IntegrityError):
        assert isinstance(read_metadata(path), dict)
