"""Draft a catalog entry from a source: which engine it is for, and where its files go.

Nothing is read or asked here; what a repository has is handed in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aava_cli.addresses import parses
from aava_cli.backends import BACKENDS, backend_named
from aava_cli.catalog_schema import catalog_of
from aava_cli.errors import ConfigError, UsageError
from aava_cli.redact import shown_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.backends import Backend
    from aava_cli.catalog import Catalog, Model
    from aava_cli.download.sources.hub import Snapshot
    from aava_cli.roles import Role

_SCHEMES = ("https://", "http://", "hf:", "pypi:", "npm:", "file:")
_ARCHIVES = {
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.bz2": "tar.bz2",
    ".tbz2": "tar.bz2",
    ".tar.xz": "tar.xz",
    ".txz": "tar.xz",
    ".tar.zst": "tar.zst",
    ".tzst": "tar.zst",
}
_NOT_IN_IDS = re.compile(r"[^a-z0-9.]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source, and what was said of the model that is to be had from it."""

    source: str
    role: Role | None = None
    backend: str | None = None
    sha256: str | None = None
    name: str | None = None


def is_address(word: str) -> bool:
    """Return whether *word* is a source rather than a model's name."""
    return word.startswith(_SCHEMES)


def draft_model(
    wanted: Wanted, snapshot: Snapshot | None = None, extra: Mapping[str, Any] | None = None
) -> Model:
    """Return the model to be had from *wanted*; *snapshot* is the repository, if it is one.

    *extra* are more fields of its table.

    Raises:
        UsageError: which engine it is for is not clear, or that engine loads no such thing.
        NotFound: there is no such engine.
    """
    filename = snapshot.repository.partition("/")[2] if snapshot else file_name(wanted.source)
    stem, packed = _split(filename)
    model_id = slug(wanted.name or stem)
    if not model_id:
        raise UsageError(f"`{wanted.source}` names no file", hint="name the model with `--as`")
    if snapshot is not None:
        fields = _snapshot_fields(wanted, snapshot, wanted.name or stem)
    elif packed:
        fields = _archive_fields(wanted, stem, packed)
    else:
        fields = _file_fields(wanted, filename)
    table = {"name": wanted.name or stem, **fields, **(extra or {})}
    return _parsed(model_id, table)


def check_new(model: Model, catalog: Catalog) -> bool:
    """Return whether *model* is new to *catalog*; the same entry is not.

    Raises:
        UsageError: another model has its id, or a file at one of its paths.
    """
    known = catalog.models.get(model.id)
    if known is not None:
        if _is_same(known, model):
            return False
        message = f"there is another model `{model.id}`"
        raise UsageError(message, hint="choose a name for this one with `--as`")
    paths = {file.path for file in model.files}
    for other in catalog.models.values():
        taken = sorted(paths & {file.path for file in other.files})
        if taken:
            message = f"`{taken[0]}` is a file of the model `{other.id}`"
            raise UsageError(message, hint="choose a name for this one with `--as`")
    return True


def check_address(source: str) -> None:
    """Check that *source* can be taken apart, if it is an address.

    Raises:
        UsageError: it cannot.
    """
    if not parses(source):
        message = f"`{shown_source(source)}` is no address"
        raise UsageError(message, hint="write it as `https://HOST[:PORT]/FILE`")


def file_name(source: str) -> str:
    """Return the name of the file that *source* leads to."""
    if source.startswith(("pypi:", "npm:")):
        return source.rpartition("#")[2].rpartition("/")[2]
    path = urlsplit(source).path if "://" in source else source
    return unquote(path).rpartition("/")[2]


def slug(name: str) -> str:
    """Return *name* as an id: `Qwen2.5_7B Q4` is `qwen2.5-7b-q4`."""
    return _NOT_IN_IDS.sub("-", name.lower()).strip("-.")


def _is_same(known: Model, drafted: Model) -> bool:
    """Return whether *drafted* is *known* as it was recorded after its first pull."""
    if (known.backend, known.path) != (drafted.backend, drafted.path):
        return False
    pairs = [(file.path, file.sources, file.archive) for file in known.files]
    if pairs != [(file.path, file.sources, file.archive) for file in drafted.files]:
        return False
    digests = zip(known.files, drafted.files, strict=True)
    return all(
        None in (own.sha256, told.sha256) or own.sha256 == told.sha256 for own, told in digests
    )


def _parsed(model_id: str, table: Mapping[str, Any]) -> Model:
    """Return the model of *table*, held to what every catalog is held to."""
    fields = {key: value for key, value in table.items() if value is not None}
    try:
        return catalog_of({"models": {model_id: fields}}, "", model_id).models[model_id]
    except ConfigError as error:
        problem = error.message.partition(":1: ")[2]
        raise UsageError(problem, hint="see `aava models add --help`") from error


def _split(filename: str) -> tuple[str, str | None]:
    """Return the stem of *filename*, and how it is packed."""
    for suffix, packed in _ARCHIVES.items():
        if filename.endswith(suffix):
            return filename.removesuffix(suffix), packed
    return PurePosixPath(filename).stem if filename.strip(".") else "", None


def _file_fields(wanted: Wanted, filename: str) -> dict[str, Any]:
    suffix = PurePosixPath(filename).suffix
    backend = _choose(wanted, f"*{suffix}")
    named = f"{wanted.name}{suffix}" if wanted.name else filename
    path = _file_place(backend, named)
    files = [{"sources": [wanted.source], "sha256": wanted.sha256}]
    if backend.files == "piper":
        # The engine looks for the voice's description at this name only.
        files.append({"path": f"{path}.json", "sources": [_beside(wanted.source)]})
    return {"backend": backend.name, "path": str(path), "files": _without_none(files)}


def _archive_fields(wanted: Wanted, stem: str, packed: str) -> dict[str, Any]:
    backend = _choose(wanted, f"{stem}/")
    path = _folder_place(backend, wanted.name or stem)
    archive = {"format": packed, "root": stem}
    files = [{"sources": [wanted.source], "sha256": wanted.sha256, "archive": archive}]
    return {"backend": backend.name, "path": str(path), "files": _without_none(files)}


def _snapshot_fields(wanted: Wanted, snapshot: Snapshot, name: str) -> dict[str, Any]:
    if wanted.sha256:
        raise UsageError("a repository has no `--sha256`", hint="name its commit after `@`")
    backend = _choose(wanted, f"{name}/")
    path = _folder_place(backend, name, snapshot)
    files = [
        {
            "path": f"{path}/{file.path}",
            "sources": [snapshot.source(file)],
            "size": file.size_bytes or None,
            "sha256": file.sha256,
        }
        for file in snapshot.files
    ]
    return {"backend": backend.name, "path": str(path), "files": _without_none(files)}


def _without_none(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in table.items() if value is not None} for table in tables]


def _beside(source: str) -> str:
    address, mark, query = source.partition("?")
    return f"{address}.json{mark}{query}"


def _choose(wanted: Wanted, shape: str) -> Backend:
    """Return the engine for a file like *shape*, or for a folder of that name and a slash."""
    if wanted.backend:
        return backend_named(wanted.backend, role=wanted.role)
    kin = [each for each in BACKENDS.values() if wanted.role in (None, each.role)]
    kin = [each for each in kin if _takes_files(each)]
    fitting = [each for each in kin if _could_load(each, shape)] or kin
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"`{each.name}`" for each in fitting)
    message = f"`{wanted.source}` could be for several engines: {names}"
    raise UsageError(message, hint="name the engine with `--backend`")


def _could_load(backend: Backend, shape: str) -> bool:
    if not shape.endswith("/"):
        suffix = shape.removeprefix("*")
        return bool(suffix) and any(
            pattern.endswith(suffix) and pattern.count("/") == 1 for pattern in backend.installed
        )
    if not _folders(backend):
        # What has no place of its own is known by its files alone.
        return backend.files == "ctranslate2" and "whisper" in shape.lower()
    return any(fnmatchcase(shape, f"{glob}/") for _, glob in _folders(backend))


def _takes_files(backend: Backend) -> bool:
    return bool(backend.installed) or backend.files == "ctranslate2"


def _folders(backend: Backend) -> list[tuple[str, str]]:
    found = [pattern[:-1] for pattern in backend.installed if pattern.endswith("/")]
    return [(folder, glob) for folder, _, glob in (each.rpartition("/") for each in found)]


def _file_place(backend: Backend, filename: str) -> PurePosixPath:
    patterns = [each for each in backend.installed if not each.endswith("/")]
    for pattern in patterns:
        path = f"{pattern.partition('/')[0]}/{filename}"
        if pattern.count("/") == 1 and fnmatchcase(path, pattern):
            return PurePosixPath(path)
    raise _loads_no(backend, f"file like `{filename}`")


def _folder_place(backend: Backend, name: str, snapshot: Snapshot | None = None) -> PurePosixPath:
    """Return the folder *name* where *backend* looks for folders, renamed if it must be."""
    if not _takes_files(backend):
        raise _loads_no(backend, "folder")
    if not backend.installed:
        return PurePosixPath(backend.role, name)
    if not _folders(backend):
        raise _needs_a_file(backend, snapshot)
    folder, glob = _folders(backend)[0]
    if fnmatchcase(name, glob):
        return PurePosixPath(folder, name)
    *before, last = glob.split("*")
    fixed = "".join(before) + last
    return PurePosixPath(folder, f"{fixed}-{name}" if before else fixed)


def _needs_a_file(backend: Backend, snapshot: Snapshot | None) -> UsageError:
    suffixes = tuple(PurePosixPath(each).suffix for each in backend.installed)
    listed = [file.path for file in snapshot.files] if snapshot else []
    fitting = [path for path in listed if path.endswith(suffixes)]
    message = f"`{backend.name}` loads single files"
    if not fitting or snapshot is None:
        return UsageError(message, hint=f"name a file that ends with {' or '.join(suffixes)}")
    shown = ", ".join(f"`{path}`" for path in fitting[:8])
    hint = f"name one file: `hf:{snapshot.repository}@{snapshot.commit}/{fitting[0]}`"
    return UsageError(f"{message}; the repository has {shown}", hint=hint)


def _loads_no(backend: Backend, what: str) -> UsageError:
    message = f"`{backend.name}` loads no {what}"
    looked = ", ".join(f"`{pattern}`" for pattern in backend.installed)
    if not looked:
        return UsageError(message, hint="run `aava models list` to see what it loads")
    return UsageError(message, hint=f"it looks for {looked}; give a name like that with `--as`")
