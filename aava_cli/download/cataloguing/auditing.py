"""`aava catalog audit`: choose what is asked for, ask, and record what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.catalog import Catalog, parse_catalog
from aava_cli.download.cataloguing.asking import Asker
from aava_cli.download.cataloguing.audit import audit_models, sources_of, write_learned
from aava_cli.errors import NotFound, UsageError
from aava_cli.events import Progress
from aava_cli.files import atomic_write
from aava_cli.session import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aava_cli.download.cataloguing.audit import Audited
    from aava_cli.events import Emit


def audit_catalog(
    names: Sequence[str],
    known: Catalog | None,
    path: Path | None,
    emit: Emit,
    *,
    write: bool = False,
) -> Audited:
    """Return what the sources say of the models *names* of the catalog *known*, or in *path*.

    With *write*, what was learned is recorded in *path*.

    Raises:
        UsageError: no file is named to write to.
        ConfigError: the file is no catalog.
        NotPossible: it is written in a way that cannot be edited.
        NotFound: a name is neither a set nor a model, or there is no such file.
    """
    if write and path is None:
        hint = "name the file to write to: `--catalog FILE`"
        raise UsageError("`--write` needs a catalog", hint=hint)
    if path and not path.exists():
        raise NotFound(f"there is no file `{path}`", hint="check the path of the catalog")
    text = read_text(path) if path else ""
    catalog = parse_catalog(text, name=str(path)) if path else known or Catalog({}, {})
    models = catalog.expand(names) if names else tuple(catalog.models.values())

    def report(done: int, total: int) -> None:
        emit(Progress("audit", done, total, "steps"))

    answers = Asker().ask_all(sources_of(models), report)
    audited = audit_models(models, answers)
    if not write or path is None:
        return audited
    audited, edited = write_learned(audited, text, path)
    if edited != text:
        atomic_write(path, edited.encode())
    return audited
