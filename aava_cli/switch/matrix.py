"""Try every installed model in turn; each trial is a switch that is always undone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.errors import AavaError, IntegrityError, NotFound, NotPossible, RolledBack
from aava_cli.events import Log
from aava_cli.files import atomic_write
from aava_cli.output import Result, Table, plain
from aava_cli.switch.apply import Wish, apply_switch, make_plan
from aava_cli.switch.choose import choose, installed_choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from aava_cli.daemon.step import Terms
    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.apply import Prove
    from aava_cli.switch.choose import Choice

Outcome: TypeAlias = Literal["ok", "failed", "skipped"]
ALL = "all"


class TrialOver(AavaError):
    """A model has done well, and makes room for what ran before."""

    code = "trial-over"


class DoesNoWork(AavaError):
    """The model that runs already does not do its work."""

    code = "does-no-work"


class TrialsFailed(AavaError):
    """Some of the models that were tried do not work."""

    code = "trials-failed"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one model: *reason* says why it failed or was skipped."""

    role: Role
    model: str
    outcome: Outcome
    took_s: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Matrix(Result):
    """Every model that was tried; what ran before runs again."""

    trials: tuple[Trial, ...]

    def text(self) -> Iterable[str | Table]:
        """Yield a row per model, then the sums."""
        if not self.trials:
            yield "no model is installed: run `aava models pull starter`"
            return
        rows = tuple(
            (each.role, each.model, each.outcome, f"{each.took_s:.1f} s", each.reason or "")
            for each in self.trials
        )
        yield Table(("role", "model", "outcome", "time", ""), rows)
        yield ", ".join(f"{self._count(outcome)} {outcome}" for outcome in _OUTCOMES)

    def failure(self) -> AavaError | None:
        """Return that models failed; a model that was skipped is no failure."""
        failed = self._count("failed")
        if not failed:
            return None
        message = f"{failed} of {len(self.trials)} models failed; what ran before runs again"
        return TrialsFailed(message, hint="run `aava models verify`, then pull the damaged ones")

    def _count(self, outcome: Outcome) -> int:
        return sum(each.outcome == outcome for each in self.trials)


_OUTCOMES: tuple[Outcome, ...] = ("ok", "failed", "skipped")


def run_matrix(
    session: Session, wanted: Mapping[Role, str], terms: Terms, prove: Prove | None = None
) -> Matrix:
    """Try the models that *wanted* names by role, or `all` that are installed.

    Raises:
        NotFound: nothing goes by a name.
        Busy: another command is changing this project, or calls are live.
        RecoveryDue: what ran before could not be brought back; the trials end there.
        DaemonUnreachable: there is no daemon to try them in.
    """
    choices = tuple(_choices(session, wanted))
    trials: list[Trial] = []
    for number, choice in enumerate(choices, 1):
        session.output.emit(Log(f"{number} of {len(choices)}: {choice.selection}"))
        trials.append(_try(session, choice, terms, prove))
    return Matrix(tuple(trials))


def write_matrix(matrix: Matrix, path: Path) -> None:
    """Write *matrix* to *path* as JSON; a reader sees the old bytes or the new ones."""
    atomic_write(path, json.dumps(plain(matrix), indent=2).encode() + b"\n")


def _choices(session: Session, wanted: Mapping[Role, str]) -> Iterator[Choice]:
    for role, names in wanted.items():
        if names == ALL:
            yield from installed_choices(session, role)
        else:
            yield from (choose(session, role, name.strip()) for name in names.split(","))


def _try(session: Session, choice: Choice, terms: Terms, prove: Prove | None) -> Trial:
    begun_s = time.monotonic()

    def end(_changed: tuple[Role, ...]) -> None:
        # What runs already, and only the files do not say so yet, has to prove itself as well.
        if prove is not None:
            prove((choice.selection.backend.role,))
        raise TrialOver("the model works", hint="run `aava matrix` to try others")

    told = partial(_told, choice, begun_s)
    try:
        planned = partial(make_plan, session, Wish((choice,)))
        apply_switch(session, planned, terms, prove=end)
        # It is what runs, so that nothing had to be switched.
        _prove_running(choice, prove)
    except RolledBack as error:
        if isinstance(error.__cause__, TrialOver):
            return told("ok")
        return told("failed", error.message)
    except (NotFound, NotPossible) as error:
        return told("skipped", error.message)
    except (IntegrityError, DoesNoWork) as error:
        return told("failed", error.message)
    return told("ok", "runs already")


def _prove_running(choice: Choice, prove: Prove | None) -> None:
    try:
        if prove is not None:
            prove((choice.selection.backend.role,))
    except AavaError as error:
        raise DoesNoWork(error.message, hint=error.hint) from error


def _told(choice: Choice, begun_s: float, outcome: Outcome, reason: str | None = None) -> Trial:
    selection = choice.selection
    took_s = round(time.monotonic() - begun_s, 3)
    return Trial(selection.backend.role, str(selection), outcome, took_s, reason)
