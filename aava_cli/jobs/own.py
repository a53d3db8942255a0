"""Have the command that runs be a job itself, which others can look at and end."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aava_cli.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_TERMINATED, AavaError, Terminated
from aava_cli.files import PRIVATE_FILE, atomic_write, command_line, hand_over
from aava_cli.jobs.store import JOB_VARIABLE, new_folder, record
from aava_cli.output import plain
from aava_cli.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.events import Emit, Event
    from aava_cli.settings import Settings


class OwnJob:
    """The job that this command is; what it emits is in the job's log as well."""

    def __init__(self, folder: Path, emit: Emit, log: Path | None = None) -> None:
        self.id = folder.name
        self.folder = folder
        self._emit = emit
        self._log = log

    def emit(self, event: Event) -> None:
        """Show *event* to whoever watches, now or later."""
        self._emit(event)
        self.write({"event": type(event).__name__.lower(), **plain(event)})

    def write(self, fields: dict[str, Any]) -> None:
        """Add a line to the log; that of a command in the background is what it prints."""
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(fields) + "\n")


@contextmanager
def own_job(settings: Settings, kind: str, emit: Emit) -> Iterator[OwnJob]:
    """Have the block be a job; one that was sent to the background is one already."""
    begun = settings.state_dir / "jobs" / os.environ.get(JOB_VARIABLE, "")
    if begun.name != "jobs" and begun.is_dir():
        yield OwnJob(begun, emit)
        return
    folder = new_folder(settings, kind)
    job = record(folder, (command_line(),), this_process())
    job.log.touch(PRIVATE_FILE)
    hand_over(job.log)
    own = OwnJob(folder, emit, job.log)
    code = 0
    try:
        yield own
    except BaseException as error:
        code = _exit_code(error)
        if isinstance(error, AavaError):
            fields = {"code": error.code, "message": error.message, "hint": error.hint}
            own.write({"event": "error", "error": fields})
        raise
    finally:
        atomic_write(job.exit_file, f"{code}\n".encode(), mode=PRIVATE_FILE)


def _exit_code(error: BaseException) -> int:
    match error:
        case AavaError():
            return error.exit_code
        case KeyboardInterrupt():
            return EXIT_INTERRUPTED
        case Terminated():
            return EXIT_TERMINATED
        case OSError():
            return AavaError.exit_code
        case _:
            return EXIT_BUG
