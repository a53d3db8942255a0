"""The last versions of the files that people write, kept where nobody trips over them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "backups"
_KEPT = 5


def keep_version(state_dir: Path, name: str, content: bytes) -> None:
    """Keep *content* as the newest version of the file *name*, and the four before it.

    What is the newest already is not kept twice.
    """
    folder = private_folder(private_folder(state_dir) / FOLDER)
    versions = _versions(folder, name)
    if versions and versions[-1].read_bytes() == content:
        return
    now_ns = time.time_ns()
    moment = time.strftime("%Y%m%dT%H%M%S", time.localtime(now_ns // 10**9))
    # The name begins with when, so that names sort by age, and ends with what it is.
    newest = folder / f"{moment}.{now_ns % 10**9:09}-{name.lstrip('.')}"
    atomic_write(newest, content, mode=PRIVATE_FILE)
    for old in [*versions, newest][:-_KEPT]:
        old.unlink(missing_ok=True)


def _versions(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"*-{name.lstrip('.')}"))
