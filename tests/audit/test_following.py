"""Logs that are rotated and cut while they are followed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.audit.following import follow_file
from tests.audit.gate_cases import normal
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def followed(path: Path, *changes: Callable[[], object]) -> list[bytes]:
    """Return what each file had that *path* named; a change is made whenever nothing comes."""
    left, got = [*changes], [b""]
    for chunk in follow_file(path, sleep=lambda _s: None):
        if chunk is None:
            got.append(b"")
        elif chunk:
            got[-1] += chunk
        elif left:
            left.pop(0)()
        else:
            break
    return got


def test_follow_reads_through_rotation_and_truncation(tmp_path: Path) -> None:
    """No line is lost between the old file and the new, and none of a shorter one."""
    path = tmp_path / "calls.log"
    path.write_bytes(b"one\n")

    def add(line: bytes) -> None:
        with path.open("ab") as file:
            file.write(line)

    def rotate() -> None:
        path.rename(tmp_path / "calls.log.1")
        path.write_bytes(b"three\n")

    def truncate() -> None:
        os.truncate(path, 0)

    changes = (partial(add, b"two\n"), rotate, truncate, partial(add, b"4\n"))
    assert [b"one\ntwo\n", b"three\n", b"4\n"] == followed(path, *changes)


def test_old_log_is_read_while_nobody_writes_to_the_new_one(tmp_path: Path) -> None:
    """The writer goes on with the old file until it is told of the rotation."""
    path = tmp_path / "calls.log"
    path.write_bytes(b"one\n")
    with path.open("ab", buffering=0) as old:

        def rotate() -> None:
            path.rename(tmp_path / "calls.log.1")
            path.touch()

        def reopen() -> None:
            old.write(b"three\n")
            path.write_bytes(b"four\n")

        got = followed(path, rotate, lambda: old.write(b"two\n"), reopen)
    assert [b"one\ntwo\nthree\n", b"four\n"] == got


def test_log_that_was_cut_and_has_grown_past_its_old_end_is_read_anew(tmp_path: Path) -> None:
    """Its size alone does not tell."""
    path = tmp_path / "calls.log"
    path.write_bytes(b"one\n" * 9)

    def cut() -> None:
        os.truncate(path, 0)
        path.write_bytes(b"two\n" * 900)

    def add() -> None:
        with path.open("ab") as file:
            file.write(b"three\n")

    assert [b"one\n" * 9, b"two\n" * 900 + b"three\n"] == followed(path, cut, add)


def test_following_ends_where_nobody_reads_on(tmp_path: Path) -> None:
    """As with `| head`: what is printed to no one is no reason to stay."""
    path = tmp_path / "calls.log"
    path.write_bytes(logged(normal()))
    process = subprocess.Popen(
        [sys.executable, "-m", "aava_cli", "audit", str(path), "--follow", "--events"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert b"finding" in process.stdout.readline()
        process.stdout.close()
        assert 0 == process.wait(60)
    finally:
        process.kill()
        process.wait()
