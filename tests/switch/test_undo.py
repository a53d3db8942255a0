"""`aava history` and `aava undo`: what changed, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli import envfile, yamlfile
from aava_cli.errors import NotFound, NotPossible
from aava_cli.history import PastChange, read_history
from aava_cli.journal import Journal, Record
from aava_cli.steps import WriteFile
from aava_cli.switch.plan import State
from aava_cli.switch.undo import WayBack, changes_to_undo, way_back

if TYPE_CHECKING:
    from tests.conftest import Aava, Ran
    from tests.switch.conftest import Project

ENV, OVERLAY = ".env", "ai-agent.local.yaml"
STT = ("providers", "local", "stt_model")


def past(
    env: tuple[str, str] = ("", ""),
    yaml: tuple[str | None, str] = ("", ""),
    before: dict[str, Any] | None = None,
    loaded: tuple[Any, ...] = (),
) -> PastChange:
    """Return a change of the two files, from one text to another."""
    pairs = ((Path("/old/place") / ENV, env), (Path("/old/place") / OVERLAY, yaml))
    files = tuple(
        WriteFile(path, None if old is None else old.encode(), new.encode())
        for path, (old, new) in pairs
        if old != new
    )
    return PastChange(1, "aava switch", 0.0, "committed", files, before or {}, {}, loaded)


def state_of(env: str, yaml: str | None = "") -> State:
    """Return how things are now."""
    return State(env, f"/new/place/{ENV}", yaml, f"/new/place/{OVERLAY}", None)


def test_untouched_files_get_their_very_bytes_back() -> None:
    """Comments are where they were, and what was added is gone."""
    old, new = "A=1 # why\n", "# why\nA=2\nLOCAL_X=1\n"
    back = way_back((past((old, new), (None, "a: 1\n")),), state_of(new, "a: 1\n"))
    assert WayBack(old, "", (), ()) == back


def test_change_of_the_image_has_a_way_back_of_its_own() -> None:
    """A switch before it can still be undone; what the image holds stays."""
    rebuilt = replace(past(("A=1\n", "A=2\n")), changed_image=True)
    switched = replace(past(("B=1\n", "B=2\n")), number=2)
    with pytest.raises(NotPossible, match="image") as caught:
        changes_to_undo((rebuilt, switched), 1)
    assert "aava rebuild rollback" in caught.value.hint
    assert (switched,) == changes_to_undo((rebuilt, switched), 2)


def test_several_changes_are_taken_back_at_once() -> None:
    """Each of them from the newest on."""
    changes = (past(("A=2\n", "A=3\n")), past(("A=1\n", "A=2\n")))
    assert way_back(changes, state_of("A=3\n")).env == "A=1\n"
    assert way_back(changes, state_of("A=3\nB=9\n")).env == "A=1\nB=9\n"


def test_edited_files_get_their_values_back() -> None:
    """What people wrote since stays to the byte, and keys that were added go."""
    change = past(
        ("A=1\n", "A=2\nA_B=1\n"),
        ("providers: {local: null}\n", "providers: {local: {stt_model: x}}\n"),
    )
    now = "# mine\nA=2   # mine too\nA_B=1\nMINE=1\n"
    back = way_back((change,), state_of(now, "mine: 1\nproviders: {local: {stt_model: x}}\n"))
    assert back.env == "# mine\n# mine too\nA=1\nMINE=1\n"
    assert back.yaml == "mine: 1\nproviders: {local: null}\n"


@pytest.mark.parametrize("old", ["null", "8000", "1.5", "true", "'8000'", "2024-01-02"])
def test_yaml_values_keep_their_type(old: str) -> None:
    """A number does not come back as a string."""
    before, after = (f"providers:\n  local:\n    stt_model: {each}\n" for each in (old, "x"))
    back = way_back((past(yaml=(before, after)),), state_of("", after + "mine: 1\n"))
    assert before + "mine: 1\n" == back.yaml


@pytest.mark.parametrize(
    ("env", "yaml", "named"),
    [
        ("A=mine\n", None, "`A`"),
        ("", None, "`A`"),
        ("A=2\n", "providers: {local: {stt_model: mine}}\n", "`providers.local.stt_model`"),
        ("A=mine\n", "", "`A`"),
    ],
)
def test_values_that_somebody_changed_since_are_a_reason_to_stop(
    env: str, yaml: str | None, named: str
) -> None:
    """They are named, and set back only when that was asked for."""
    change = past(("A=1\n", "A=2\n"), ("", "providers: {local: {stt_model: x}}\n"))
    yaml = "providers: {local: {stt_model: x}}\n" if yaml is None else yaml
    with pytest.raises(NotPossible, match="changed by somebody else since") as caught:
        way_back((change,), state_of(env, yaml))
    assert named in caught.value.message
    back = way_back((change,), state_of(env, yaml), force=True)
    assert {"A": "1"} == envfile.read(back.env)
    assert yamlfile.leaves(yamlfile.load(back.yaml or "", name="x")) == {}


def test_value_that_somebody_has_set_back_already_is_fine() -> None:
    """There is nothing left to do for it."""
    assert way_back((past(("A=1\n", "A=2\n")),), state_of("A=1\n")).env == "A=1\n"


def test_project_without_an_engine_any_more_has_no_overlay() -> None:
    """Nothing is written where nobody reads it."""
    assert way_back((past(yaml=("", "a: 1\n")),), state_of("", None), force=True).yaml is None


RAN = {
    "stt_backend": "vosk",
    "models": {"stt": {"path": "/app/models/a"}, "llm": {"path": "/l", "config": {"context": 512}}},
}


def test_daemon_goes_back_to_what_was_selected() -> None:
    """With what an earlier model asked for taken back."""
    old = "LOCAL_LLM_MODEL_PATH=/old\n"
    new = "LOCAL_LLM_MODEL_PATH=/new\nLOCAL_LLM_CHAT_FORMAT=chatml\nLOCAL_LLM_CONTEXT=99\n"
    [llm] = way_back((past((old, new), before=RAN, loaded=("llm",)),), state_of(new)).wanted
    assert {"path": "/old", "chat_format": "auto", "context": "512"} == dict(llm.values)
    [llm] = way_back((past((old, new)),), state_of(new)).wanted
    assert {"path": "/old", "chat_format": "auto"} == dict(llm.values)


def test_role_without_a_selection_goes_back_to_what_ran() -> None:
    """And where nothing ran, it is left alone."""
    new = "LOCAL_STT_BACKEND=whisper_cpp\nWHISPER_CPP_MODEL_PATH=/new\n"
    [stt] = way_back((past(("", new), before=RAN, loaded=("stt",)),), state_of(new)).wanted
    assert "vosk:a" == str(stt)
    back = way_back((past(("", new), before=RAN),), state_of(new))
    assert ((), ("stt",)) == (back.wanted, back.left)


def test_role_that_had_another_backend_gets_its_own_values_only() -> None:
    """What the other backend ran with is none of its business."""
    text = "LOCAL_STT_BACKEND={}\nLOCAL_STT_MODEL_PATH=/v\n"
    old, new = text.format("vosk"), text.format("kroko")
    other = {**RAN, "stt_backend": "sherpa"}
    [stt] = way_back((past((old, new), before=other, loaded=("stt",)),), state_of(new)).wanted
    assert "vosk:v" == str(stt)


NAMES = st.sampled_from(("A", "B", "LOCAL_X", "LOCAL_Y"))
EDITS = st.dictionaries(NAMES, st.sampled_from(("1", "2", "")) | st.none(), max_size=3)


@given(st.lists(EDITS, min_size=1, max_size=4), st.sampled_from(("", "MINE=1\n")), st.data())
def test_any_number_of_changes_can_be_taken_back(
    edits: list[dict[str, str | None]],
    mine: str,
    data: st.DataObject,
) -> None:
    """To the very text, or to its values where somebody has added a line since."""
    texts = ["# c\nA=0\n"]
    for each in edits:
        texts.append(envfile.edit(texts[-1], each))
    changes = [past(pair) for pair in pairwise(texts)][::-1]
    number = data.draw(st.integers(1, len(changes)))
    back = way_back(tuple(changes[:number]), state_of(texts[-1] + mine)).env
    wanted = texts[len(edits) - number]
    assert envfile.read(wanted + mine) == envfile.read(back)
    assert mine or wanted == back


def journal(folder: Path, outcome: str, command: str, *steps: WriteFile) -> None:
    """Put one more change into the history of a project."""
    kept = Journal(folder / ".aava")
    kept.write(Record(command, 0.0, 1), steps)
    kept.close(outcome)


def test_only_what_came_about_is_numbered(tmp_path: Path) -> None:
    """What was undone at once has nothing to take back; what is no journal is left out."""
    for outcome, command in (("committed", "one"), ("rolled-back", "two"), ("committed", "three")):
        journal(tmp_path, outcome, command)
    (tmp_path / ".aava" / "history" / "99-committed.json").write_bytes(b"{")
    history = read_history(tmp_path / ".aava")
    assert [(1, "three"), (None, "two"), (2, "one")] == [
        (each.number, each.command) for each in history
    ]
    assert ["three", "one"] == [each.command for each in changes_to_undo(history, 2)]
    with pytest.raises(NotFound, match="no change 3: 2 are remembered"):
        changes_to_undo(history, 3)
    with pytest.raises(NotFound, match="no change was made here yet"):
        changes_to_undo((), 1)


def test_history_hides_secrets(aava: Aava, project: Path) -> None:
    """Old and new are told, but not of what opens a door."""
    env, overlay = project / ".env", project / "config" / OVERLAY
    journal(
        project,
        "committed",
        "aava switch",
        WriteFile(env, b"KROKO_API_KEY=hush\nA=1\n", b"KROKO_API_KEY=hush2\nLOCAL_X=2\n"),
        WriteFile(overlay, None, b"providers: {local: {auth_token: hush3, port: 1}}\n"),
    )
    ran = aava("history", "--json")
    assert (0, "", False) == (ran.exit_code, ran.stderr, "hush" in ran.stdout)
    [entry] = json.loads(ran.stdout)["result"]["entries"]
    assert entry["changes"] == [
        {"where": ".env", "key": "KROKO_API_KEY", "old": "***", "new": "***"},
        {"where": ".env", "key": "LOCAL_X", "old": None, "new": "2"},
        {"where": ".env", "key": "A", "old": "1", "new": None},
        {"where": OVERLAY, "key": "providers.local.auth_token", "old": None, "new": "***"},
        {"where": OVERLAY, "key": "providers.local.port", "old": None, "new": "1"},
    ]
    assert "A: 1 -> -" in aava("history").stdout


def test_history_of_an_untouched_project_is_empty(aava: Aava) -> None:
    """That is said in words."""
    assert aava("history").stdout == "nothing was changed here yet\n"
    assert 10 == aava("undo").exit_code


@pytest.fixture
def run(aava: Aava, served: Project) -> Aava:
    """Run `aava` on the served project, with its models."""

    def on_models(*arguments: str) -> Ran:
        return aava("--models-dir", str(served.models), *arguments)

    return on_models


NEW = ("--stt", "whisper_cpp:ggml-goodbye", "--llm", "second", "--tts", "piper:high")


def test_undo_brings_files_and_daemon_back_and_can_be_undone(run: Aava, served: Project) -> None:
    """All three roles and every byte; the undo of the undo is the switch again."""
    first = served.files, served.running()
    assert 0 == run("switch", *NEW).exit_code
    second = served.files, served.running()
    ran = run("undo")
    assert (0, "") == (ran.exit_code, ran.stderr)
    assert first == (served.files, served.running())
    assert 0 == run("undo").exit_code
    assert second == (served.files, served.running())
    told = json.loads(run("history", "--json").stdout)["result"]["entries"]
    assert [(1, "committed"), (2, "committed"), (3, "committed")] == [
        (each["number"], each["outcome"]) for each in told
    ]
    runtime = [each for each in told[-1]["changes"] if each["where"] == "daemon"]
    assert {"where": "daemon", "key": "tts", "old": "piper:low.onnx", "new": "piper:high.onnx"} in (
        runtime
    )
    assert "tts: piper:low.onnx -> piper:high.onnx" in run("history").stdout


def test_undo_offline_changes_files_alone(run: Aava, served: Project) -> None:
    """What was changed offline goes back so too, whatever the daemon is."""
    before = served.files
    assert 0 == run("switch", "--set", "llm.system_prompt=hi", "--offline").exit_code
    refused = run("undo")
    assert (1, True) == (refused.exit_code, "add `--offline`" in refused.stderr)
    served.daemon.stop()
    assert 0 == run("undo", "--offline").exit_code
    assert before == served.files


def test_undo_keeps_what_people_wrote_since(run: Aava, served: Project) -> None:
    """Their lines stay, the values go back; a value of theirs stops it."""
    run("switch", "--llm", "second")
    env = served.folder / ".env"
    env.write_bytes(env.read_bytes() + b"\nMINE=1\n")
    shown = run("undo", "--dry-run")
    assert "/app/models/llm/second.gguf  /app/models/llm/first.gguf" in shown.stdout
    assert "second.gguf" == served.running()[1]
    assert 0 == run("undo").exit_code
    assert "first.gguf" == served.running()[1]
    assert b"LOCAL_LLM_CONTEXT=512\nMINE=1\n" in env.read_bytes()
    env.write_bytes(env.read_bytes().replace(b"first.gguf", b"third.gguf"))
    refused = run("undo")
    assert (1, "first.gguf") == (refused.exit_code, served.running()[1])
    assert "`LOCAL_LLM_MODEL_PATH` was changed by somebody else" in refused.stderr
    assert 0 == run("undo", "--force").exit_code
    assert "second.gguf" == served.running()[1]


def test_role_that_ran_nothing_before_is_left_and_that_is_said(run: Aava, served: Project) -> None:
    """A daemon has no request to unload a model."""
    env = served.folder / ".env"
    text = env.read_bytes()
    selected = b"LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf\n"
    env.write_bytes(text.replace(selected, b""))
    journal(served.folder, "committed", "aava switch", WriteFile(env, env.read_bytes(), text))
    env.write_bytes(text)
    ran = run("undo")
    assert (0, False) == (ran.exit_code, selected in env.read_bytes())
    assert "llm: nothing ran before; the daemon keeps its model" in ran.stderr


def test_the_last_five_versions_are_kept_in_private(run: Aava, served: Project) -> None:
    """In the state folder, one per content, and nothing lies beside the user's files."""

    def tree() -> set[str]:
        folders = (served.folder, served.folder / "config")
        return {path.name for folder in folders for path in folder.iterdir()}

    before, seen = tree(), [served.files[0]]
    for name in ("second", "first") * 3:
        assert 0 == run("switch", "--llm", name).exit_code
        seen.append(served.files[0])
    for _again in range(2):
        assert 3 == run("switch", "--llm", "incomplete").exit_code
    backups = sorted((served.folder / ".aava" / "backups").iterdir())
    assert seen[-5:] == [path.read_bytes() for path in backups]
    assert all(path.name.endswith("-env") for path in backups)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in backups}
    assert before == tree()


def test_tidy_removes_void_lines(run: Aava, served: Project) -> None:
    """A line that a later one overrides goes, also when nothing else is to be done."""
    env = served.folder / ".env"
    tidy = env.read_bytes()
    env.write_bytes(b"LOCAL_LLM_MODEL_PATH=/void # why\n" + tidy)
    shown = run("switch", "--llm", "first", "--tidy", "--dry-run")
    assert "LOCAL_LLM_MODEL_PATH in line 1  /void  -" in shown.stdout
    assert "nothing changed" in run("switch", "--llm", "first").stdout
    assert 0 == run("switch", "--llm", "first", "--tidy").exit_code
    assert b"# why\n" + tidy == env.read_bytes()
