"""What `aava up` chose for a project, so that running it again goes on with the same."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args

from aava_cli.backends import BACKENDS, backend_in_env, selected_in
from aava_cli.catalog_profiles import Mode
from aava_cli.errors import NotFound
from aava_cli.files import PRIVATE_FILE, atomic_write
from aava_cli.flows.up.choosing import AUTO, LISTING, ModelSet
from aava_cli.roles import ROLES
from aava_cli.settings import container_path
from aava_cli.store import prepare_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aava_cli.backends import Selection
    from aava_cli.catalog import Catalog
    from aava_cli.catalog_profiles import Profile
    from aava_cli.roles import Role
    from aava_cli.settings import Settings

_NAME = "up.json"
_LISTS = ("backends", "pulls", "options")
AS_SELECTED = "as selected"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The models that were chosen, and whether a daemon once ran them.

    *definition* is that of their profile then. *before* are those that ran before, as long as
    the *chosen* do not: what was only tried is no reason to stay without them.
    """

    chosen: ModelSet
    is_proven: bool = False
    definition: str = ""
    before: ModelSet | None = None

    @property
    def settled(self) -> ModelSet | None:
        """The last models that ran."""
        return self.chosen if self.is_proven else self.before


def remember(settings: Settings, remembered: Remembered) -> None:
    """Keep what was chosen."""
    text = json.dumps(asdict(remembered))
    atomic_write(prepare_state(settings) / _NAME, text.encode(), mode=PRIVATE_FILE)


def recall(state_dir: Path) -> Remembered | None:
    """Return what was chosen before; a record that is damaged is none."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = json.loads((state_dir / _NAME).read_bytes())
        return Remembered(
            _model_set(kept["chosen"]),
            is_proven=kept["is_proven"] is True,
            definition=str(kept.get("definition", "")),
            before=_model_set(kept["before"]) if kept.get("before") else None,
        )
    return None


def _model_set(fields: Any) -> ModelSet:  # noqa: ANN401 - whatever JSON there is
    """Return the set that *fields* are; raises `ValueError` or the like where they are none."""
    lists = {name: tuple(fields[name]) for name in _LISTS}
    found = ModelSet(**{**fields, **lists})
    names = [name for name in found.models.values() if name is not None]
    is_sound = (
        found.models
        and set(found.models) <= set(ROLES)
        and found.mode in (None, *get_args(Mode))
        and len(found.backends) == len(found.models)
        and all(type(fields[name]) is list for name in _LISTS)
        and all(isinstance(word, str) for word in (found.profile, *names, *chain(*lists.values())))
        and set(found.backends) <= set(BACKENDS)
    )
    if not is_sound:
        raise ValueError(_NAME)
    return found


def definition_of(profile: Profile | None) -> str:
    """Return what differs once somebody writes *profile* otherwise."""
    if profile is None:
        return ""
    text = json.dumps(asdict(replace(profile, source="")), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def go_on_with(
    remembered: Remembered, name: str, env: Mapping[str, str], catalog: Catalog
) -> ModelSet | None:
    """Return what a run for the profile *name* goes on with; None if it has to choose anew."""
    chosen, settled = remembered.chosen, remembered.settled
    if name == AUTO and settled is not None:
        return _settled(remembered, settled, env, catalog)
    if remembered.is_proven or name not in (AUTO, chosen.profile):
        return None
    # Memory that a first try has filled already is no reason to choose otherwise.
    definition = definition_of(catalog.profiles.get(chosen.profile))
    return chosen if definition == remembered.definition else None


def _settled(
    remembered: Remembered, settled: ModelSet, env: Mapping[str, str], catalog: Catalog
) -> ModelSet:
    if remembered.is_proven:
        return as_selected(settled, env, catalog)
    if as_selected(remembered.chosen, env, catalog).profile != AS_SELECTED:
        # What was tried is all that `.env` selects otherwise.
        return settled
    found = as_selected(settled, env, catalog)
    return found if found.profile == AS_SELECTED else replace(found, mode=settled.mode)


def require_known(kept: ModelSet, catalog: Catalog) -> None:
    """Raise `NotFound`, with how to choose anew, unless *catalog* has every model of *kept*."""
    try:
        catalog.expand(kept.pulls)
    except NotFound as gone:
        message = f"a model that was chosen before has left the catalog: {gone.message}"
        hint = f"choose anew: `aava up --profile NAME`; `{LISTING}` has the names"
        raise NotFound(message, hint=hint) from gone


def as_selected(before: ModelSet, env: Mapping[str, str], catalog: Catalog) -> ModelSet:
    """Return *before* with what `.env` selects by now: who has switched since meant it.

    The mode and the options are those of `.env` then. Where it selects nothing, all stays as it
    was chosen.
    """
    selected = {role: found for role in before.models if (found := _selected(role, env))}
    known = {role: _model_named(each, catalog) for role, each in selected.items()}
    if not selected:
        return before
    if all(known.get(role) == name for role, name in before.models.items()):
        return replace(before, mode=None, options=(), keeps_options=True)
    models = {role: None if role in selected else name for role, name in before.models.items()}
    names = {**before.models, **known}
    engines = dict(zip(before.models, before.backends, strict=True))
    engines |= {role: each.backend.name for role, each in selected.items()}
    return replace(
        before,
        profile=AS_SELECTED,
        mode=None,
        models=models,
        backends=tuple(engines.values()),
        pulls=tuple(name for name in names.values() if name),
        options=(),
        keeps_options=True,
    )


def _selected(role: Role, env: Mapping[str, str]) -> Selection | None:
    backend = backend_in_env(role, env)
    selection = selected_in(backend, env) if backend else None
    return selection if selection and selection.model else None


def _model_named(selection: Selection, catalog: Catalog) -> str | None:
    """Return the model of the *catalog* that *selection* is, if it is one."""
    for model in catalog.models.values():
        if model.backend == selection.backend.name:
            named = container_path(model.path) if model.path else None
            if selection.model in (named, model.options.get(selection.backend.model)):
                return model.id
    return None
