"""`aava up` on a machine without Docker: from nothing to a proof, again, and interrupted."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.flows.up.conftest import REPLY, ended, steps_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.server import Server
    from tests.flows.up.conftest import Place

# A busy machine takes its time for a dozen interpreters and engines.
pytestmark = pytest.mark.timeout(400)

KILLS = int(os.environ.get("AAVA_UP_KILLS", "3"))
SEED = int(os.environ.get("AAVA_SEED", "5"))


def content(folder: Path) -> dict[str, bytes]:
    """Return what people write and what was pulled, by path."""
    files = (*folder.glob(".env"), *folder.glob("config/*"), *folder.glob("models/*/*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def has_job(place: Place) -> bool:
    """Return whether the daemon was started."""
    return (place.folder / ".aava/jobs/serve-1/job.json").exists()


def test_empty_folder_becomes_a_proven_daemon_once(place: Place, tiny_models: Server) -> None:
    """The second run changes nothing: the same process, not a byte fetched, the same files."""
    first = place.up()
    assert 0 == first.code, first.stderr
    assert ["init", "pull", "start", "switch"] == list(steps_of(first))
    assert ("tiny", REPLY) == (first.result["profile"], first.result["smoked"]["reply"])
    assert "step 2 of 5: pull" in first.stderr
    daemons, before = place.daemons(), content(place.folder)
    sent, history = tiny_models.sent_bytes, place.run("history", "--json").result
    second = place.up()
    assert (0, {None}) == (second.code, set(steps_of(second).values())), second.stderr
    assert (1, daemons) == (len(daemons), place.daemons())
    assert (before, sent) == (content(place.folder), tiny_models.sent_bytes)
    assert history == place.run("history", "--json").result
    # Nothing is asked where nothing would change.
    assert 0 == place.run("up").code
    _require_own_session(place, daemons[0])


def _require_own_session(place: Place, pid: int) -> None:
    """Check that the daemon outlives the terminal, is a job, and ends when it is told to."""
    assert os.getsid(pid) not in (os.getsid(0), pid)
    jobs = place.run("jobs", "list", "--json").result["jobs"]
    assert [("serve-1", "running")] == [(job["id"], job["state"]) for job in jobs]
    cancelled = place.run("jobs", "cancel", "serve-1", "--json")
    assert (0, []) == (cancelled.result["exit_code"], place.daemons())


def test_without_a_terminal_yes_is_required(place: Place) -> None:
    """Nothing is begun, and the flag is named."""
    refused = place.run("up", "--port", str(place.port))
    assert (2, True) == (refused.code, "--yes" in refused.stderr)
    assert "to do  pull" in refused.stderr
    assert [] == list(place.folder.iterdir())


def test_person_is_shown_the_plan_and_asked(place: Place) -> None:
    """Who says no, or leaves, has an empty folder; who says yes has a daemon."""
    words = ("up", "--port", str(place.port))
    refused, said = place.answer("n\n", *words)
    assert (1, True) == (refused, "nothing was begun" in said)
    assert "to do  pull     tiny-ear" in said
    left, said = place.answer("\x03", *words)
    assert (130, True) == (left, "error: interrupted" in said), said
    assert [] == list(place.folder.iterdir())
    agreed, said = place.answer("\n", *words)
    assert (0, True) == (agreed, "passed      tts, stt, llm" in said), said


def test_dry_run_shows_all_and_touches_nothing(place: Place, tiny_models: Server) -> None:
    """Steps, models, bytes and room, as JSON."""
    shown = place.run("up", "--dry-run", "--json", "--port", str(place.port))
    plan = shown.result
    assert (0, "native", "tiny") == (shown.code, plan["way"], plan["chosen"]["profile"])
    assert ["init", "pull", "start", "switch", "smoke"] == [s["name"] for s in plan["steps"]]
    assert all(step["needed"] for step in plan["steps"])
    sizes = sum(len(served.body) for served in tiny_models.files.values())
    assert (sizes, True) == (plan["pull"]["download_bytes"], plan["pull"]["free_bytes"] > 0)
    assert ([], 0) == (list(place.folder.iterdir()), tiny_models.sent_bytes)


def test_speech_alone_runs_in_minimal_mode(place: Place) -> None:
    """No language model is pulled, loaded or proven; a richer profile starts the daemon again."""
    first = place.up("--profile", "tiny-speech")
    assert (0, ["tts", "stt"]) == (first.code, first.result["smoked"]["roles"]), first.stderr
    assert "LOCAL_AI_MODE=minimal\n" in (place.folder / ".env").read_text(encoding="utf-8")
    assert not (place.folder / "models/llm/mind.gguf").exists()
    before = place.daemons()
    richer = place.up("--profile", "tiny")
    assert (0, REPLY) == (richer.code, richer.result["smoked"]["reply"]), richer.stderr
    assert "the daemon again, in `full` mode" == steps_of(richer)["start"]
    assert (1, False) == (len(place.daemons()), before == place.daemons())


def test_what_was_switched_by_hand_stays(place: Place) -> None:
    """`aava up` without a profile brings up what is selected by then."""
    assert 0 == place.up("--profile", "tiny").code
    other = place.folder / "models/llm/other.gguf"
    other.write_bytes((place.folder / "models/llm/mind.gguf").read_bytes())
    switched = place.run("switch", "--llm", "llama:other")
    assert 0 == switched.code, switched.stderr
    again = place.up()
    assert ("as selected", {None}) == (again.result["profile"], set(steps_of(again).values()))
    assert "llm/other.gguf" in (place.folder / ".env").read_text(encoding="utf-8")
    back = place.up("--profile", "tiny")
    assert (0, True) == (back.code, "mind.gguf" in str(steps_of(back)["switch"]))
    _require_lost_model_back(place)


def _require_lost_model_back(place: Place) -> None:
    """Check that a file that is gone is pulled, and that nothing else is done."""
    (place.folder / "models/tts/voice.onnx").unlink()
    before = place.daemons()
    again = place.up()
    changed = {name for name, what in steps_of(again).items() if what}
    assert (0, {"pull"}, before) == (again.code, changed, place.daemons()), again.stderr


def test_interruption_of_a_pull_keeps_what_came(place: Place, tiny_models: Server) -> None:
    """A failure names the step, Ctrl-C ends with 130; the next run fetches the rest."""
    served = tiny_models.files.pop("/llm/mind.gguf")
    failed = place.up()
    assert failed.error["message"].startswith("step 2 of 5, pull: ")
    assert "goes on from here" in failed.error["hint"]
    tiny_models.files["/llm/mind.gguf"] = served
    whole = served.body
    tiny_models.asked.clear()
    served.statuses = [503] * 50
    process = place.start("up", "--yes", "--port", str(place.port))
    wait_until(lambda: bool(tiny_models.gets("/llm/mind.gguf")))
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert (130, []) == (stopped.code, place.daemons()), stopped.stderr
    served.statuses = []
    assert 0 == place.up().code
    assert whole == (place.folder / "models/llm/mind.gguf").read_bytes()


def test_interruption_of_the_start_ends_the_daemon(place: Place) -> None:
    """Who no longer wants it has none; the next run starts one and is proven."""
    process = place.start("up", "--yes", "--port", str(place.port))
    wait_until(lambda: has_job(place))
    process.send_signal(signal.SIGINT)
    assert 130 == ended(process).code
    wait_until(lambda: not place.daemons())
    again = place.up()
    assert (0, None) == (again.code, steps_of(again)["pull"]), again.stderr
    assert 1 == len(place.daemons())


def test_kill_during_the_start_leaves_one_daemon(place: Place) -> None:
    """The daemon that was begun is waited for by the next run, never a second one started."""
    process = place.start("up", "--yes", "--port", str(place.port))
    wait_until(lambda: has_job(place))
    process.kill()
    process.communicate()
    again = place.up()
    assert 0 == again.code, again.stderr
    assert (1, False) == (len(place.daemons()), (place.folder / ".aava/jobs/serve-2").exists())


def test_kill_at_any_moment_is_gone_on_from(place: Place) -> None:
    """Wherever it was killed, running it again ends in the same proven state."""
    begun = time.monotonic()
    assert 0 == place.up().code
    whole_s, expected = time.monotonic() - begun, content(place.folder)
    chance = random.Random(SEED)  # noqa: S311 - a sample that can be repeated
    for trial in range(KILLS):
        place.end()
        shutil.rmtree(place.folder)
        place.folder.mkdir()
        process = place.start("up", "--yes", "--port", str(place.port))
        time.sleep(whole_s * (trial + chance.random()) / KILLS)
        process.kill()
        process.communicate()
        again = place.up()
        assert 0 == again.code, again.stdout + again.stderr
        assert (expected, 1) == (content(place.folder), len(place.daemons())), f"seed {SEED}"


def test_foreign_program_on_the_port_stops_it_before_anything(
    place: Place, tiny_models: Server
) -> None:
    """Exit 9 names the check and its fix; the folder stays empty."""
    stopped = place.up("--port", str(tiny_models.port))
    assert (9, True) == (stopped.code, stopped.error["message"].startswith("port: "))
    assert "LOCAL_WS_PORT" in stopped.error["hint"]
    assert [] == list(place.folder.iterdir())


def test_daemon_that_does_not_answer_is_left_alone(place: Place) -> None:
    """It may be loading a model: no second one is started beside it."""
    with socket.create_server(("127.0.0.1", place.port)):
        stopped = place.up()
    assert (11, True) == (stopped.code, "did not answer" in stopped.error["message"])
    assert [] == list(place.folder.iterdir())


def test_daemon_of_another_project_is_not_taken_over(place: Place, tmp_path: Path) -> None:
    """A new project needs a port of its own, and says how to choose one."""
    assert 0 == place.up().code
    other = tmp_path / "other"
    other.mkdir()
    stopped = type(place)(other, place.port, place.path).up()
    assert (9, True) == (stopped.code, "aava up --port" in stopped.error["hint"])
    assert [] == list(other.iterdir())
    # Nor by one that is made already, and that says where it is to listen.
    theirs = type(place)(other, place.port, place.path)
    assert 0 == theirs.run("init", "--port", str(place.port)).code
    stopped = theirs.up()
    assert (9, True) == (stopped.code, "set `LOCAL_WS_PORT=" in stopped.error["hint"])


def test_settings_by_hand_stay_and_a_failed_try_is_undone(
    place: Place, tiny_models: Server, own_home: Path
) -> None:
    """What ran before comes back by itself; a named profile is chosen anew, with its options."""
    assert 0 == place.up().code
    switched = place.run("switch", "--set", "llm.context=300")
    assert 0 == switched.code, switched.stderr
    env = content(place.folder)[".env"]
    again = place.up()
    assert (0, "tiny", {None}) == (
        again.code,
        again.result["profile"],
        set(steps_of(again).values()),
    )
    assert env == content(place.folder)[".env"]
    own = own_home / "config/aava/catalog.toml"
    text = own.read_text(encoding="utf-8")
    lost = text[text.index("[models.tiny-mind]") : text.index("[profiles.tiny]")]
    more = lost.replace("tiny-mind", "lost-mind").replace("mind.gguf", "lost.gguf")
    # The same bytes would be found on disk.
    more = re.sub("sha256 = '[0-9a-f]*'", f"sha256 = '{64 * '0'}'", more)
    tiny2 = "[profiles.tiny2]\nmode='full'\nstt=['tiny-ear']\ntts=['tiny-voice']\n"
    own.write_text(f"{text}\n{more}\n{tiny2}llm=['lost-mind']\n", encoding="utf-8")
    assert "/llm/lost.gguf" not in tiny_models.files
    place.end()
    failed = place.up("--profile", "tiny2")
    assert "pull" in failed.error["message"], failed.stdout
    back = place.up()
    assert (0, "tiny") == (back.code, back.result["profile"]), back.stdout
    assert env == content(place.folder)[".env"]
    anew = place.up("--profile", "tiny")
    assert "300 -> 512" in str(steps_of(anew)["switch"]), anew.stdout


def test_profile_that_does_not_fit_says_what_it_lacks(place: Place) -> None:
    """Named or not known, nothing is begun."""
    unfit = place.up("--profile", "vast")
    assert (9, True) == (unfit.code, "900000 GB of memory" in unfit.error["message"])
    unknown = place.up("--profile", "tinny")
    assert (10, True) == (unknown.code, "`tiny`" in unknown.error["message"])
    assert [] == list(place.folder.iterdir())


def test_profiles_are_listed_with_what_fits_here(place: Place) -> None:
    """Those that are chosen from come first, the richest before the others."""
    listed = place.run("up", "--list-profiles", "--json").result["profiles"]
    names = [each["name"] for each in listed]
    assert ["tiny", "gpu", "gpu-small", "cpu", "cpu-minimal"] == names[:5]
    assert {"tiny-speech", "vast", "starter"} == set(names[5:])
    assert ["tiny-ear", "tiny-mind", "tiny-voice"] == sorted(listed[0]["models"])
    assert "tiny-mind" in place.run("up", "--list-profiles").stdout


def test_events_tell_each_step_and_pass_the_verbs_on(place: Place) -> None:
    """Lines of JSON, with one result at the end."""
    ran = place.run("up", "--yes", "--events", "--port", str(place.port))
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (0, "result") == (ran.code, events[-1]["event"]), ran.stderr
    steps = [event for event in events if event.get("task") == "up"]
    assert [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)] == [(s["done"], s["total"]) for s in steps]
    assert any(event.get("unit") == "bytes" for event in events)
