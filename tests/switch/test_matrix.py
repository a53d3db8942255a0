"""Every installed model in turn, and what ran before runs again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava, Ran
    from tests.switch.conftest import Project


@pytest.fixture
def matrix(aava: Aava, served: Project) -> Aava:
    """Run `aava matrix` on the served project; nothing is left changed."""
    before = served.files, served.running()

    def run(*words: str) -> Ran:
        ran = aava("matrix", "--models-dir", str(served.models), *words)
        assert before == (served.files, served.running())
        return ran

    return run


def outcomes(ran: Ran) -> dict[str, str]:
    """Return what became of each model."""
    trials = json.loads(ran.stdout)["result"]["trials"]
    return {each["model"].partition(":")[2]: each["outcome"] for each in trials}


def test_every_model_of_a_role_is_tried(matrix: Aava) -> None:
    """Good ones are ok, damaged ones failed, and that is the exit code."""
    ran = matrix("--llm", "all", "--json")
    expected = {
        "first.gguf": "ok",
        "half.gguf": "failed",
        "incomplete.gguf": "failed",
        "second.gguf": "ok",
    }
    assert (1, expected) == (ran.exit_code, dict(sorted(outcomes(ran).items())))


def test_all_roles_are_tried_without_options(matrix: Aava) -> None:
    """Voices and recognisers too, each with its reason in a table."""
    ran = matrix()
    assert "6 ok, 2 failed, 0 skipped" in ran.stdout
    assert "2 of 8 models failed; what ran before runs again" in ran.stderr


def test_some_are_tried_by_name_and_kept_in_a_file(matrix: Aava, tmp_path: Path) -> None:
    """What runs already is ok; the file holds what `--json` prints."""
    ran = matrix("--tts", "high,low", "--json", "--json-out", str(tmp_path / "m.json"))
    assert (0, {"high.onnx": "ok", "low.onnx": "ok"}) == (ran.exit_code, outcomes(ran))
    assert json.loads(ran.stdout)["result"] == json.loads((tmp_path / "m.json").read_bytes())


def test_what_cannot_run_here_is_skipped(matrix: Aava, served: Project) -> None:
    """The daemon has no such engine: no failure."""
    assert served.models.is_dir()
    ran = matrix("--tts", "melotts:EN-US", "--json")
    assert (0, ["skipped"]) == (ran.exit_code, list(outcomes(ran).values()))


def test_model_that_loads_and_does_no_work_fails_with_smoke(matrix: Aava) -> None:
    """A tiny model answers nothing of use, which only a sentence shows."""
    ran = matrix("--stt", "ggml-goodbye", "--smoke", "--json")
    assert (1, {"ggml-goodbye.bin": "failed"}) == (ran.exit_code, outcomes(ran))


def test_running_model_that_does_no_work_keeps_nobody_from_a_trial(
    aava: Aava, served: Project
) -> None:
    """It failed, and the others are tried all the same."""
    models = ("--models-dir", str(served.models))
    assert 0 == aava("switch", "--stt", "ggml-goodbye", *models).exit_code
    ran = aava("matrix", "--stt", "ggml-goodbye,ggml-hello", "--smoke", "--json", *models)
    expected = {"ggml-goodbye.bin": "failed", "ggml-hello.bin": "failed"}
    assert (1, expected) == (ran.exit_code, outcomes(ran))


def test_running_model_that_the_overlay_does_not_name_proves_itself_too(matrix: Aava) -> None:
    """Only a file would change, which is no proof."""
    ran = matrix("--stt", "ggml-hello", "--smoke", "--json")
    assert (1, {"ggml-hello.bin": "failed"}) == (ran.exit_code, outcomes(ran))


def test_project_without_models_is_told_what_to_pull(aava: Aava, served: Project) -> None:
    """Nothing to try is no failure."""
    ran = aava("matrix", "--models-dir", str(served.folder / "models"))
    assert (0, "no model is installed: run `aava models pull starter`\n") == (
        ran.exit_code,
        ran.stdout,
    )
