"""What is counted, against what llama.cpp says that it allocates for the same file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.measuring.disk import need_on_disk
from aava_cli.memory.amounts import MIB
from aava_cli.memory.cache import CACHE_TYPES, cache_bytes
from aava_cli.memory.compute import scratch
from aava_cli.memory.needs import Language
from aava_cli.memory.terms import CacheTerms
from tests.daemon_fixture import UNMEASURED
from tests.memory.tiny_architectures import TINY, write_tiny

if TYPE_CHECKING:
    from aava_cli.memory.shape import Shape

LOADER = Path(__file__).parent / "load_llama.py"
_SIZES = re.compile(r"(model|KV|RS|compute) buffer size =\s*([\d.]+) MiB")
# The log has two places behind the point.
_ROUNDED = 0.011 * MIB


@dataclass(frozen=True, slots=True)
class Allocated:
    """Bytes by llama.cpp's own account."""

    weights: float
    cache: float
    compute: float


def allocated(path: Path, terms: CacheTerms) -> Allocated:
    """Return what llama.cpp allocates for *path*."""
    words = [str(path), terms.context * terms.parallel, terms.parallel, CACHE_TYPES[terms.kind]]
    whole = "1" if terms.full_window else "0"
    ran = subprocess.run(
        [sys.executable, str(LOADER), *map(str, words), whole],
        capture_output=True,
        text=True,
        env={**os.environ, **UNMEASURED},
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = [(name, float(size) * MIB) for name, size in _SIZES.findall(ran.stdout + ran.stderr)]
    assert found
    sums = {
        key: sum(size for name, size in found if name in names)
        for key, names in {"weights": ("model",), "cache": ("KV", "RS")}.items()
    }
    return Allocated(**sums, compute=sum(size for name, size in found if name == "compute"))


def described(path: Path) -> tuple[int, Shape]:
    """Return what the header of *path* says: the weights' bytes, and the shape."""
    need = need_on_disk(path, "llm", "llama", path.name)
    assert isinstance(need.kind, Language)
    return need.kind.weights.total_bytes, need.kind.shape


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(
    ("context", "parallel", "whole"), [(2048, 1, False), (2048, 2, False), (4096, 1, True)]
)
def test_it_is_what_llama_cpp_allocates(
    tmp_path: Path, name: str, context: int, parallel: int, *, whole: bool
) -> None:
    """Weights agree within 1 %, the cache within 2 %, and computing lies in the range."""
    path = write_tiny(tmp_path / "a.gguf", TINY[name])
    terms = CacheTerms(context, parallel, "f16", 512, full_window=whole)
    theirs = allocated(path, terms)
    weights, shape = described(path)
    assert weights == pytest.approx(theirs.weights, rel=0.01)
    assert cache_bytes(shape, terms) == pytest.approx(theirs.cache, rel=0.02, abs=_ROUNDED)
    computing = scratch(shape, terms, flash=True)
    assert computing.low_bytes <= theirs.compute <= computing.high_bytes


@pytest.mark.parametrize("kind", ["q8_0", "q4_0", "bf16"])
def test_types_of_the_cache(tmp_path: Path, kind: str) -> None:
    """A cache that is packed tighter takes as much less."""
    path = write_tiny(tmp_path / "a.gguf", TINY["llama"])
    terms = CacheTerms(2048, 1, kind, 512)
    theirs = allocated(path, terms)
    assert cache_bytes(described(path)[1], terms) == pytest.approx(theirs.cache, rel=0.02)


@pytest.mark.parametrize("name", ["llama", "gemma2", "deepseek2", "mamba"])
def test_computing_is_close(tmp_path: Path, name: str) -> None:
    """The likely value of plain architectures is off by a twentieth, of others by a third."""
    path = write_tiny(tmp_path / "a.gguf", TINY[name])
    terms = CacheTerms(8192, 1, "f16", 512)
    likely = scratch(described(path)[1], terms, flash=True).likely_bytes
    off = 1 / 3 if name == "mamba" else 0.05
    assert likely == pytest.approx(allocated(path, terms).compute, rel=off)
