"""What `aava up` chose for a project, so that running it again goes on with the same."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.backends import backend_in_env, selected_in
from aava_cli.files import PRIVATE_FILE, atomic_write
from aava_cli.flows.up.choosing import ModelSet
from aava_cli.settings import container_path
from aava_cli.store import prepare_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aava_cli.backends import Selection
    from aava_cli.catalog import Catalog
    from aava_cli.roles import Role
    from aava_cli.settings import Settings

_NAME = "up.json"
AS_SELECTED = "as selected"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The models that were chosen, and whether they once ran and proved themselves."""

    chosen: ModelSet
    is_proven: bool = False


def remember(settings: Settings, remembered: Remembered) -> None:
    """Keep what was chosen."""
    text = json.dumps(asdict(remembered))
    atomic_write(prepare_state(settings) / _NAME, text.encode(), mode=PRIVATE_FILE)


def recall(state_dir: Path) -> Remembered | None:
    """Return what was chosen before; a record that is damaged is none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((state_dir / _NAME).read_bytes())
        fields = kept["chosen"]
        lists = {name: tuple(fields[name]) for name in ("backends", "pulls", "options")}
        return Remembered(ModelSet(**{**fields, **lists}), kept["is_proven"] is True)
    return None


def as_selected(before: ModelSet, env: Mapping[str, str], catalog: Catalog) -> ModelSet:
    """Return *before* with what `.env` selects by now: who has switched since meant it.

    Where it selects nothing, the models stay that were chosen.
    """
    selected = {role: found for role in before.models if (found := _selected(role, env))}
    known = {role: _model_named(each, catalog) for role, each in selected.items()}
    if not selected or all(known.get(role) == name for role, name in before.models.items()):
        return before
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
