"""What can go wrong, each with its exit code and the next command to run.

AavaError
├── UsageError            2   the command line cannot be carried out as written
├── ConfigError           1   a file that people write does not parse
├── NotPossible           1   refused before anything was changed
├── RolledBack            3   failed; the old state is back and verified
├── RecoveryDue           4   an interrupted change waits for `aava recover`
├── Busy                  5   a lock is held, or calls are active
├── NetworkError          6   retryable; what was downloaded is kept
├── IntegrityError        7   the bytes are not what they should be
├── NoSpace               8   not enough room on the file system
├── NotFound             10   no such model, backend, job or file
├── DaemonUnreachable    11   the daemon is down or does not answer
├── AccessDenied         12   authentication failed, or the model is gated
├── Offline              13   needed from the network, which is switched off
├── Bug                  70   the program itself is wrong
├── Interrupted         130   Ctrl-C
└── Stopped             143   SIGTERM or SIGHUP
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXIT_CHECK_FAILED = 9
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class AavaError(Exception):
    """A failure that names its cause and the next command."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AavaError):
    """The command line cannot be carried out as written."""

    exit_code = 2
    code = "usage"


class ConfigError(AavaError):
    """A file that people write does not parse; it was not touched."""

    code = "config"

    @classmethod
    def at(cls, path: Path | str, line: int, expected: str) -> ConfigError:
        """Name the file, the line (from 1) and what was expected there."""
        return cls(f"{path}:{line}: {expected}", hint=f"correct line {line} of `{path}`")


class NotPossible(AavaError):
    """Refused before anything was changed."""

    code = "not-possible"


class RolledBack(AavaError):
    """The change failed; the old state is back and was verified."""

    exit_code = 3
    code = "rolled-back"


class RecoveryDue(AavaError):
    """A change was interrupted, or its undo failed; the journal is kept."""

    exit_code = 4
    code = "recovery-due"


class Busy(AavaError):
    """Another command, or a live call, is in the way."""

    exit_code = 5
    code = "busy"
    retryable = True


class NetworkError(AavaError):
    """The network failed; what was downloaded is kept."""

    exit_code = 6
    code = "network"
    retryable = True


class IntegrityError(AavaError):
    """The bytes are not what they should be."""

    exit_code = 7
    code = "integrity"


class NoSpace(AavaError):
    """The file system has no room."""

    exit_code = 8
    code = "no-space"


class NotFound(AavaError):
    """No model, backend, job or file goes by that name."""

    exit_code = 10
    code = "not-found"

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str], *, listing: str) -> NotFound:
        """Name the three *known* names nearest to *name*, and the command that lists them all."""
        message = with_nearest(f"no {kind} named `{name}`", name, known)
        return cls(message, hint=f"run `{listing}` to see every {kind}")


class DaemonUnreachable(AavaError):
    """The daemon is down, or it does not answer."""

    exit_code = 11
    code = "daemon-unreachable"
    retryable = True


class AccessDenied(AavaError):
    """Authentication failed, or the model is gated."""

    exit_code = 12
    code = "access-denied"


class Offline(AavaError):
    """It is not on this host, and the network was switched off.

    Neither a failing network, where it helps to try again, nor a name that means nothing.
    """

    exit_code = 13
    code = "offline"


class Bug(AavaError):
    """The program itself is wrong; the traceback is on stderr."""

    exit_code = EXIT_BUG
    code = "bug"


class Interrupted(AavaError):
    """Ctrl-C; what was begun is undone."""

    exit_code = EXIT_INTERRUPTED
    code = "interrupted"


class Stopped(AavaError):
    """SIGTERM or SIGHUP; what was begun is undone."""

    exit_code = EXIT_TERMINATED
    code = "terminated"


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; like `KeyboardInterrupt`, only undo and `main` catch it."""


def with_nearest(message: str, name: str, known: Iterable[str]) -> str:
    """Return *message* with those of the *known* names that are nearest to *name*."""
    near = ", ".join(f"`{each}`" for each in nearest(name, known))
    return f"{message}; nearest: {near}" if near else message


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Return the *count* names of *known* that are most like *name*, best first."""
    from difflib import SequenceMatcher

    def likeness(candidate: str) -> float:
        return SequenceMatcher(None, name.lower(), candidate.lower()).ratio()

    return tuple(sorted(sorted(known), key=likeness, reverse=True)[:count])


def environment_failure(error: OSError) -> AavaError:
    """Return what an error of the file system means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room, then run the same command again"
        return NoSpace(f"no space left: {error}", hint=hint)
    if isinstance(error, PermissionError) and error.filename:
        hint = f"run it as the owner: `ls -ld {error.filename}` shows who that is"
        return NotPossible(f"this user may not use `{error.filename}`", hint=hint)
    return NotPossible(str(error), hint="run `aava preflight` to see what is wrong here")
