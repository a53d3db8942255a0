"""Folders where models are put together before they are published, one per process."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.processes import liveness, parse_process, this_process

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

_PARTS = ".parts"


def new_stage(work: Path, model_id: str) -> Path:
    """Return a new empty folder for *model_id*.

    What killed runs left of it goes: their downloads are kept elsewhere.
    """
    stage = work / "staging" / f"{model_id}.{this_process()}"
    stage.parent.mkdir(parents=True, exist_ok=True)
    for other in stage.parent.glob(f"{model_id}.*"):
        if other == stage or is_abandoned(other):
            shutil.rmtree(other, ignore_errors=True)
    with suppress(FileExistsError):
        stage.mkdir()
    return stage


def part(stage: Path, path: PurePosixPath) -> Path:
    """Return where one file is prepared in *stage*, apart from archives that unpack around it."""
    return stage / _PARTS / path


def is_abandoned(path: Path) -> bool:
    """Return whether the process is dead that *path* is named after."""
    process = parse_process(path.name.rpartition(".")[2])
    return process is not None and liveness(process) == "dead"
