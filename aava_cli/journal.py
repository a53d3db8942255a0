"""The journal of the change that is under way, and the history of those that were."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.errors import ConfigError, RecoveryDue
from aava_cli.files import PRIVATE_FILE, atomic_write, clear_leftovers, fsync_folder, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from aava_cli.steps import Step

    StepLoader: TypeAlias = Callable[[Mapping[str, Any]], Step]

JOURNAL = "journal.json"
HISTORY = "history"
COMMITTED = "committed"
_HISTORY_LENGTH = 50
_SCHEMA = 1


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
        self._history = state_dir / HISTORY

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
        self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        for old in sorted(self._history.glob("*.json"))[:-_HISTORY_LENGTH]:
            old.unlink(missing_ok=True)

    def load(self, kinds: Mapping[str, StepLoader]) -> tuple[Record, tuple[Step, ...]]:
        """Return the record and the steps of the change that was interrupted."""
        clear_leftovers(self._path)
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
            hint = (
                f"compare `.env` with your backup and the old states in `{self._history}`, "
                f"then move `{self._path}` away; or use the version that wrote it"
            )
            raise ConfigError(message, hint=hint) from error
