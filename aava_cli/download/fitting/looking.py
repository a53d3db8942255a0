"""Find what is meant by a name, wherever it is, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.catalog import CLOUD
from aava_cli.download.cataloguing.drafting import (
    Wanted,
    check_address,
    draft_model,
    file_name,
    is_address,
)
from aava_cli.download.fitting.headers import Fetched, naming
from aava_cli.download.sources.hub import is_snapshot, list_snapshot, of_address
from aava_cli.download.sources.resolver import Resolver
from aava_cli.errors import NetworkError, NotFound, NotPossible, UsageError
from aava_cli.events import Log
from aava_cli.measuring.disk import is_checkpoint, need_on_disk, size_of
from aava_cli.memory.describing import catalog_need, sized_need
from aava_cli.redact import shown_source
from aava_cli.store import is_installed, local_models

if TYPE_CHECKING:
    from aava_cli.catalog import Model
    from aava_cli.download.sources.hub import Snapshot
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.roles import Role
    from aava_cli.session import Session

_GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class Seen:
    """One model that was asked about; *fetched_bytes* came over the network to know of it."""

    need: ModelNeed
    source: str
    fetched_bytes: int = 0


@dataclass(slots=True)
class Looker:
    """Finds models by name: in the catalog, on this disk, or at an address."""

    session: Session
    fetched: Fetched

    @classmethod
    def of(cls, session: Session) -> Looker:
        """Return one that asks each host that is down only once."""
        return cls(session, Fetched(Resolver()))

    def look(self, word: str) -> Seen:
        """Return what the model *word* needs, by its header if that can be had.

        Raises:
            NotFound: no model goes by that name, or a part of it is missing.
            NetworkError: its source cannot be asked.
            NotPossible: its source does not give the header by itself.
            IntegrityError: its header is damaged.
            UsageError: it is not clear for which engine it is.
        """
        before = self.fetched.bytes
        with naming(word):
            need, source = self._find(word)
        return Seen(need, shown_source(source), self.fetched.bytes - before)

    def _find(self, word: str) -> tuple[ModelNeed, str]:
        if is_address(word) and not word.startswith("file:"):
            return self._at_address(word)
        path = Path(word.removeprefix("file:")).expanduser()
        if "/" in word and path.exists():
            return self._on_disk(path)
        try:
            return self._of_catalog(self.session.catalog().find(word))
        except NotFound:
            found = self._local(word)
            if found is None:
                raise
            return found

    def _of_catalog(self, model: Model) -> tuple[ModelNeed, str]:
        if model.backend == CLOUD:
            message = f"`{model.id}` runs elsewhere and takes no memory here"
            raise UsageError(message, hint="name models that run on this host")
        settings = self.session.settings
        if model.path is not None and is_installed(settings, model):
            path = settings.models_dir / model.path
            return need_on_disk(path, model.role, model.backend, model.id), str(path)
        source = self._reachable(model)
        return (self._told(model, source), source) if source else (catalog_need(model), "catalog")

    def _told(self, model: Model, source: str) -> ModelNeed:
        """Return what *source* says of *model*; who does not tell leaves it to the catalog."""
        try:
            return self.fetched.gguf(source, model.id)
        except (NetworkError, NotPossible) as error:
            if not model.approx_bytes:
                raise
            message = f"`{model.id}` is judged by its size alone: {error.message}"
            self.session.output.emit(Log(message, "warning"))
            return catalog_need(model)

    @staticmethod
    def _reachable(model: Model) -> str | None:
        """Return the first source that may have the header of *model* by itself."""
        sources = [source for file in model.files[:1] for source in file.sources]
        fitting = (each for each in sources if each.partition("?")[0].endswith(_GGUF))
        # A file within a package is not to be had in parts.
        return next((each for each in fitting if not each.startswith(("pypi:", "npm:"))), None)

    def _at_address(self, word: str) -> tuple[ModelNeed, str]:
        source = of_address(word)
        check_address(source)
        if is_snapshot(source):
            return self._at_repository(source)
        name = file_name(source)
        if not name:
            message = f"`{shown_source(source)}` names no file"
            raise UsageError(message, hint="name the file: `https://HOST/FILE`")
        if name.endswith(_GGUF):
            return self.fetched.gguf(source, name), source
        drafted = _draft(Wanted(source))
        size = self.fetched.size(source)
        return sized_need(name, drafted.role, drafted.backend, size or 0), source

    def _at_repository(self, source: str) -> tuple[ModelNeed, str]:
        snapshot = list_snapshot(source)
        name = snapshot.repository.partition("/")[2]
        if _is_for_transformers(snapshot):
            return self.fetched.checkpoint(snapshot, name), source
        return catalog_need(_draft(Wanted(source), snapshot)), source

    def _on_disk(self, path: Path) -> tuple[ModelNeed, str]:
        if path.suffix == _GGUF or is_checkpoint(path):
            return need_on_disk(path, "llm", "llama", path.name), str(path)
        role, backend = _engine_of(path)
        return sized_need(path.name, role, backend, size_of(path)), str(path)

    def _local(self, word: str) -> tuple[ModelNeed, str] | None:
        """Return what people put under the models folder by the name *word*."""
        for backend in BACKENDS.values():
            for path in local_models(self.session.settings, backend):
                if word in (path.name, path.stem):
                    return need_on_disk(path, backend.role, backend.name, path.name), str(path)
        return None


def _engine_of(path: Path) -> tuple[Role, str]:
    """Return the role and the engine of the model in *path*, by its place or by its name."""
    for backend in BACKENDS.values():
        placed = any(path.match(pattern.rstrip("/")) for pattern in backend.installed)
        if placed or (backend.files == "ctranslate2" and (path / "model.bin").is_file()):
            return backend.role, backend.name
    drafted = _draft(Wanted(f"file:{path.absolute()}"))
    return drafted.role, drafted.backend


def _draft(wanted: Wanted, snapshot: Snapshot | None = None) -> Model:
    try:
        return draft_model(wanted, snapshot)
    except UsageError as error:
        if "`--" not in error.hint:
            raise
        # Options that only adding a model has.
        hint = "add it with `aava models add SOURCE --backend NAME`, then ask for it by its id"
        raise UsageError(error.message, hint=hint) from error


def _is_for_transformers(snapshot: Snapshot) -> bool:
    paths = {file.path for file in snapshot.files}
    has_weights = any(path.endswith(".safetensors") for path in paths)
    return "config.json" in paths and has_weights and "model.bin" not in paths
