"""Look at this host, judge it, write down whether a GPU can be used, and make safe repairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.errors import ConfigError, NotPossible, RolledBack, UsageError
from aava_cli.journal import Journal
from aava_cli.preflight.findings import facts_read_by
from aava_cli.preflight.gpunote import note_gpu
from aava_cli.preflight.looking import is_about_gpus, look
from aava_cli.preflight.plan import plan_repairs
from aava_cli.preflight.repair import apply_repair
from aava_cli.preflight.report import Preflighted, Repaired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aava_cli.preflight.looking import Seen, Wanted
    from aava_cli.preflight.plan import Repair
    from aava_cli.session import Session


def check_host(session: Session, wanted: Wanted) -> Preflighted:
    """Make the checks, and write `GPU_AVAILABLE` to `.env` where it says something else.

    Nothing is written without `.env`, while another command is at work, or without *write*.
    """
    seen = look(session, wanted)
    return _answer(session, wanted, seen)


def _answer(
    session: Session, wanted: Wanted, seen: Seen, repairs: tuple[Repaired, ...] = ()
) -> Preflighted:
    note = note_gpu(session, seen.facts, write=wanted.write) if is_about_gpus(wanted) else None
    return replace(
        Preflighted.of(seen.items),
        gpu_available=note,
        repairs=repairs,
        facts=seen.learned,
        strict=wanted.strict,
    )


def fix_host(
    session: Session, wanted: Wanted, agree: Callable[[Iterable[Repair]], bool]
) -> Preflighted:
    """Show what can be put right to *agree*, do it one by one where that says so, and look again.

    Raises:
        Busy: another command is changing this project.
        RecoveryDue: an earlier change was interrupted, or this one could not be undone.
    """
    seen = look(session, wanted, also=facts_read_by(plan_repairs))
    planned = plan_repairs(seen.facts, wanted.names)
    if not planned or not agree(planned):
        shown = tuple(_told(each, "planned") for each in planned)
        return _answer(session, wanted, seen, shown)
    with session.lock():
        Journal(session.settings.state_dir).require_none()
        done = tuple(_repaired(session, each) for each in planned)
    return _answer(session, wanted, look(session, wanted), done)


def _repaired(session: Session, repair: Repair) -> Repaired:
    try:
        changed = apply_repair(session, repair)
    except (ConfigError, NotPossible, RolledBack, UsageError, OSError) as error:
        told = _told(repair, "failed", _words(error))
        return replace(told, is_rolled_back=isinstance(error, RolledBack))
    return _told(repair, "done" if changed else "already")


def _words(error: Exception) -> str:
    """Return what went wrong, without the names of files that only we know."""
    cause = error.__cause__ if isinstance(error, RolledBack) else error
    said = cause.strerror if isinstance(cause, OSError) else None
    back = "; the old state is back" if isinstance(error, RolledBack) else ""
    return f"{said}{back}" if said else str(error)


def _told(repair: Repair, status: str, problem: str | None = None) -> Repaired:
    return Repaired(repair.name, repair.message, repair.command, status, problem)
