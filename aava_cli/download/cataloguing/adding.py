"""Pull what no catalog knows, and record it in the project's own catalog."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aava_cli.download.ahead import refuse_foreign
from aava_cli.download.cataloguing.catalog_edit import append_model
from aava_cli.download.cataloguing.drafting import (
    Wanted,
    check_address,
    check_new,
    draft_model,
    is_address,
)
from aava_cli.download.sharing.waiting import hold
from aava_cli.errors import AccessDenied, NotFound, UsageError
from aava_cli.events import Log
from aava_cli.files import atomic_write
from aava_cli.output import Result
from aava_cli.redact import shown_source
from aava_cli.store import prepare_state, read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aava_cli.catalog import Catalog, Model, RemoteFile
    from aava_cli.download.sources.resolver import Resolver
    from aava_cli.events import Emit
    from aava_cli.settings import Settings
    from aava_cli.store import Receipt


@dataclass(frozen=True, slots=True)
class Chosen:
    """The models that a command names; *drafted* are those of them that no catalog knows."""

    models: tuple[Model, ...]
    drafted: tuple[Model, ...] = ()


@dataclass(frozen=True, slots=True)
class Added(Result):
    """An entry of the project's own catalog, and whether it is new."""

    model: Model
    catalog: str
    is_new: bool

    def text(self) -> Iterator[str]:
        """Yield what was recorded, and what comes next."""
        verb = "added" if self.is_new else "known"
        yield f"{verb}  {self.model.id}: {self.model.path} for {self.model.backend}"
        yield f"run `aava models pull {self.model.id}` to download it"


def choose_models(
    names: Sequence[str], described: Wanted, catalog: Catalog, resolver: Resolver
) -> Chosen:
    """Return what *names*, of models, sets and sources, stand for; *described* tells of a source.

    Raises:
        NotFound: a name is neither a set nor a model, or a source is not there.
        UsageError: the options do not fit the names, or the engine of a source is not clear.
        IntegrityError: a source is no model.
        AccessDenied: a source is gated.
        NetworkError: a source cannot be asked.
    """
    addresses = [name for name in names if is_address(name)]
    is_told = any((described.role, described.backend, described.sha256, described.name))
    if is_told and not addresses:
        hint = "leave the options out, or give an address"
        raise UsageError("only a model from an address can be described", hint=hint)
    if len(addresses) > 1 and (described.sha256 or described.name):
        hint = "give the addresses one at a time"
        raise UsageError("`--sha256` and `--as` are of one model", hint=hint)
    models: list[Model] = []
    drafted: list[Model] = []
    for name in names:
        if not is_address(name):
            models += catalog.expand([name])
            continue
        model, is_new = find_or_draft(replace(described, source=name), catalog, resolver)
        models.append(model)
        drafted += [model] if is_new else []
    unique = {model.id: model for model in models}
    return Chosen(tuple(unique.values()), tuple(drafted))


def find_or_draft(wanted: Wanted, catalog: Catalog, resolver: Resolver) -> tuple[Model, bool]:
    """Return the model that *wanted* is, and whether the *catalog* does not have it yet.

    Raises:
        As `choose_models` does.
    """
    from aava_cli.download.sources.hub import is_snapshot, list_snapshot, of_address

    check_address(wanted.source)
    source = of_address(wanted.source) if "://" in wanted.source else wanted.source
    wanted = replace(wanted, source=source)
    known = _from_same(wanted, catalog)
    if known is not None:
        return known, False
    if is_snapshot(source):
        model = draft_model(wanted, list_snapshot(source))
    else:
        model = draft_model(wanted)
    if not check_new(model, catalog):
        return _held_to(catalog.models[model.id], model), False
    if not is_snapshot(source) and not source.startswith(("pypi:", "npm:")):
        _refuse_foreign(source, model.files[0], resolver)
    return model, True


def record_pulled(models: Sequence[Model], settings: Settings, emit: Emit) -> None:
    """Record *models*, which were just pulled, with the digests that they turned out to have."""
    for model in models:
        added = add_to_catalog(_with_digests(model, settings), settings, emit)
        if added.is_new:
            emit(Log(f"recorded `{model.id}` in `{added.catalog}`"))


def add_to_catalog(model: Model, settings: Settings, emit: Emit) -> Added:
    """Add *model* to the project's own catalog, unless it is there.

    Raises:
        ConfigError: that catalog does not parse.
        NotPossible: it is written in a way that cannot be added to.
        UsageError: it has another model of that id.
    """
    from aava_cli.catalog import parse_catalog
    from aava_cli.session import read_text

    path = settings.user_catalogs()[-1]
    with hold(prepare_state(settings), ["catalog"], emit):
        text = read_text(path) if path.exists() else ""
        if not check_new(model, parse_catalog(text, name=str(path))):
            return Added(model.shown(), str(path), is_new=False)
        edited = append_model(text, model, name=str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, edited.encode())
    return Added(model.shown(), str(path), is_new=True)


def draft_from_options(wanted: Wanted, fields: Mapping[str, Any], catalog: Catalog) -> Model:
    """Return the model that the options of `models add` describe; a repository is asked for.

    Raises:
        UsageError: the options do not describe a model, or the catalog has another like it.
    """
    from aava_cli.download.sources.hub import is_snapshot, list_snapshot

    if not is_address(wanted.source):
        message = f"`{wanted.source}` is no source"
        hint = "write it as `https://HOST/FILE`, `hf:ORG/REPO/FILE`, `pypi:`, `npm:` or `file:/...`"
        raise UsageError(message, hint=hint)
    check_address(wanted.source)
    snapshot = list_snapshot(wanted.source) if is_snapshot(wanted.source) else None
    model = draft_model(wanted, snapshot, fields)
    check_new(model, catalog)
    return model


def _from_same(wanted: Wanted, catalog: Catalog) -> Model | None:
    """Return the model of *catalog* whose first file comes from the same place."""
    for model in catalog.models.values():
        first = model.files[0] if model.files else None
        if first is None or first.archive or wanted.source not in first.sources:
            continue
        if wanted.name is None and wanted.sha256 in (None, first.sha256):
            return model
    return None


def _held_to(known: Model, drafted: Model) -> Model:
    """Return *known* with the digests that were asked for, where it has none of its own."""
    pairs = zip(known.files, drafted.files, strict=True)
    files = tuple(replace(own, sha256=own.sha256 or told.sha256) for own, told in pairs)
    return replace(known, files=files)


def _refuse_foreign(source: str, file: RemoteFile, resolver: Resolver) -> None:
    try:
        resolved = resolver.resolve(source, digest_known=True)
        refuse_foreign(resolved.download, file)
    except (AccessDenied, NotFound) as error:
        raise type(error)(f"{shown_source(source)}: {error.message}", hint=error.hint) from error


def _with_digests(model: Model, settings: Settings) -> Model:
    receipt = read_receipt(settings, model.id)
    if receipt is None:
        return model
    files = tuple(_with_digest(file, receipt) for file in model.files)
    return replace(model, files=files)


def _with_digest(file: RemoteFile, receipt: Receipt) -> RemoteFile:
    """Return *file* with what was learned of it; a catalog does not vouch for what nobody does."""
    own = [each for each in receipt.files if each.path.is_relative_to(file.path)]
    vouched = [each for each in own if each.provenance != "tofu"]
    if file.archive is not None:
        return replace(file, sha256=vouched[0].download_sha256 if vouched else None)
    exact = [each for each in own if each.path == file.path]
    if not exact:
        return file
    sha256 = exact[0].sha256 if exact[0] in vouched else None
    return replace(file, sha256=sha256, size_bytes=exact[0].size_bytes or None)
