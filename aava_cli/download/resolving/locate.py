"""Find out where a model is loaded from: on this host first, then by asking the hub."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from aava_cli.download.resolving.answer import Located, Looked
from aava_cli.download.resolving.plan import (
    MAIN,
    Asked,
    Refused,
    Taken,
    Terms,
    decide,
    download_command,
    parse_name,
    why_not,
)
from aava_cli.download.resolving.probe import look_at_cache, look_at_folder
from aava_cli.download.resolving.surroundings import (
    expanded,
    hub_cache,
    libraries_are_offline,
    offline_switches,
    warnings_of,
)
from aava_cli.errors import AavaError, IntegrityError, NotFound, UsageError
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.download.resolving.plan import Decision
    from aava_cli.download.resolving.probe import Sight
    from aava_cli.session import Session
    from aava_cli.settings import Settings

_LOCAL_MODELS = "LOCAL_MODELS_DIR"
_PATH_STARTS = ("/", "./", "../", "~")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where models of the hub may be, by what the environment says, and then `.env`."""

    said: Mapping[str, str]
    local_models: Path
    cache: Path
    offline: bool

    @classmethod
    def of(cls, session: Session, *, offline: bool) -> Surroundings:
        """Return those of *session*; *offline* leaves the hub alone whatever they say.

        Raises:
            ConfigError: `.env` does not parse.
        """
        said, settings = {**session.env(), **os.environ}, session.settings
        named = said.get(_LOCAL_MODELS)
        return cls(
            said,
            settings.host_path(named) if named else settings.models_dir,
            _on_this_host(hub_cache(said), settings),
            offline or any(each.on for each in offline_switches(said)),
        )


def _on_this_host(path: str, settings: Settings) -> Path:
    # A relative one is meant from the current folder, as the library takes it.
    return settings.host_path(path) if Path(path).is_absolute() else Path(path)


def resolve_model(name: str, session: Session, *, offline: bool) -> Located:
    """Return where the model *name* is loaded from; its failure says why from nowhere.

    Raises:
        UsageError: no model can have that name.
        NotFound: there is no such folder or file.
        ConfigError: `.env`, a catalog or a receipt does not parse.
    """
    if not name.strip():
        hint = "write it as `ORG/NAME`, `ORG/NAME@REVISION` or a folder; this one is `.`"
        raise UsageError("a model's name is empty", hint=hint)
    around = Surroundings.of(session, offline=offline)
    path = _on_this_host(expanded(name), session.settings)
    mode = _mode_of(path)
    if S_ISREG(mode):
        return _named_file(name, path.absolute())
    if S_ISDIR(mode):
        return _located(name, Asked(name), (look_at_folder("folder", path.absolute()),), around)
    if name.startswith(_PATH_STARTS):
        message = f"there is no folder or file `{path.absolute()}`"
        raise NotFound(message, hint="name the model as `ORG/NAME`, or a folder that is there")
    return _resolve_name(name, session, around)


def _named_file(name: str, path: Path) -> Located:
    from aava_cli.download.resolving.named import check_file

    try:
        check_file(path)
    except IntegrityError as error:
        looked = (Looked("file", str(path), error.message),)
        return Located(name, None, None, looked=looked, failed=error)
    return Located(name, "file", path, looked=(Looked("file", str(path), None),))


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _resolve_name(name: str, session: Session, around: Surroundings) -> Located:
    asked = parse_name(name)
    unknown: AavaError | None = None
    if "/" not in asked.repository:
        from aava_cli.download.resolving.owned import find_owned

        owned = find_owned(name, session.catalog(), session.settings, offline=around.offline)
        if isinstance(owned, Located):
            return owned
        unknown = owned
    for warning in (warnings := tuple(warnings_of(around.said, str(around.cache)))):
        session.output.emit(Log(warning, "warning"))
    sights = tuple(_look_around(asked, around))
    located = _located(name, asked, sights, around, unknown)
    return replace(located, warnings=(*warnings, *_warn_of_last_part(located, session)))


def _look_around(asked: Asked, around: Surroundings) -> Iterator[Sight]:
    whole, last = asked.repository, asked.repository.rpartition("/")[2]
    if whole != last:
        yield look_at_folder("models-dir", around.local_models / whole, asked.revision)
    yield look_at_folder("models-dir-name", around.local_models / last, asked.revision)
    yield look_at_cache(around.cache, whole, asked.revision or MAIN)


def _located(
    name: str,
    asked: Asked,
    sights: tuple[Sight, ...],
    around: Surroundings,
    unknown: AavaError | None = None,
) -> Located:
    lifts = libraries_are_offline(around.said)
    command = download_command(asked, around.cache, lifts_offline=lifts)
    decision = decide(asked, sights, Terms(around.offline, command, unknown))
    located = Located(
        name,
        None,
        None,
        asked.revision,
        offline=around.offline,
        switches=offline_switches(around.said),
        looked=tuple(_looked(sights, decision)),
    )
    match decision:
        case Taken(sight):
            return replace(located, where=sight.kind, path=sight.path, commit=sight.commit)
        case Refused(error):
            return replace(
                located, looked=(*located.looked, *_unasked(asked, around)), failed=error
            )
    return _from_hub(asked, located)


def _unasked(asked: Asked, around: Surroundings) -> Iterator[Looked]:
    # A name without an organisation is ours, and nobody would be asked for it.
    if around.offline and "/" in asked.repository:
        yield Looked("hub", _on_hub(asked), "not asked: offline")


def _on_hub(asked: Asked) -> str:
    return f"{asked.repository}@{asked.revision or MAIN}"


def _looked(sights: tuple[Sight, ...], decision: Decision) -> Iterator[Looked]:
    taken = decision.sight if isinstance(decision, Taken) else None
    for each in sights:
        yield Looked(each.kind, str(each.path), why_not(each, taken))


def _from_hub(asked: Asked, located: Located) -> Located:
    from aava_cli.download.resolving.asking import ask_hub

    try:
        found = ask_hub(asked)
    except AavaError as error:
        looked = (*located.looked, Looked("hub", _on_hub(asked), error.message))
        return replace(located, looked=looked, failed=error)
    return replace(
        located,
        where="hub",
        commit=found.commit,
        size_bytes=found.size_bytes,
        looked=(*located.looked, Looked("hub", _on_hub(asked), None)),
    )


def _warn_of_last_part(located: Located, session: Session) -> Iterator[str]:
    if located.where == "models-dir-name" and "/" in located.id:
        warning = (
            f"`{located.path}` is taken by the last part of its name alone: it may be a model of"
            f" somebody else than `{located.id.partition('/')[0].removeprefix('hf:')}`"
        )
        session.output.emit(Log(warning, "warning"))
        yield warning
