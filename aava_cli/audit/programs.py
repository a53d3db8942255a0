"""Logs that a program prints: `docker logs`, `journalctl`."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from typing import IO, TYPE_CHECKING, cast

from aava_cli.audit.following import follow_pipe
from aava_cli.audit.problems import Damaged, Unreadable
from aava_cli.audit.redaction import without_people
from aava_cli.errors import AavaError

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES = 1 << 20
_END_S = 2.0


def read_container(name: str, *, follow: bool) -> Iterator[bytes]:
    """Yield what the engine has of the container *name*.

    Raises:
        Unreadable: no engine answers, or it has no such container.
        Damaged: it failed on the way.
    """
    from aava_cli.docker.engine import inspect_container

    try:
        container = inspect_container(name)
    except AavaError as error:
        raise Unreadable(error.message, hint=error.hint) from error
    options = ("--follow",) if follow else ()
    yield from _read_program(
        ("docker", "logs", "--timestamps", *options, container.id), follow=follow
    )


def read_journal(unit: str, *, follow: bool) -> Iterator[bytes]:
    """Yield what the journal has of *unit*.

    Raises:
        Unreadable: there is no journal.
        Damaged: `journalctl` failed on the way.
    """
    # Options in one word each: a unit that looks like one is still a unit. Without `--all`, null
    # stands for each message of more than 4096 bytes.
    options = ("--follow", "--no-tail") if follow else ()
    argv = ("journalctl", "--no-pager", "--output=json", "--all", *options, f"--unit={unit}")
    yield from _read_program(argv, follow=follow)


def _read_program(argv: tuple[str, ...], *, follow: bool) -> Iterator[bytes]:
    """Yield what *argv* prints on both its streams; it does not outlive the reader.

    Raises:
        Unreadable: it is not there, or failed at once.
        Damaged: it failed on the way.
    """
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        message = f"there is no `{argv[0]}` program on the PATH"
        raise Unreadable(message, hint="name a file with the log instead") from error
    except OSError as error:
        message = f"cannot run `{argv[0]}`: {error.strerror}"
        raise Unreadable(message, hint=f"run `{shlex.join(argv)}` to see why") from error
    output, last = cast("IO[bytes]", process.stdout), b""
    try:
        for chunk in follow_pipe(output) if follow else iter(lambda: output.read(_READ_BYTES), b""):
            last = chunk or last
            yield chunk
        code = process.wait()
    finally:
        _end(process)
    if code:
        # What it says may also be a line of the log.
        said = without_people(last.decode("utf-8", "replace").strip().rpartition("\n")[2])
        message = f"`{argv[0]}` failed with {code}: {said or 'it says nothing'}"
        kind = Damaged if last else Unreadable
        raise kind(message, hint=f"run `{shlex.join(argv)}` to see why")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
