"""`aava.lock`: which bytes a project's models consist of, to be had again on any host.

Text in, text out. The file is TOML, an array of tables `model`, each with its `files`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.errors import ConfigError, IntegrityError, NotFound
from aava_cli.store import ReceiptFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.catalog import Model, RemoteFile

Lock: TypeAlias = Mapping[str, tuple[ReceiptFile, ...]]
"""The files of each model that is locked, by the model's id."""

LOCK_NAME = "aava.lock"
_VERSION = 1
_HEAD = "# Written by `aava models lock`; `aava models pull --locked` brings these very bytes.\n\n"
_REVISION = re.compile(r"hf:[^@]+@([^/]+)/.+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VOUCHERS = frozenset({"catalog", "hub", "publisher", "tofu"})


def parse_lock(text: str, *, name: str) -> Lock:
    """Return what the lock *text*, of the file *name*, holds.

    Raises:
        ConfigError: it is no lock, or one of a later version.
    """
    from aava_cli.catalog_schema import parse_document

    document: dict[str, Any] = parse_document(text, name)
    if document.get("version") != _VERSION:
        raise ConfigError.at(name, 1, f"expected a lock of `version = {_VERSION}`")
    try:
        return {
            str(model["id"]): parse_files(model["files"]) for model in document.get("model", ())
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        hint = f"remove `{name}`, then run `aava models lock`"
        raise ConfigError(f"{name}:1: expected a lock: {error}", hint=hint) from error


def render_lock(lock: Lock) -> str:
    """Return the text of *lock*: the same for the same models, in whatever order they came."""
    import tomli_w

    models = [
        {"id": model, "files": [_file_table(each) for each in _sorted(lock[model])]}
        for model in sorted(lock)
    ]
    return _HEAD + tomli_w.dumps({"version": _VERSION, "model": models})


def parse_files(
    tables: Iterable[Mapping[str, Any]], size_key: str = "size"
) -> tuple[ReceiptFile, ...]:
    """Return the files that *tables* describe, none of which leads out of the models folder.

    Raises:
        KeyError, TypeError, ValueError: a table is not what it should be.
    """
    return tuple(_parse_file(each, size_key) for each in tables)


def pin_model(model: Model, lock: Lock) -> Model:
    """Return *model* with the bytes, and the revisions, that *lock* names.

    Raises:
        NotFound: the lock does not have it.
        IntegrityError: the catalog describes other files, or other bytes.
    """
    locked = lock.get(model.id)
    if locked is None:
        hint = f"run `aava models lock {model.id}`"
        raise NotFound(f"`{model.id}` is not in `{LOCK_NAME}`", hint=hint)
    files = tuple(_pin(file, model, locked) for file in model.files)
    strangers = [each for each in locked if not any(_holds(file, each) for file in files)]
    if strangers:
        raise _differs(model, f"`{strangers[0].path}` is not of it any more")
    return replace(model, files=files)


def _pin(file: RemoteFile, model: Model, locked: Iterable[ReceiptFile]) -> RemoteFile:
    others = {each.path for each in model.files if each != file}
    own = [each for each in locked if _holds(file, each) and each.path not in others]
    if not own:
        raise _differs(model, f"the lock has no `{file.path}`")
    sha256 = own[0].download_sha256
    if file.sha256 not in (None, sha256):
        raise _differs(model, f"`{file.path}` is to have the sha256 {file.sha256}, not {sha256}")
    size_bytes = file.size_bytes if file.archive else own[0].size_bytes or None
    sources = dict.fromkeys((*_pinned(file, own[0]), *file.sources))
    return replace(file, sha256=sha256, size_bytes=size_bytes, sources=tuple(sources))


def _holds(file: RemoteFile, locked: ReceiptFile) -> bool:
    return locked.path.is_relative_to(file.path) if file.archive else locked.path == file.path


def _pinned(file: RemoteFile, locked: ReceiptFile) -> tuple[str, ...]:
    """Return the locked source, where it is one of the catalog's at a revision."""
    found = _REVISION.fullmatch(locked.source)
    if found is None:
        return (locked.source,) if locked.source in file.sources else ()
    return (locked.source,)


def _differs(model: Model, problem: str) -> IntegrityError:
    message = f"`{model.id}` is not what `{LOCK_NAME}` says: {problem}"
    hint = f"run `aava models lock {model.id}` if the catalog is right"
    return IntegrityError(message, hint=hint)


def _sorted(files: Iterable[ReceiptFile]) -> list[ReceiptFile]:
    return sorted(files, key=lambda each: str(each.path))


def _file_table(file: ReceiptFile) -> dict[str, Any]:
    revision = _REVISION.fullmatch(file.source)
    fields = {
        "path": str(file.path),
        "size": file.size_bytes,
        "sha256": file.sha256,
        "source": file.source,
        "revision": revision[1] if revision else None,
        "provenance": file.provenance,
        "download_sha256": None if file.download_sha256 == file.sha256 else file.download_sha256,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _parse_file(table: Mapping[str, Any], size_key: str) -> ReceiptFile:
    sha256 = table["sha256"]
    download_sha256 = table.get("download_sha256", sha256)
    size, provenance = table[size_key], table["provenance"]
    path = PurePosixPath(table["path"])
    for digest in (sha256, download_sha256):
        if not _SHA256.fullmatch(digest):
            raise ValueError(f"`{digest}` is no SHA-256")
    if not isinstance(size, int) or provenance not in _VOUCHERS:
        raise ValueError(f"`{path}` has a field that no lock has")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"`{path}` leads elsewhere")
    return ReceiptFile(path, size, sha256, str(table["source"]), provenance, download_sha256)
