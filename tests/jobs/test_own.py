"""A command that is a job itself, whoever began it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import Busy, Terminated
from aava_cli.events import Log
from aava_cli.jobs.own import own_job
from aava_cli.jobs.report import read_log, report
from aava_cli.jobs.store import JOB_VARIABLE, all_jobs, find_job
from aava_cli.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.events import Event


@pytest.fixture
def settings(project: Path) -> Settings:
    """Return where things of the project are."""
    return Settings(project, project / "models")


def test_what_it_says_is_shown_and_kept(settings: Settings) -> None:
    """While it works it is a running job, then one that is done."""
    told: list[Event] = []
    with own_job(settings, "rebuild", told.append) as job:
        job.emit(Log("half done"))
        assert "running" == report(find_job(settings, job.id)).state
    ended = find_job(settings, "rebuild-1")
    assert ([Log("half done")], ("half done",)) == (told, read_log(ended).lines)
    assert ("done", 0) == (ended.state(), ended.exit_code())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Busy("no", hint="wait"), 5),
        (OSError("disk"), 1),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
        (ValueError("bug"), 70),
    ],
)
def test_exit_code_is_that_of_the_command(
    settings: Settings, error: BaseException, code: int
) -> None:
    """What was raised goes on its way."""
    with pytest.raises(type(error)), own_job(settings, "rebuild", lambda _event: None):
        raise error
    ended = find_job(settings, "rebuild-1")
    assert (code, "failed") == (ended.exit_code(), ended.state())


def test_job_in_the_background_is_no_second_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows which it is; what it prints is its log already."""
    folder = settings.state_dir / "jobs" / "rebuild-7"
    folder.mkdir(parents=True)
    monkeypatch.setenv(JOB_VARIABLE, "rebuild-7")
    told: list[Event] = []
    with own_job(settings, "rebuild", told.append) as job:
        job.emit(Log("said once"))
    assert ("rebuild-7", folder, 1) == (job.id, job.folder, len(told))
    assert [] == list(folder.iterdir())
    assert () == all_jobs(settings)


def test_job_of_another_project_is_not_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is inherited by whatever a job starts."""
    monkeypatch.setenv(JOB_VARIABLE, "pull-9")
    with own_job(settings, "rebuild", lambda _event: None) as job:
        assert "rebuild-1" == job.id
