"""What can be pulled: models, their files, and where the same bytes are to be had.

A catalog is TOML: a table per model under `models`, `sets` of names, and `profiles` of hosts.
`catalog.toml` is the one that is shipped; its head explains the fields. Nothing here touches
disk or network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.backends import BACKENDS
from aava_cli.errors import NotFound
from aava_cli.redact import shown_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import PurePosixPath

    from aava_cli.catalog_profiles import Profile
    from aava_cli.roles import Role

ArchiveFormat: TypeAlias = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"]

CLOUD = "cloud"
"""The backend of models that run elsewhere: nothing to pull, nothing to load."""

_LISTING = "aava models list"
# Of these suffixes alone the stem names the asset: `vosk-model-en-us-0.22` has none.
_SUFFIXES = frozenset({".bin", ".data", ".gguf", ".onnx"})


@dataclass(frozen=True, slots=True)
class Archive:
    """How a file is packed: what lies under *root* in the archive goes to the file's path."""

    format: ArchiveFormat
    root: PurePosixPath


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file (or unpacked folder) under the models folder; all *sources* hold its bytes.

    Size and digest are those of what is downloaded: of the archive, where there is one.
    """

    path: PurePosixPath
    sources: tuple[str, ...]
    size_bytes: int | None = None
    sha256: str | None = None
    archive: Archive | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model; *path* is its asset under the models folder, None where the engine fetches it."""

    id: str
    name: str
    role: Role
    backend: str
    language: str | None = None
    licence: str | None = None
    path: PurePosixPath | None = None
    files: tuple[RemoteFile, ...] = ()
    approx_bytes: int | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    recommended: bool = False
    ram_gb: int | None = None
    tool_calling: str | None = None

    def shown(self) -> Model:
        """Return the model as it may be shown: its sources without their secrets."""
        files = (
            replace(file, sources=tuple(map(shown_source, file.sources))) for file in self.files
        )
        return replace(self, files=tuple(files))

    def values(self, models: PurePosixPath) -> dict[str, str]:
        """Return what the backend's settings must say, the files being in the folder *models*."""
        own = {str(file.path) for file in self.files}
        values = {
            option: str(models / value) if value in own else value
            for option, value in self.options.items()
        }
        if self.path is None:
            return values
        # An engine that has its own store calls a folder of ours what it calls its models.
        option = BACKENDS[self.backend].model if self.backend in BACKENDS else "path"
        return {option: str(models / self.path), **values}


@dataclass(frozen=True, slots=True)
class Catalog:
    """Models by id, named sets of them, and which of them suit which host."""

    models: Mapping[str, Model]
    sets: Mapping[str, tuple[str, ...]]
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def find(self, name: str, *, backend: str | None = None) -> Model:
        """Return the model that goes by *name*, of *backend* if that is given.

        Its id comes first, then its asset's file or folder name, then, for a given backend,
        what that engine calls it. Case and accents do not count, and `-` is `_`.

        Raises:
            NotFound: no model goes by that name, or several do; candidates are named.
        """
        wanted = plain(name)
        kin = None if backend is None else plain(backend)
        models = [each for each in self.models.values() if kin in (None, plain(each.backend))]
        for names in (_by_id, _by_asset, _by_engine)[: 2 if backend is None else 3]:
            found = [model for model in models if wanted in map(plain, names(model))]
            if found:
                return _only(found, name)
        if members := self.sets.get(wanted):
            listed = ", ".join(f"`{each}`" for each in members)
            raise NotFound(f"`{name}` is a set of models, not one", hint=f"name one of {listed}")
        raise NotFound.named("model", name, [model.id for model in models], listing=_LISTING)

    def expand(self, names: Iterable[str]) -> tuple[Model, ...]:
        """Return the models that *names* of sets and of models stand for, each once, in order.

        Raises:
            NotFound: a name is neither a set nor a model.
        """
        members = (each for name in names for each in self.sets.get(plain(name), (name,)))
        return tuple({model.id: model for model in map(self.find, members)}.values())


def merge_catalogs(base: Catalog, *others: Catalog) -> Catalog:
    """Return *base* with all that *others* have added, a later one replacing its like."""
    models, sets, profiles = dict(base.models), dict(base.sets), dict(base.profiles)
    for other in others:
        models.update(other.models)
        sets.update(other.sets)
        profiles.update(other.profiles)
    return Catalog(models, sets, profiles)


def parse_catalog(text: str, *, name: str) -> Catalog:
    """Return the catalog that *text* describes; *name* is the file that errors point to.

    Raises:
        ConfigError: the text is not TOML, or a field is not what it should be.
    """
    from aava_cli.catalog_schema import read_catalog

    return read_catalog(text, name)


def plain(name: str) -> str:
    """Return *name* as names are compared: case and accents do not count, and `-` is `_`."""
    folded = name.lower().replace("_", "-")
    if folded.isascii():
        return folded
    from unicodedata import combining, normalize

    return "".join(each for each in normalize("NFKD", folded) if not combining(each))


def _by_id(model: Model) -> Iterator[str]:
    yield model.id


def _by_asset(model: Model) -> Iterator[str]:
    if model.path:
        yield model.path.name
        if model.path.suffix in _SUFFIXES:
            yield model.path.stem
    yield from (file.path.name for file in model.files if file.archive)


def _by_engine(model: Model) -> Iterator[str]:
    yield plain(model.id).removeprefix(f"{plain(model.backend)}-")
    record = BACKENDS.get(model.backend)
    if record and record.model in model.options:
        yield model.options[record.model]


def _only(found: list[Model], name: str) -> Model:
    # Entries with the same files are one asset, and the first stands for it.
    assets = {model.files or (model.id,): model for model in reversed(found)}
    if len(assets) == 1:
        return found[0]
    candidates = ", ".join(f"`{model.id}`" for model in found)
    hint = f"give the id of the one you mean; `{_LISTING}` tells them apart"
    raise NotFound(f"`{name}` could be any of {candidates}", hint=hint)
