"""Look at the folders in which a model may be; nothing is asked of the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.download.resolving.wholeness import (
    CONFIG,
    INDEX_ENDS,
    Lack,
    lacks_among,
    weights_among,
)
from aava_cli.errors import IntegrityError
from aava_cli.modelfiles.reader import read_json
from aava_cli.modelfiles.safetensors import check_safetensors, shards_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind: TypeAlias = Literal["folder", "models-dir", "models-dir-name", "cache"]
"""A folder that was named; `LOCAL_MODELS_DIR/org/name`, and `/name`; the hub's cache."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN_LETTERS = 12
NO_FOLDER = "there is no such folder"


@dataclass(frozen=True, slots=True)
class Sight:
    """One place and what is there; *absent* is why there is nothing to look at."""

    kind: Kind
    path: Path
    absent: str | None = None
    lacks: tuple[Lack, ...] = ()
    commit: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a model can be loaded from here."""
        return self.absent is None and not self.lacks


def look_at_folder(kind: Kind, path: Path, revision: str | None = None) -> Sight:
    """Return what is in *path*, of which nobody knows at which revision it is."""
    if revision is not None and kind != "folder":
        return Sight(kind, path, absent=f"nothing there would say that it is at `{revision}`")
    return _look(Sight(kind, path))


def _look(place: Sight) -> Sight:
    try:
        return replace(place, lacks=tuple(find_lacks(place.path)))
    except (FileNotFoundError, NotADirectoryError):
        return replace(place, absent=NO_FOLDER)
    except OSError as error:
        return replace(place, absent=f"it cannot be read: {error.strerror}")


def look_at_cache(cache: Path, repository: str, revision: str) -> Sight:
    """Return what the hub's *cache* has of *repository* at *revision*: never another revision.

    The layout is that of `try_to_load_from_cache` in `huggingface_hub/file_download.py`.
    """
    folder = cache / "--".join(("models", *repository.split("/")))
    commit = _commit_of(folder / "refs" / revision) or revision
    snapshots = folder / "snapshots"
    snapshot = snapshots / commit
    # One with slashes is no snapshot's name: it would lead into one.
    if "/" not in commit:
        sight = _look(Sight("cache", snapshot, commit=commit))
        if sight.absent != NO_FOLDER:
            return sight
    return Sight("cache", snapshot, absent=_other_snapshots(snapshots, revision))


def _commit_of(ref: Path) -> str | None:
    try:
        commit = ref.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _other_snapshots(snapshots: Path, revision: str) -> str:
    others = sorted(each.name[:_SHOWN_LETTERS] for each in snapshots.glob("*") if each.is_dir())
    if not others:
        return "it was never downloaded there"
    return f"no snapshot of `{revision}` is there, only of {', '.join(others)}"


def find_lacks(folder: Path) -> Iterator[Lack]:
    """Yield what keeps the model in *folder* from being loaded; headers alone are read."""
    entries = sorted(folder.iterdir())
    dangling = [each.name for each in entries if each.is_symlink() and not each.exists()]
    yield from (Lack(name, "is a link to nothing") for name in dangling)
    names = [each.name for each in entries]
    yield from lacks_among(names)
    weights = weights_among(names)
    if CONFIG in names and CONFIG not in dangling:
        yield from _damage(folder, CONFIG)
    if weights is not None and weights not in dangling:
        yield from _lacks_of_weights(folder, weights, dangling)


def _damage(folder: Path, name: str) -> Iterator[Lack]:
    try:
        read_json(folder / name)
    except IntegrityError as error:
        yield _lack(error, name)


def _lacks_of_weights(folder: Path, weights: str, dangling: list[str]) -> Iterator[Lack]:
    try:
        shards = shards_of(folder / weights) if weights.endswith(INDEX_ENDS) else (weights,)
        absent = [name for name in shards if not (folder / name).is_file()]
        yield from (Lack(name, "is missing") for name in absent if name not in dangling)
        if absent:
            return
        if weights.startswith("model.safetensors"):
            check_safetensors(folder / weights)
        empty = [name for name in shards if not (folder / name).stat().st_size]
        yield from (Lack(name, "is empty", is_there=True) for name in empty)
    except IntegrityError as error:
        yield _lack(error, weights)


def _lack(error: IntegrityError, name: str) -> Lack:
    # A shard that is damaged is named by its path, not by that of the index.
    quoted, _, problem = error.message.removeprefix("`").partition("` ")
    return Lack(quoted.rpartition("/")[2] or name, problem, is_there=True)
