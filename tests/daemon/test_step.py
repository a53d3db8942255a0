"""The daemon's part of a change: a reply is no fact, and every ending is undone or kept."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.exchange import Exchange
from aava_cli.daemon.status import Expectation
from aava_cli.daemon.step import AskDaemon, LoadFailed, Terms
from aava_cli.errors import DaemonUnreachable, NotPossible, RecoveryDue, RolledBack
from aava_cli.journal import Journal
from aava_cli.transaction import carry_out, recover
from tests.daemon.conftest import FakeDaemon, listening, raw_server, status_of

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

    from aava_cli.session import Session

OLD, NEW = "/app/models/a", "/app/models/b"


@pytest.fixture
def step(session: Session) -> AskDaemon:
    """Return the step from the old model to the new one."""

    def expected(path: str) -> Expectation:
        return Expectation({"stt_backend": "vosk", "models.stt.path": path}, ("stt",))

    return AskDaemon(
        session,
        session.settings.daemon_url or "ws://127.0.0.1:" + session.env()["LOCAL_WS_PORT"],
        Exchange(
            {"stt_backend": "vosk", "stt_model_path": NEW},
            {"stt_backend": "vosk", "stt_model_path": OLD},
            after=expected(NEW),
            before=expected(OLD),
            models={"stt": NEW},
        ),
        Terms(timeout_s=30.0),
    )


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    """Return a daemon that runs the old model and would load either."""
    daemon.after_switch = {OLD: status_of("vosk", OLD), NEW: status_of("vosk", NEW)}
    return daemon


def switches(daemon: FakeDaemon) -> list[str]:
    """Return the models that the daemon was asked to load, oldest first."""
    return [each["stt_model_path"] for each in daemon.asked if each["type"] == "switch_model"]


def test_apply_loads_the_new_model(step: AskDaemon, daemon: FakeDaemon) -> None:
    """It is asked for once, with an id of its own, and the status agrees."""
    step.check()
    step.apply()
    step.verify()
    assert [NEW] == switches(daemon)
    assert all(each["request_id"] for each in daemon.asked if each["type"] == "switch_model")


def test_no_change_is_as_good_as_success(step: AskDaemon, daemon: FakeDaemon) -> None:
    """What already runs need not be loaded."""
    daemon.running = status_of("vosk", NEW)
    daemon.replies = {NEW: {"type": "switch_response", "status": "no_change"}}
    step.apply()


def test_success_that_is_not_loaded_is_a_failure(step: AskDaemon, daemon: FakeDaemon) -> None:
    """The daemon says success and runs nothing."""
    daemon.after_switch[NEW] = status_of("vosk", NEW, loaded=False)
    with pytest.raises(LoadFailed, match="the stt model is not loaded"):
        step.apply()


def test_success_with_another_path_is_a_failure(step: AskDaemon, daemon: FakeDaemon) -> None:
    """The daemon says success and took the path for another engine."""
    daemon.after_switch[NEW] = status_of("vosk", OLD)
    with pytest.raises(LoadFailed, match=f"is `{OLD}` instead of `{NEW}`"):
        step.apply()


def test_success_with_another_backend_is_a_failure(step: AskDaemon, daemon: FakeDaemon) -> None:
    """The daemon says success and kept its engine."""
    daemon.after_switch[NEW] = status_of("sherpa", NEW)
    with pytest.raises(LoadFailed, match="`stt_backend` is `sherpa`"):
        step.apply()


def test_error_reply_gives_the_daemons_reason(step: AskDaemon, daemon: FakeDaemon) -> None:
    """A daemon that says no is believed."""
    daemon.replies = {NEW: {"type": "switch_response", "status": "error", "message": "bad file"}}
    with pytest.raises(LoadFailed, match="did not load it: bad file"):
        step.apply()
    daemon.replies = {NEW: {"type": "switch_response"}}
    with pytest.raises(LoadFailed, match="no reason given"):
        step.apply()


def test_check_notices_that_something_else_runs(step: AskDaemon, daemon: FakeDaemon) -> None:
    """Another client switched between plan and change."""
    daemon.running = status_of("vosk", "/app/models/c")
    with pytest.raises(NotPossible, match="the daemon changed in the meantime"):
        step.check()


def test_daemon_that_dies_during_the_load(step: AskDaemon, daemon: FakeDaemon) -> None:
    """Some model files kill the process; that is no success and no hang."""
    daemon.dies_at = {NEW}
    with pytest.raises(DaemonUnreachable, match="closed the connection during `switch_model`"):
        step.apply()


def test_undo_loads_the_old_model(step: AskDaemon, daemon: FakeDaemon) -> None:
    """The inverse request was made before anything changed."""
    step.apply()
    step.undo(recovering=False)
    assert ([NEW, OLD], OLD) == (switches(daemon), daemon.running["models"]["stt"]["path"])


def test_undo_of_what_never_changed_asks_for_nothing(step: AskDaemon, daemon: FakeDaemon) -> None:
    """A reload would interrupt a daemon that is already as it was."""
    step.undo(recovering=False)
    assert [] == switches(daemon)


def test_undo_believes_only_a_fresh_status(step: AskDaemon, daemon: FakeDaemon) -> None:
    """Success without the old model is no undo."""
    step.apply()
    daemon.after_switch[OLD] = status_of("vosk", OLD, loaded=False)
    with pytest.raises(RecoveryDue, match="does not run the old models: the stt model"):
        step.undo(recovering=False)


@pytest.mark.parametrize(
    "reply",
    [
        {"type": "switch_response", "status": "error", "message": "out of memory"},
        {"type": "error", "message": "unknown request"},
    ],
    ids=["answer", "refusal"],
)
def test_daemon_that_says_no_may_have_done_it(
    reply: dict[str, str], step: AskDaemon, daemon: FakeDaemon
) -> None:
    """What runs in the end decides, whatever was answered."""
    step.apply()
    daemon.replies = {OLD: reply}
    step.undo(recovering=False)
    assert daemon.running["models"]["stt"]["path"] == OLD


def test_undo_waits_for_a_daemon_that_starts_again(step: AskDaemon, port: int) -> None:
    """A supervisor needs a moment; within it, refused connections mean nothing."""
    fake = FakeDaemon(running=status_of("vosk", OLD))
    ended = threading.Event()

    def supervise() -> None:
        with listening(fake.talk, port):
            ended.wait(30)

    supervisor = threading.Timer(0.3, supervise)
    supervisor.start()
    step.undo(recovering=False)
    ended.set()
    supervisor.join()
    assert {"status"} == {each["type"] for each in fake.asked}


def test_daemon_that_stays_away_needs_recovery(step: AskDaemon) -> None:
    """It ran when the change began, so its old state is not back yet."""
    with pytest.raises(RecoveryDue, match="nothing listens") as caught:
        step.undo(recovering=False)
    assert "aava recover" in caught.value.hint


def test_recovery_without_a_daemon_has_nothing_to_undo(step: AskDaemon) -> None:
    """The next start reads the old files."""
    step.undo(recovering=True)


def test_recovery_does_not_take_silence_for_absence(step: AskDaemon, port: int) -> None:
    """What listens and is no daemon, or is broken, proves nothing."""
    with raw_server(port, b""), pytest.raises(RecoveryDue, match="not a voice daemon"):
        step.undo(recovering=True)


def test_step_survives_the_journal(step: AskDaemon, session: Session) -> None:
    """Another process builds the same step from JSON."""
    fields = json.loads(json.dumps({"kind": step.kind, **step.to_json()}))
    assert replace(step, terms=Terms()) == AskDaemon.from_json(session, fields)


def test_failed_load_is_rolled_back_and_verified(
    step: AskDaemon, daemon: FakeDaemon, session: Session
) -> None:
    """Exit code 3 promises that the old model runs."""
    daemon.after_switch[NEW] = status_of("vosk", NEW, loaded=False)
    journal = Journal(session.settings.state_dir)
    with pytest.raises(RolledBack, match="the previous configuration is active again"):
        carry_out((step,), journal, verify=step.verify)
    assert ([NEW, OLD], False) == (switches(daemon), journal.is_open)


def test_death_during_the_load_is_recovered_from_once_it_is_down(
    step: AskDaemon, daemon: FakeDaemon, session: Session
) -> None:
    """The journal waits; `recover` finds the daemon stopped and the files old."""
    daemon.dies_at = {NEW}
    journal = Journal(session.settings.state_dir)
    with pytest.raises(RecoveryDue):
        carry_out((step,), journal, verify=step.verify)
    assert journal.is_open
    kinds = {"ask-daemon": lambda fields: AskDaemon.from_json(session, fields)}
    assert recover(journal, kinds).undone_steps == 1
    assert not journal.is_open


def test_slow_load_ends_at_its_deadline(step: AskDaemon, port: int) -> None:
    """A timeout is no success."""
    impatient = replace(step, terms=Terms(timeout_s=0.2))

    def talk(connection: ServerConnection) -> None:
        for frame in connection:
            if json.loads(frame)["type"] == "status":
                connection.send(json.dumps(status_of("vosk", OLD)))

    with (
        listening(talk, port),
        pytest.raises(DaemonUnreachable, match=r"did not answer `switch_model` in 0\.2 s"),
    ):
        impatient.apply()


def test_learned_time_bounds_the_next_load(step: AskDaemon, daemon: FakeDaemon) -> None:
    """What a load took is kept for the next one of this model."""
    step.session.settings.state_dir.mkdir(exist_ok=True)
    step.apply()
    kept = json.loads((step.session.settings.state_dir / "loads.json").read_bytes())
    assert ([NEW], 1) == (list(kept), len(kept[NEW]))
    assert daemon.running == status_of("vosk", NEW)


def test_model_on_the_processor_fails_where_the_gpu_is_required(
    step: AskDaemon, daemon: FakeDaemon
) -> None:
    """It is loaded, and not as it was asked for."""
    fallen = status_of("vosk", NEW)
    fallen["config"]["runtime_fallbacks"] = {"stt": "CUDA is not usable"}
    daemon.after_switch[NEW] = fallen
    with pytest.raises(LoadFailed, match="stt: the daemon fell back: CUDA is not usable"):
        replace(step, terms=Terms(require_gpu=True)).apply()
    step.apply()


def test_original_daemon_is_looked_at_twice(step: AskDaemon, daemon: FakeDaemon) -> None:
    """It does not say that it loads; an old status may be followed by the new model."""
    late = threading.Timer(0.3, lambda: setattr(daemon, "running", status_of("vosk", NEW)))
    late.start()
    step.undo(recovering=True)
    late.join()
    assert [OLD] == switches(daemon)
