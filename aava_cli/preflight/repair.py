"""Make one repair: a transaction of its own, so that it holds or the old state is back."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.backups import keep_version
from aava_cli.files import PRIVATE_FILE
from aava_cli.folders import GiveFolder, MakeFolder
from aava_cli.journal import COMMITTED, Journal
from aava_cli.preflight.plan import ClosedFolder, MissingEnvFile, MissingFolder
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.store import prepare_state
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.preflight.plan import MissingValue, Repair
    from aava_cli.session import Session
    from aava_cli.steps import Step

_SECRET_BYTES = 32
# What `aava undo` does not take back: a folder may hold models by then.
_REPAIRED = "repaired"


def apply_repair(session: Session, repair: Repair) -> bool:
    """Make *repair*, and return whether anything had to be changed; only for the lock's holder.

    Raises:
        NotPossible: somebody else has changed in the meantime what it is about.
        RolledBack: it failed; the old state is back.
        ConfigError: `.env` does not parse.
    """
    step = _step(session, repair)
    if step is None:
        return False
    is_edit = isinstance(step, WriteFile) and step.old is not None
    outcome = COMMITTED if is_edit else _REPAIRED
    journal = Journal(session.settings.state_dir)
    carry_out((step,), journal, verify=lambda: None, outcome=outcome)
    return True


def _step(session: Session, repair: Repair) -> Step | None:
    match repair:
        case MissingFolder(path, mode, owner):
            return None if path.is_dir() else MakeFolder(path, mode, owner)
        case ClosedFolder(path, old, new):
            return GiveFolder(path, old, new)
        case MissingEnvFile(path, example):
            return None if path.exists() else WriteFile(path, None, _bytes(example), PRIVATE_FILE)
        case _:
            return _edit(session, repair)


def _bytes(example: Path) -> bytes:
    return read_text(example).encode()


def _edit(session: Session, repair: MissingValue) -> Step | None:
    path = session.settings.env_file
    old = read_text(path)
    value = repair.value or secrets.token_hex(_SECRET_BYTES)
    if repair.value is None and envfile.read(old).get(repair.key):
        return None
    new = envfile.edit(old, {repair.key: value}, name=str(path))
    if new == old:
        return None
    keep_version(prepare_state(session.settings), path.name, old.encode())
    return WriteFile.change(path, old.encode(), new.encode())
