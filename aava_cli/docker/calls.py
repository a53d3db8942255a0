"""Run the `docker` program: one way to the engine, which honours contexts as its users do."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aava_cli.docker import problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aava_cli.docker.argv import Argv

ANSWER_S = 20.0
_END_S = 2.0
_TAIL_LINES = 40
_MARK = "AAVA_WORKS_ON"


def ask(argv: Argv) -> str:
    """Return what `docker` answers to a short question; raises as `run` does."""
    return run(argv, timeout_s=ANSWER_S)


def run(
    argv: Argv,
    *,
    timeout_s: float,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    merge: bool = False,
) -> str:
    """Return what *argv* prints, run in *folder* with *environ* added to the environment.

    With *merge*, what it prints to its standard error comes behind.

    Raises:
        EngineUnreachable: there is no engine, no Compose, or no permission.
        EngineFailed: it said no, or did not finish in *timeout_s*.
    """
    with started(argv, folder=folder, environ=environ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise problems.no_answer(argv, timeout_s) from error
    if process.returncode:
        raise problems.problem_of(argv, stderr)
    return stdout + stderr if merge else stdout


def succeeds(argv: Argv, *, timeout_s: float) -> bool:
    """Return whether *argv* ends well within *timeout_s*; what it prints is nobody's concern."""
    with started(argv) as process:
        try:
            process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
    return process.returncode == 0


def lines(argv: Argv, *, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield what *argv* prints, on both streams, a line at a time while it works.

    Raises:
        EngineUnreachable: there is no `docker` program.
        EngineFailed, NoSpace: it ended badly; told by its last lines.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with started(argv, folder=folder, environ=environ, one_stream=True) as process:
        for line in process.stdout or ():
            tail.append(line)
            yield line.rstrip("\n")
        process.wait()
    if process.returncode:
        raise problems.problem_of(argv, "".join(tail))


@contextmanager
def started(
    argv: Argv,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    one_stream: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """Run *argv* beside the block; neither it nor its own children outlive the block.

    With *one_stream*, its standard error comes in its standard output.

    Raises:
        EngineUnreachable: there is no `docker` program.
    """
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **(environ or {}), **_marks(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if one_stream else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            # Compose is a child of `docker`: a signal has to reach both.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise problems.no_docker() from error
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    # The group outlives its leader as long as one member does.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _marks(folder: Path | None) -> dict[str, str]:
    return {_MARK: str(folder)} if folder else {}


def end_orphans(folder: Path) -> None:
    """End what a killed aava left running on the project *folder*; only for the lock's holder.

    A Compose that was orphaned in the middle would go on, and overtake whoever recovers.
    """
    import psutil

    mark = str(folder)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == mark:
                process.kill()
                process.wait(_END_S)
