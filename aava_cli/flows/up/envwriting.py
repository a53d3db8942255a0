"""Write what the daemon reads of `.env` when it starts, and nothing else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.backups import keep_version
from aava_cli.journal import Journal
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.store import prepare_state
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.session import Session


def env_steps(session: Session, values: Mapping[str, str]) -> tuple[WriteFile, ...]:
    """Return the step that has `.env` say *values*, every other byte as it is; none if it does."""
    path = session.settings.env_file
    text = read_text(path)
    edited = envfile.edit(text, values, name=str(path))
    if edited == text:
        return ()
    keep_version(prepare_state(session.settings), path.name, text.encode())
    return (WriteFile.change(path, text.encode(), edited.encode()),)


def write_env(session: Session, values: Mapping[str, str]) -> bool:
    """Have `.env` say *values*; return whether it did not.

    Raises:
        Busy: another command is changing the project.
    """
    with session.lock():
        steps = env_steps(session, values)
        if steps:
            carry_out(steps, Journal(session.settings.state_dir), verify=_nothing)
        return bool(steps)


def _nothing() -> None:
    """Verify nothing: a file was compared when it was written."""
