"""Have `.env` say whether the daemon can use a GPU: one line, and nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.errors import AavaError, Busy, NotPossible, RecoveryDue, RolledBack
from aava_cli.journal import Journal
from aava_cli.preflight.checks.gpu_use import decide_gpu
from aava_cli.preflight.facts import Unknown
from aava_cli.preflight.report import GpuNote
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.projectfacts import EnvFile
    from aava_cli.session import Session

_KEY = "GPU_AVAILABLE"
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True}
_TRUTHS |= dict.fromkeys(("0", "false", "no", "off"), False)
# It follows from what was seen, so that nobody wants it back as it was.
_NOTED = "noted"


def note_gpu(session: Session, facts: Facts, *, write: bool) -> GpuNote | None:
    """Return whether a GPU can be used, and have `.env` say so; None without facts of `.env`."""
    env = facts.env_file
    if isinstance(env, Unknown):
        return None
    decided = decide_gpu(facts)
    note = GpuNote(decided.usable, decided.reason, env.gpu_available)
    if _TRUTHS.get((env.gpu_available or "").lower()) is decided.usable:
        return note
    if not decided.is_known:
        # A driver that hangs now may answer the next time.
        return replace(note, kept="nobody knows")
    kept = _reason_to_keep(env, write=write) or _write(session, env, value=decided.usable)
    return replace(note, written=kept is None, kept=kept)


def _reason_to_keep(env: EnvFile, *, write: bool) -> str | None:
    if not env.exists:
        return f"there is no `{env.path}`"
    if env.problem is not None:
        return env.problem
    return None if write else "nothing was to be written"


def _write(session: Session, env: EnvFile, *, value: bool) -> str | None:
    """Set the value in `.env`, and nothing else; return why that was not possible, if so."""
    journal = Journal(session.settings.state_dir)
    with ExitStack() as held:
        try:
            held.enter_context(session.lock())
            journal.require_none()
            old = read_text(env.path)
            if envfile.read(old).get(_KEY) != env.gpu_available:
                return f"another program has set `{_KEY}` in the meantime"
            new = envfile.edit(old, {_KEY: str(value).lower()}, name=str(env.path))
            step = WriteFile.change(env.path, old.encode(), new.encode())
            step.check()
        except (Busy, RecoveryDue, NotPossible) as error:
            return error.message
        except (AavaError, OSError) as error:
            return str(error)
        try:
            carry_out((step,), journal, verify=lambda: None, outcome=_NOTED)
        except (NotPossible, RolledBack) as error:
            return error.message
    return None
