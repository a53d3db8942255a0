"""What models on this disk need, from their own headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aava_cli.errors import NotFound
from aava_cli.gguf import check_end, read_header
from aava_cli.gguf_cursor import damaged
from aava_cli.memory.describing import checkpoint_need, gguf_need, sized_need
from aava_cli.memory.shape import Unreadable
from aava_cli.modelfiles.reader import read_json
from aava_cli.modelfiles.safetensors import count_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aava_cli.gguf import GgufHeader
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.roles import Role

PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_MOST_PARTS = 1000


def parts_of(name: str) -> tuple[str, ...]:
    """Return the files of the model whose first file is *name*: itself, or all its parts."""
    found = PART.fullmatch(name)
    if found is None or not 0 < int(found[3]) < _MOST_PARTS:
        return (name,)
    return tuple(f"{found[1]}-{part:05}-of-{found[3]}.gguf" for part in range(1, int(found[3]) + 1))


def need_on_disk(path: Path, role: Role, backend: str, name: str) -> ModelNeed:
    """Return what the model in *path* needs.

    Raises:
        IntegrityError: its header is damaged, or a file ends before its tensors do.
        NotFound: a part of it is not there.
        OSError: it cannot be read.
    """
    if path.suffix == ".gguf":
        return need_of_headers(
            name, [_header(path.with_name(each)) for each in parts_of(path.name)]
        )
    if is_checkpoint(path):
        numbers = sum(map(count_numbers, sorted(path.glob("*.safetensors"))))
        return need_of_config(name, read_json(path / "config.json"), numbers, size_of(path))
    return sized_need(name, role, backend, size_of(path))


def need_of_headers(name: str, headers: Sequence[GgufHeader]) -> ModelNeed:
    """Return what the GGUF model *name* with the *headers* of all its parts needs.

    Raises:
        IntegrityError: they describe no language model.
    """
    try:
        return gguf_need(name, tuple(headers))
    except Unreadable as problem:
        raise damaged(name, str(problem)) from problem


def need_of_config(
    name: str, config: Mapping[str, object], numbers: int, file_bytes: int
) -> ModelNeed:
    """Return what the transformers model *name* of so many *numbers* needs.

    Raises:
        IntegrityError: its *config* describes no language model.
    """
    try:
        return checkpoint_need(name, config, numbers, file_bytes)
    except Unreadable as problem:
        raise damaged(name, str(problem)) from problem


def is_checkpoint(path: Path) -> bool:
    """Return whether *path* is a folder that the transformers library loads."""
    return (path / "config.json").is_file() and any(path.glob("*.safetensors"))


def size_of(path: Path) -> int:
    """Return the bytes of the file *path*, or of all files in the folder."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def _header(path: Path) -> GgufHeader:
    try:
        with path.open("rb") as file:
            # The first of several parts may have no tensors.
            header = read_header(file, name=path.name)
    except FileNotFoundError as error:
        hint = f"put it into `{path.parent}`, or pull the model again"
        raise NotFound(f"`{path.name}` is missing", hint=hint) from error
    check_end(header, path.stat().st_size, name=path.name)
    return header
