"""Carry out steps so that, through any failure, either all of them hold or none.

The journal names every step and how to undo it, and is on disk before the first one begins.
While it exists, only `recover` may go on.
"""

from __future__ import annotations

import base64
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aava_cli.errors import (
    AavaError,
    ConfigError,
    NotPossible,
    RecoveryDue,
    RolledBack,
    Terminated,
)
from aava_cli.files import PRIVATE_FILE, atomic_write, command_line, fsync_folder, private_folder
from aava_cli.files import remove as remove_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    StepLoader: TypeAlias = Callable[[Mapping[str, Any]], "Step"]

JOURNAL = "journal.json"
_HISTORY = "history"
_SCHEMA = 1


class Step(Protocol):
    """One change that can be undone, also by another process that only has the journal."""

    @property
    def kind(self) -> str:
        """The name under which the journal keeps steps of this sort."""
        ...

    def check(self) -> None:
        """Raise if the world is no longer what the plan was made from."""
        ...

    def apply(self) -> None:
        """Make the change and verify it."""
        ...

    def undo(self, *, recovering: bool) -> None:
        """Bring the old state back, however far `apply` came, and verify it."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        ...


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Replace the bytes of one file; `old` None means that there was no file."""

    path: Path
    old: bytes | None
    new: bytes
    mode: int | None = None
    owner: tuple[int, int] | None = None
    kind: str = "write-file"

    @classmethod
    def change(cls, path: Path, old: bytes | None, new: bytes) -> WriteFile:
        """Return the step that changes *path* from *old* to *new*."""
        if old is None:
            return cls(path, None, new)
        status = path.stat()
        return cls(path, old, new, status.st_mode & 0o7777, (status.st_uid, status.st_gid))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> WriteFile:
        """Return the step that `to_json` described."""
        old = fields["old"]
        return cls(
            Path(fields["path"]),
            None if old is None else base64.b64decode(old),
            base64.b64decode(fields["new"]),
            fields["mode"],
            tuple(fields["owner"]) if fields["owner"] else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {
            "path": str(self.path),
            "old": None if self.old is None else base64.b64encode(self.old).decode(),
            "new": base64.b64encode(self.new).decode(),
            "mode": self.mode,
            "owner": self.owner,
        }

    def check(self) -> None:
        """Raise `NotPossible` if another program changed the file since it was read."""
        if self._content() != self.old:
            message = f"`{self.path}` was changed by another program in the meantime"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """Write the new bytes, unless another program has changed the file since it was read."""
        self.check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, self.new, mode=self.mode)

    def undo(self, *, recovering: bool) -> None:  # noqa: ARG002 - a file is undone one way
        """Bring the old bytes, owner and mode back.

        Raises:
            RecoveryDue: another program has changed the file; its bytes are left alone.
        """
        content = self._content()
        if content == self.old:
            return
        if content not in (None, self.new):
            message = f"`{self.path}` was changed by another program during the switch"
            hint = f"move your version of `{self.path}` away, then run `aava recover`"
            raise RecoveryDue(message, hint=hint)
        if self.old is None:
            # A link to where no file was stays; what it points to was ours.
            remove_file(self.path.resolve())
        else:
            atomic_write(self.path, self.old, mode=self.mode)
            self._restore_owner()

    def _restore_owner(self) -> None:
        if self.owner is not None:
            with suppress(PermissionError):
                os.chown(self.path, *self.owner)

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True)
class Record:
    """The head of a journal: which command, when, and how far it came."""

    command: str
    started_at: float
    pid: int
    started_steps: int = 0
    finished_steps: int = 0


_EMPTY = Record("", 0.0, 0)


class Journal:
    """The one file that says whether a change is under way."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / JOURNAL
        self._history = state_dir / _HISTORY

    def require_none(self) -> None:
        """Raise `RecoveryDue` if a change was interrupted and waits for recovery."""
        if self._path.exists():
            record, _steps = self._read()
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started_at))
            message = f"`{record.command}` of {when} was interrupted"
            raise RecoveryDue(message, hint="run `aava recover` to bring the old state back")

    @property
    def is_open(self) -> bool:
        """Whether a change is under way or was interrupted."""
        return self._path.exists()

    def write(self, record: Record, steps: tuple[Step, ...]) -> None:
        """Put *record* and *steps* on disk before returning."""
        # All room that a commit or an undo will need is taken before the first change.
        private_folder(self._path.parent)
        private_folder(self._history)
        content = {
            "schema": _SCHEMA,
            **asdict(record),
            "steps": [{"kind": step.kind, **step.to_json()} for step in steps],
        }
        atomic_write(self._path, json.dumps(content, indent=1).encode(), mode=PRIVATE_FILE)

    def close(self, outcome: str) -> None:
        """Move the journal into the history: the one rename that commits or ends an undo."""
        now_ns = time.time_ns()
        moment = time.strftime("%Y%m%dT%H%M%S", time.localtime(now_ns // 10**9))
        name = f"{moment}.{now_ns % 10**9:09}-{outcome}.json"
        self._path.rename(self._history / name)
        fsync_folder(self._history)
        fsync_folder(self._path.parent)

    def load(self, kinds: Mapping[str, StepLoader]) -> tuple[Record, tuple[Step, ...]]:
        """Return the record and the steps of the change that was interrupted."""
        record, stored = self._read()
        with self._garbage_is_named():
            return record, tuple(kinds[fields["kind"]](fields) for fields in stored)

    def _read(self) -> tuple[Record, list[dict[str, Any]]]:
        with self._garbage_is_named():
            content = json.loads(self._path.read_bytes())
            if content["schema"] != _SCHEMA:
                raise ValueError(content["schema"])
            kinds = {name: type(value) for name, value in asdict(_EMPTY).items()}
            fields = {name: kind(content[name]) for name, kind in kinds.items()}
            return Record(**fields), content["steps"]

    @contextmanager
    def _garbage_is_named(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"`{self._path}` is not a journal that this version of aava wrote"
            hint = "use the version that wrote it, or compare `.env` with your backup by hand"
            raise ConfigError(message, hint=hint) from error


def carry_out(steps: tuple[Step, ...], journal: Journal, *, verify: Callable[[], None]) -> None:
    """Apply every step and *verify* the whole, or bring every old state back.

    Raises:
        NotPossible: the world changed since the plan was made; nothing was touched.
        RolledBack: a step failed; the old state is back and verified.
        RecoveryDue: a step failed, and so did its undo; the journal is kept.
    """
    journal.require_none()
    for step in steps:
        step.check()
    progress = _Progress(journal, steps)
    verified = False
    try:
        progress.record()
        for step in steps:
            # The world may have changed while an earlier step was at work.
            step.check()
            progress.begin()
            step.apply()
            progress.finish()
        verify()
        verified = True
        journal.close("committed")
    except BaseException as cause:
        if verified and not journal.is_open:
            # The commit was made; an interruption that came after it changes nothing.
            return
        _roll_back(progress, cause)
        raise


class _Progress:
    """Keeps the journal's record in step with what was begun and finished."""

    def __init__(self, journal: Journal, steps: tuple[Step, ...]) -> None:
        self.journal = journal
        self.steps = steps
        self._started_at = time.time()
        self._started = 0
        self._finished = 0

    @property
    def started(self) -> tuple[Step, ...]:
        return self.steps[: self._started]

    def begin(self) -> None:
        self._started += 1
        self.record()

    def finish(self) -> None:
        self._finished += 1
        self.record()

    def record(self) -> None:
        record = Record(
            command_line(), self._started_at, os.getpid(), self._started, self._finished
        )
        self.journal.write(record, self.steps)


def _roll_back(progress: _Progress, cause: BaseException) -> None:
    """Undo what was begun; raises `RolledBack` for an error, returns for an interruption."""
    try:
        undo_all(progress.started, recovering=False, because=cause)
        if progress.journal.is_open:
            progress.journal.close("rolled-back")
    except (KeyboardInterrupt, Terminated, OSError) as again:
        message = f"interrupted while the old state was being restored: {again!r}"
        raise RecoveryDue(message, hint="run `aava recover`") from again
    if not progress.started:
        return
    if isinstance(cause, AavaError | OSError):
        hint = cause.hint if isinstance(cause, AavaError) else "run `aava preflight` to see why"
        message = f"{cause}; the previous configuration is active again"
        raise RolledBack(message, hint=hint) from cause


def undo_all(
    steps: tuple[Step, ...], *, recovering: bool, because: BaseException | None = None
) -> None:
    """Undo *steps*, newest first; one that cannot be undone does not keep the others.

    Raises:
        RecoveryDue: a step could not be undone; the first reason is given.
    """
    failures: list[Exception] = []
    for step in reversed(steps):
        try:
            step.undo(recovering=recovering)
        except Exception as error:  # noqa: BLE001 - undo goes on, and raises below
            failures.append(error)
    if failures:
        reason = failures[0]
        message = f"the old state could not be restored: {reason}"
        if isinstance(because, AavaError | OSError):
            message = f"{because}; {message}"
        hint = reason.hint if isinstance(reason, RecoveryDue) else "run `aava recover`"
        raise RecoveryDue(message, hint=hint) from reason


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` found: the command that was interrupted, and how many steps it undid."""

    command: str
    undone_steps: int


def recover(journal: Journal, kinds: Mapping[str, StepLoader]) -> Recovered:
    """Finish the undo of the change that was interrupted; may be killed and run again.

    Raises:
        RecoveryDue: the old state cannot be restored yet; the journal is kept.
    """
    record, steps = journal.load(kinds)
    started = steps[: record.started_steps]
    undo_all(started, recovering=True)
    journal.close("recovered")
    return Recovered(record.command, len(started))
