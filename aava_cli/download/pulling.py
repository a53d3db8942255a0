"""What `models pull` and `models import` are asked for, and who does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.catalog import Catalog, Model
    from aava_cli.download.cataloguing.drafting import Wanted
    from aava_cli.download.moving.importing import Imported
    from aava_cli.download.plan import PullPlan
    from aava_cli.download.presence import Judge
    from aava_cli.download.pulled import Pulled
    from aava_cli.download.sources.resolver import Resolver
    from aava_cli.download.transfer.fetch import Means


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull as it is asked for; *described* tells of an address among the *names*."""

    names: tuple[str, ...]
    described: Wanted
    mirror: str | None = None
    locked: bool = False
    dry_run: bool = False
    means: Means | None = None


def pull_models(pull: Pull, catalog: Catalog, judge: Judge) -> Pulled | PullPlan:
    """Bring the models of *pull*, or say what that would take.

    Raises:
        UsageError: nothing is named, or the options do not fit.
        AavaError: whatever a source, or the lock, has against it.
    """
    from aava_cli.download.cataloguing.adding import choose_models, record_pulled
    from aava_cli.download.sources.mirror import find_mirror
    from aava_cli.download.sources.resolver import Resolver

    resolver = Resolver(mirror=find_mirror(pull.mirror))
    if pull.locked:
        return _pull_locked(pull, catalog, judge, resolver)
    if not pull.names:
        hint = "run `aava models list` to see every model"
        raise UsageError("no model is named", hint=hint)
    chosen = choose_models(pull.names, pull.described, catalog, resolver)
    if pull.dry_run:
        return foresee(chosen.models, judge)
    pulled = bring(chosen.models, judge, resolver=resolver, means=pull.means)
    record_pulled(chosen.drafted, judge.settings, judge.emit)
    return pulled


def foresee(models: Sequence[Model], judge: Judge) -> PullPlan:
    """Return what a pull of *models* would do; what the catalog lacks is asked for."""
    from aava_cli.download.outlook import with_what_is_told
    from aava_cli.download.plan import plan_pull

    return plan_pull(models, with_what_is_told(judge.facts(models), models, judge))


def bring(
    models: Sequence[Model], judge: Judge, *, resolver: Resolver, means: Means | None = None
) -> Pulled:
    """Have *models* on disk, from where *resolver* finds them, and return what was fetched.

    Raises:
        AavaError: whatever a source has against it.
    """
    from aava_cli.download.apply import apply_pull
    from aava_cli.download.plan import plan_pull

    plan = plan_pull(models, judge.facts(models))
    return apply_pull(plan, models, judge, resolver=resolver, means=means)


def _pull_locked(
    pull: Pull, catalog: Catalog, judge: Judge, resolver: Resolver
) -> Pulled | PullPlan:
    from aava_cli.download.locking import pin_models, verify_locked

    models = pin_models(pull.names, catalog, judge.settings)
    if pull.dry_run:
        return foresee(models, judge)
    pulled = bring(models, judge, resolver=resolver, means=pull.means)
    # What an archive unpacks to, and folders that people made, are held to the lock as well.
    failure = verify_locked(pull.names, catalog, judge).failure()
    if failure is not None:
        raise failure
    return pulled


def import_models(
    names: Sequence[str], where: str | None, catalog: Catalog, judge: Judge
) -> Imported:
    """Put models on disk from the export that *names* is, or from what is found in *where*.

    Raises:
        UsageError: no export is named, or several are.
        AavaError: whatever is wrong with what was found.
    """
    if where is None:
        from aava_cli.download.moving.importing import import_bundle

        if len(names) != 1:
            hint = "run `aava models import FILE.tar`, or name a place with `--from`"
            raise UsageError("name the one file to import", hint=hint)
        return import_bundle(Path(names[0]), catalog, judge)
    from aava_cli.download.moving.foreign import Finder, folders_of, import_found

    wanted = catalog.expand(names) if names else tuple(catalog.models.values())
    return import_found(wanted, Finder(folders_of(where), judge), required=bool(names))
