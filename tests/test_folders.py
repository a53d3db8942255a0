"""The steps that make and give folders: done, undone, and read back from a journal."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import NotPossible
from aava_cli.folders import FOLDER_STEPS, GiveFolder, MakeFolder, Ownership
from aava_cli.history import read_history
from aava_cli.journal import Journal, Record
from aava_cli.transaction import carry_out, recover

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.folders import FolderStep

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


def mode_of(path: Path) -> int:
    """Return who may use *path*."""
    return stat.S_IMODE(path.stat().st_mode)


def stored(step: FolderStep) -> FolderStep:
    """Return *step* as a journal on disk has it."""
    return FOLDER_STEPS[step.kind](json.loads(json.dumps(step.to_json())))


def test_a_folder_is_made_as_was_asked_whatever_the_umask(tmp_path: Path) -> None:
    """And is gone again after an undo, which may come twice."""
    step = MakeFolder(tmp_path / "a", 0o2775)
    before = os.umask(0o077)
    try:
        step.check()
        step.apply()
    finally:
        os.umask(before)
    assert mode_of(step.path) == 0o2775
    for _again in range(2):
        stored(step).undo(recovering=True)
        assert not step.path.exists()


@as_root
def test_a_folder_is_made_for_somebody_else(tmp_path: Path) -> None:
    """Its group stays that of whoever made it."""
    step = stored(MakeFolder(tmp_path / "a", 0o755, owner=1000))
    step.apply()
    assert (step.path.stat().st_uid, step.path.stat().st_gid) == (1000, tmp_path.stat().st_gid)


def test_a_folder_that_holds_something_stays(tmp_path: Path) -> None:
    """Somebody has begun to use it."""
    step = MakeFolder(tmp_path / "a", 0o755)
    step.apply()
    (step.path / "model").touch()
    step.undo(recovering=False)
    assert (step.path / "model").exists()


def test_nothing_is_made_over_what_is_there(tmp_path: Path) -> None:
    """Not even over a link that leads nowhere."""
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(NotPossible, match="is there by now"):
        MakeFolder(tmp_path / "a", 0o755).check()


def given(path: Path, **changed: int) -> GiveFolder:
    """Return the step that changes who owns or may use *path*."""
    old = Ownership.of(path)
    return GiveFolder(path, old, replace(old, **changed))


def test_a_folder_is_opened_and_closed_again(tmp_path: Path) -> None:
    """What is in it stays as it was."""
    folder = tmp_path / "a"
    folder.mkdir(mode=0o700)
    (folder / "b").touch(mode=0o600)
    step = stored(given(folder, mode=0o2775))
    step.check()
    step.apply()
    assert (mode_of(folder), mode_of(folder / "b")) == (0o2775, 0o600)
    step.undo(recovering=False)
    assert mode_of(folder) == 0o700


@as_root
def test_a_folder_is_given_away_and_taken_back(tmp_path: Path) -> None:
    """The bits that a change of owner takes away are set after it."""
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(0o2755)
    step = given(folder, owner=1000, mode=0o2775)
    step.apply()
    assert Ownership.of(folder) == step.new
    assert str(step.new).startswith("1000:")
    step.undo(recovering=True)
    assert Ownership.of(folder) == step.old


def test_a_folder_that_somebody_else_changed_is_left_alone(tmp_path: Path) -> None:
    """The plan was made from something else; one that is gone needs no undo."""
    folder = tmp_path / "a"
    folder.mkdir(mode=0o700)
    step = given(folder, mode=0o755)
    folder.chmod(0o750)
    with pytest.raises(NotPossible, match="not what it was"):
        step.check()
    folder.rmdir()
    with pytest.raises(NotPossible, match="not what it was"):
        step.check()
    step.undo(recovering=True)
    assert not folder.exists()


def test_a_recovery_takes_a_folder_back(tmp_path: Path) -> None:
    """Whoever made it was killed before it was final."""
    journal = Journal(tmp_path / ".aava")
    step = MakeFolder(tmp_path / "a", 0o755)
    journal.write(Record("aava preflight --fix", 0.0, 1, started_steps=1), (step,))
    step.apply()
    assert recover(journal, FOLDER_STEPS).undone_steps == 1
    assert not step.path.exists()


def test_the_history_tells_of_folders_and_undo_counts_only_what_was_committed(
    tmp_path: Path,
) -> None:
    """What goes by another name has no number, and is told all the same."""
    (tmp_path / "b").mkdir(mode=0o700)
    steps = (MakeFolder(tmp_path / "a", 0o755), given(tmp_path / "b", mode=0o755))
    carry_out(steps, Journal(tmp_path / ".aava"), verify=lambda: None, outcome="repaired")
    (change,) = read_history(tmp_path / ".aava")
    (made, opened) = change.folders
    assert (change.number, change.outcome) == (None, "repaired")
    assert made == (tmp_path / "a", None, "755")
    assert (opened[1] or "").endswith(" 700")
    assert opened[2].endswith(" 755")


@pytest.mark.parametrize("link", ["a", "a/b"])
def test_nothing_that_a_link_leads_to_is_given_away(tmp_path: Path, link: str) -> None:
    """Not even one that was put there after the step was checked, in place of a folder above."""
    folder, victim = tmp_path / "a/b", tmp_path / "victim"
    folder.mkdir(parents=True)
    (victim / "b").mkdir(parents=True)
    folder.chmod(0o700)
    for each in (victim, victim / "b"):
        each.chmod(0o700)
    step = given(folder, mode=0o2775)
    step.check()
    (tmp_path / link).rename(tmp_path / "aside")
    (tmp_path / link).symlink_to(victim)
    for change in (step.apply, MakeFolder(folder / "c", 0o755).apply):
        with pytest.raises(OSError, match="Not a directory"):
            change()
    assert (mode_of(victim), mode_of(victim / "b")) == (0o700, 0o700)
    assert not list(victim.rglob("c"))


def test_a_link_is_not_what_was_looked_at(tmp_path: Path) -> None:
    """Before the step, it is refused; after it, an undo leaves it alone."""
    folder, victim = tmp_path / "a", tmp_path / "victim"
    folder.mkdir(mode=0o700)
    victim.mkdir(mode=0o700)
    step = given(folder, mode=0o755)
    folder.rmdir()
    folder.symlink_to(victim)
    with pytest.raises(NotPossible, match="not what it was"):
        step.check()
    step.undo(recovering=True)
    assert mode_of(victim) == 0o700
