"""Look at this host, judge it, write down whether a GPU can be used, and make safe repairs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.errors import AavaError, Busy, NotPossible, RecoveryDue, RolledBack
from aava_cli.journal import Journal
from aava_cli.preflight.checks import judge_all, needs_of
from aava_cli.preflight.facts import Facts, Unknown
from aava_cli.preflight.findings import NotKnown, facts_read_by, group_of
from aava_cli.preflight.gpu_available import gpu_available
from aava_cli.preflight.plan import plan_repairs
from aava_cli.preflight.probe import learn, probes_of
from aava_cli.preflight.repair import apply_repair
from aava_cli.preflight.report import GpuNote, Preflighted, Repaired
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aava_cli.events import Item
    from aava_cli.preflight.facts import Learned
    from aava_cli.preflight.plan import Repair
    from aava_cli.preflight.projectfacts import EnvFile
    from aava_cli.session import Session

_KEY = "GPU_AVAILABLE"
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True}
_TRUTHS |= dict.fromkeys(("0", "false", "no", "off"), False)
# It follows from what was seen, so that nobody wants it back as it was.
_NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The checks to make; *deep* may start containers, and *write* changes `.env`."""

    names: tuple[str, ...]
    deep: bool = False
    write: bool = True
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out, and what the checks make of it."""

    facts: Facts
    learned: tuple[Learned, ...]
    items: tuple[Item, ...]


def look(session: Session, wanted: Wanted) -> Seen:
    """Find out what the wanted checks need, and tell of each as soon as it is known."""
    needs = {name: needs_of(name) for name in wanted.names}
    probes = probes_of(session, deep=wanted.deep)
    asked = frozenset().union(*needs.values(), _needs_of_note(wanted))
    facts, known, learned = Facts(), set[str](), []
    items: dict[str, Item] = {}
    for each in learn({name: probes[name] for name in probes if name in asked}):
        facts = replace(facts, **{each.name: each.value})
        known.add(each.name)
        learned.append(each)
        ready = [name for name in needs if name not in items and needs[name] <= known]
        for item in judge_all(facts, ready):
            items[item.name] = item
            session.output.emit(item)
    return Seen(facts, tuple(learned), tuple(items[name] for name in wanted.names))


def _needs_of_note(wanted: Wanted) -> frozenset[str]:
    if not _is_about_gpus(wanted):
        return frozenset()
    return facts_read_by(gpu_available) | {"env_file"}


def _is_about_gpus(wanted: Wanted) -> bool:
    return any(group_of(name) == "gpu" for name in wanted.names)


def check_host(session: Session, wanted: Wanted) -> Preflighted:
    """Make the checks, and write `GPU_AVAILABLE` to `.env` where it says something else.

    Nothing is written without `.env`, while another command is at work, or without *write*.
    """
    seen = look(session, wanted)
    return _answer(session, wanted, seen)


def _answer(
    session: Session, wanted: Wanted, seen: Seen, repairs: tuple[Repaired, ...] = ()
) -> Preflighted:
    note = note_gpu(session, seen.facts, write=wanted.write) if _is_about_gpus(wanted) else None
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
        RecoveryDue: an earlier change was interrupted.
    """
    seen = look(session, wanted)
    planned = plan_repairs(seen.facts)
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
    except (NotPossible, RolledBack, OSError) as error:
        return _told(repair, "failed", str(error))
    return _told(repair, "done" if changed else "already")


def _told(repair: Repair, status: str, problem: str | None = None) -> Repaired:
    return Repaired(repair.name, repair.message, repair.command, status, problem)


def note_gpu(session: Session, facts: Facts, *, write: bool) -> GpuNote | None:
    """Return whether a GPU can be used, and have `.env` say so; None where nobody can tell."""
    env = facts.env_file
    try:
        value, reason = gpu_available(facts)
    except NotKnown:
        return None
    if isinstance(env, Unknown):
        return None
    note = GpuNote(value, reason, env.gpu_available)
    if _TRUTHS.get((env.gpu_available or "").lower()) is value:
        return note
    kept = _reason_to_keep(env, write=write) or _write(session, env, value=value)
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
