"""Whether the files of a selection are here and whole: some bad files kill the daemon."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aava_cli import store
from aava_cli.digests import DigestCache
from aava_cli.errors import IntegrityError, NotFound
from aava_cli.modelfiles import check_model
from aava_cli.settings import is_compose_project
from aava_cli.voicefiles import check_parts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aava_cli.backends import Selection
    from aava_cli.docker.mounts import Mount
    from aava_cli.session import Session
    from aava_cli.store import Receipt, ReceiptFile


def check_files(
    session: Session, selection: Selection, model_id: str | None, *, hashed: bool = True
) -> None:
    """Check that all files of *selection* are here and are what they should be.

    *model_id* is the model's entry in the catalog, if it has one. What was pulled is compared
    with its receipt by size, and by digest if *hashed*.

    Raises:
        NotFound: a file is not installed.
        IntegrityError: a file of it is not what it should be.
    """
    if not selection.model:
        name = selection.backend.name
        hint = f"run `aava models list --backend {name}`, then `aava models pull NAME`"
        raise NotFound(f"no model of `{name}` is installed", hint=hint)
    paths = _on_host(session, selection)
    for path in paths.values():
        if not path.exists():
            raise _missing(session, path, model_id)
    if model := paths.get(selection.backend.model):
        _check_model(selection, model, model_id)
        check_parts(selection, paths)
    _check_receipts(session, paths.values(), hashed=hashed)


def _on_host(session: Session, selection: Selection) -> dict[str, Path]:
    """Return where the files of *selection* are, as the daemon sees them.

    Raises:
        NotFound: its container sees no folder of this host there.
    """
    named = selection.paths()
    mounts = _mounts(session) if named else None
    if mounts is None:
        return {option: session.settings.host_path(value) for option, value in named.items()}
    from aava_cli.docker.mounts import host_path

    found = {option: host_path(value, mounts) for option, value in named.items()}
    for option, path in found.items():
        if path is None:
            message = f"the daemon's container sees nothing of this host at `{named[option]}`"
            hint = "put the model below a folder that `docker-compose.yml` mounts: `./models`"
            raise NotFound(message, hint=hint)
    return {option: path for option, path in found.items() if path is not None}


def _mounts(session: Session) -> tuple[Mount, ...] | None:
    if not is_compose_project(session.settings.project):
        return None
    from aava_cli.docker.daemon import daemon_mounts

    return daemon_mounts(session.settings.project)


def _missing(session: Session, path: Path, model_id: str | None) -> NotFound:
    name = model_id or _bringer(session, path) or path.name
    message = f"`{name}` is not installed: there is no `{path}`"
    return NotFound(message, hint=f"run `aava models pull {name}`")


def _bringer(session: Session, path: Path) -> str | None:
    """Return the model of the catalog that puts a file at *path*, if there is one."""
    folder = session.settings.models_dir
    if not path.is_relative_to(folder):
        return None
    relative = PurePosixPath(path.relative_to(folder))
    models = session.catalog().models.values()
    bringers = (each.id for each in models if relative in (f.path for f in each.files))
    return next(bringers, None)


def _check_model(selection: Selection, path: Path, model_id: str | None) -> None:
    try:
        check_model(selection.backend, path)
    except IntegrityError as error:
        again = f"run `aava models pull {model_id}` to fetch it again"
        hint = again if model_id else f"replace `{path}` by a whole copy"
        raise IntegrityError(error.message, hint=hint) from error


def _check_receipts(session: Session, paths: Iterable[Path], *, hashed: bool) -> None:
    """Check the files of every model that has one of *paths* against what was pulled."""
    wanted = tuple(paths)
    if not wanted:
        return
    settings = session.settings
    digests = DigestCache(settings.state_dir) if hashed else None
    for receipt in store.receipts(settings):
        files = {settings.models_dir / file.path: file for file in receipt.files}
        if any(file.is_relative_to(each) for file in files for each in wanted):
            for path, file in files.items():
                _check_pulled(session, receipt, path, file, digests)


def _check_pulled(
    session: Session, receipt: Receipt, path: Path, file: ReceiptFile, digests: DigestCache | None
) -> None:
    if not store.has_size(path, file.size_bytes):
        problem = "has another size than what was pulled" if path.is_file() else "is gone"
    elif digests and digests.of(path, emit=session.output.emit) != file.sha256:
        problem = "has other bytes than what was pulled"
    else:
        return
    again = f"run `aava models pull {receipt.model}` to fetch it again"
    raise IntegrityError(f"`{path}` {problem}", hint=again)
