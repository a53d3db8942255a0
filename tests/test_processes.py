"""Which process is which, and whether it still lives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from aava_cli.processes import Process, liveness, local_process, parse_process, this_process

SLEEP = [sys.executable, "-c", "input()"]


def test_own_process_lives() -> None:
    """Who asks is alive, and its name leads back to it."""
    own = this_process()
    assert ("alive", os.getpid()) == (liveness(own), own.pid)
    assert own == parse_process(str(own))


def test_ended_process_is_dead() -> None:
    """A process is dead as soon as it has ended, whether or not its parent has looked."""
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE) as other:
        process = local_process(other.pid)
        assert liveness(process) == "alive"
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert liveness(process) == "dead"
    assert liveness(process) == "dead"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"started": 1}, "dead"),
        ({"boot": "00000000"}, "dead"),
        ({"place": "00000000"}, "unknown"),
        ({"pid": 4_999_999}, "dead"),
    ],
)
def test_other_process_of_the_same_number(change: dict[str, int], expected: str) -> None:
    """A pid alone says nothing: it is used again, after a restart and on other hosts."""
    assert expected == liveness(replace(this_process(), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "12", "1-2-abc-def", "x-1-00000000-00000000"])
def test_other_text_names_no_process(text: str) -> None:
    """Only what was written as a process is read as one."""
    assert parse_process(text) is None


def test_process_that_is_gone_has_no_start() -> None:
    """Asking for one that never was is no failure: it is just dead."""
    process = local_process(4_999_999)
    assert Process(4_999_999, 0, this_process().place, this_process().boot) == process
    assert liveness(process) == "dead"
