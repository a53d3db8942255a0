"""A native daemon that has to start again for another mode: all of that, or nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.restart import RestartDaemon
from aava_cli.daemon.step import Terms
from aava_cli.errors import NotPossible, RecoveryDue, RolledBack
from aava_cli.files import exclusive_lock
from aava_cli.flows.up.look import ask_daemon
from aava_cli.flows.up.starting import require_mode, restart_native
from aava_cli.output import Output
from aava_cli.session import Session
from tests.flows.up.conftest import ended, steps_of, wait_until

if TYPE_CHECKING:
    import subprocess

    from tests.flows.up.conftest import Place

pytestmark = pytest.mark.timeout(400)


def session_of(place: Place) -> Session:
    """Return a session on the folder."""
    return Session({"project": str(place.folder)}, Output())


def speech_alone(place: Place) -> list[int]:
    """Have a proven daemon in minimal mode; return its process."""
    first = place.up("--profile", "tiny-speech")
    assert 0 == first.code, first.stderr
    return place.daemons()


def require_speech_alone(place: Place) -> None:
    """Check that one daemon answers, in the mode that `.env` has again."""
    assert "LOCAL_AI_MODE=minimal\n" in (place.folder / ".env").read_text(encoding="utf-8")
    status = place.run("status", "--json")
    assert (0, 1) == (status.code, len(place.daemons())), status.stdout
    again = place.up("--profile", "tiny-speech")
    assert (0, {None}) == (again.code, set(steps_of(again).values())), again.stdout


def test_restart_that_fails_brings_the_old_daemon_back(place: Place) -> None:
    """No interpreter starts in no time: `.env` has the old mode, and a daemon has read it."""
    before = speech_alone(place)
    session = session_of(place)
    daemon = ask_daemon(session)
    assert daemon is not None
    with pytest.raises(RolledBack, match="the previous configuration is active again"):
        restart_native(session, daemon, Terms(timeout_s=0.01), {"LOCAL_AI_MODE": "full"})
    assert before != place.daemons()
    assert not (place.folder / ".aava/journal.json").exists()
    require_speech_alone(place)


def restarting(place: Place) -> subprocess.Popen[str]:
    """Begin `aava up` for a richer mode, and return once the old daemon is being replaced."""
    words = ("--profile", "tiny", "--port", str(place.port))
    process = place.start("up", "--yes", *words)
    new = place.folder / ".aava/jobs/serve-2/job.json"
    wait_until(lambda: new.exists() or process.poll() is not None)
    return process


def test_interruption_of_a_restart_brings_the_old_daemon_back(place: Place) -> None:
    """Ctrl-C ends with 130 once the old state is back."""
    speech_alone(place)
    process = restarting(place)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert 130 == stopped.code, stopped.stderr
    assert "nothing to recover" in place.run("recover").stdout
    require_speech_alone(place)


def test_kill_during_a_restart_is_recovered_from(place: Place) -> None:
    """The journal names the step; `aava recover` ends the new daemon and starts the old one."""
    speech_alone(place)
    process = restarting(place)
    process.kill()
    process.communicate()
    assert (place.folder / ".aava/journal.json").exists()
    recovered = place.run("recover")
    assert (0, True) == (recovered.code, "was undone" in recovered.stdout), recovered.stderr
    require_speech_alone(place)


def test_undo_leaves_a_daemon_that_was_not_told_to_end(place: Place) -> None:
    """No call is cut for nothing; and a step for a daemon that is gone is refused."""
    before, session = speech_alone(place), session_of(place)
    RestartDaemon(session, "serve-1", (), 1.0).undo(recovering=True)
    assert before == place.daemons()
    with pytest.raises(NotPossible, match="`serve-9` has ended in the meantime"):
        RestartDaemon(session, "serve-9", (), 1.0).check()


def test_undo_that_is_not_possible_says_why(place: Place) -> None:
    """Somebody else serves the project by then: the journal is kept until they have ended."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    step = RestartDaemon(session_of(place), "serve-1", (), 1.0)
    lock = place.folder / ".aava" / "serve.lock"
    with (
        exclusive_lock(lock, command="aava serve --by-hand"),
        pytest.raises(RecoveryDue, match="aava serve --by-hand") as caught,
    ):
        step.undo(recovering=True)
    assert caught.value.hint.endswith("then run `aava recover`")


def test_daemon_that_runs_in_another_mode_is_no_success(place: Place) -> None:
    """A reply is not a fact: what the daemon says of itself counts, once it has loaded."""
    speech_alone(place)
    require_mode(session_of(place), "minimal")
    with pytest.raises(NotPossible, match="does not run in `full` mode"):
        require_mode(session_of(place), "full")
