"""What `aava up` has to do, decided from what was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aava_cli.download.plan import FilePlan, ModelPlan, PullPlan
from aava_cli.events import Item
from aava_cli.flows.up.choosing import ModelSet
from aava_cli.flows.up.plan import Seen, plan_up, that_matter, told
from aava_cli.switch.changes import Change

MODELS = Path("/models")
CHOSEN = ModelSet(
    "mine", "full", {"stt": "ear", "tts": "voice"}, ("vosk", "piper"), ("ear", "voice")
)


def pull(*actions: str) -> PullPlan:
    """Return what a pull of models with one file each would do."""
    models = tuple(
        ModelPlan(name, (FilePlan(Path(f"stt/{name}"), action, (), 5),))  # type: ignore[arg-type]
        for name, action in zip(CHOSEN.pulls, actions, strict=True)
    )
    return PullPlan(MODELS, models, 5 * actions.count("fetch"), 10, 2_000_000_000)


DONE = Seen(
    way="docker",
    project=Path("/voice"),
    is_made=True,
    interrupted=None,
    env_mode="full",
    pull=pull("keep", "keep"),
    image="mine:latest",
    builds=(),
    answers=True,
    daemon_mode="full",
    moves=(),
)


def needed(seen: Seen) -> list[str]:
    """Return the steps that have something to do."""
    return [step.name for step in plan_up(CHOSEN, seen).steps if step.needed]


def what(seen: Seen, name: str) -> str:
    """Return what the step *name* says."""
    return next(step.what for step in plan_up(CHOSEN, seen).steps if step.name == name)


def test_where_all_is_there_it_is_only_proven() -> None:
    """Then nobody has to agree to anything."""
    plan = plan_up(CHOSEN, DONE)
    assert (["smoke"], True) == (needed(DONE), plan.changes_nothing)
    assert ["init", "pull", "build", "start", "switch", "smoke"] == [s.name for s in plan.steps]
    assert "profile  mine: stt ear, tts voice" in list(plan.text())
    assert "project  /voice, in Docker" == next(iter(plan.text()))


def test_native_daemon_has_nothing_to_build() -> None:
    """Its engines are packages."""
    seen = replace(DONE, way="native", answers=False, daemon_mode=None)
    assert ["start", "smoke"] == needed(seen)
    assert "build" not in [step.name for step in plan_up(CHOSEN, seen).steps]
    assert "`aava serve` in the background" == what(seen, "start")


def test_each_lack_is_one_step() -> None:
    """With what it is."""
    assert ["recover", "smoke"] == needed(replace(DONE, interrupted="`aava switch`"))
    assert ["init", "smoke"] == needed(replace(DONE, is_made=False))
    fetching = replace(DONE, pull=pull("keep", "fetch"))
    assert ["pull", "smoke"] == needed(fetching)
    assert "voice: 5 B to download, 2.0 GB free on /models" == what(fetching, "pull")
    assert "`mine:latest`, with vosk" == what(replace(DONE, builds=("vosk",)), "build")
    unknown = replace(DONE, image=None, builds=None)
    assert "what the image lacks of vosk, piper" == what(unknown, "build")
    assert "its container" == what(replace(DONE, answers=False, daemon_mode=None), "start")
    assert "stt: a -> b" == what(replace(DONE, moves=("stt: a -> b",)), "switch")


def test_mode_is_written_at_once_or_with_the_restart() -> None:
    """A daemon in another mode starts again, and `.env` changes with it."""
    stopped = replace(DONE, env_mode=None, answers=False, daemon_mode=None)
    assert ["init", "start", "smoke"] == needed(stopped)
    assert "`LOCAL_AI_MODE` becomes `full`; it is not set" == what(stopped, "init")
    other = replace(DONE, env_mode="minimal", daemon_mode="minimal")
    assert ["start", "smoke"] == needed(other)
    assert "the daemon again, in `full` mode; it runs in `minimal`" == what(other, "start")
    kept = replace(CHOSEN, mode=None)
    assert plan_up(kept, other).changes_nothing


def test_what_is_selected_runs_only_where_a_daemon_answers() -> None:
    """Else it will once it is started."""
    assert "`.env` selects them, and they run" == what(DONE, "switch")
    stopped = replace(DONE, answers=False, daemon_mode=None)
    assert "the daemon loads them when it starts" in what(stopped, "switch")


def test_port_is_written_where_none_is_said() -> None:
    """It is a change, which somebody agrees to."""
    told_of = replace(DONE, port=8766)
    assert ["init", "smoke"] == needed(told_of)
    assert "`LOCAL_WS_PORT` becomes `8766`; it is not set" == what(told_of, "init")


def test_settings_that_change_are_named_beside_the_models() -> None:
    """Not the keys by which a model is selected; those only where nothing else differs."""
    model = Change(".env", "LOCAL_LLM_MODEL_PATH", "/a", "/b")
    context = Change(".env", "LOCAL_LLM_CONTEXT", None, "512")
    runs = Change("daemon", "llm", "a", "b")
    assert ("LOCAL_LLM_CONTEXT: - -> 512", "llm: a -> b") == told((model, context, runs))
    assert ("LOCAL_LLM_MODEL_PATH: /a -> /b",) == told((model,))


def test_only_failures_that_stand_in_the_way_matter() -> None:
    """What a step puts right, and what is about the other way, does not."""
    items = (
        Item("memory", "host", "fail", "1 GB"),
        Item("port", "network", "warn", "slow"),
        Item("engines", "host", "fail", "none"),
        Item("buildx", "docker", "fail", "none"),
        Item("compose-config", "docker", "fail", "no .env"),
        Item("recovery", "project", "fail", "due"),
        Item("models", "project", "fail", "gone"),
        Item("disk-models", "host", "fail", "full"),
        Item("disk-docker", "docker", "fail", "full"),
    )

    def names(way: str, *, is_made: bool = True) -> list[str]:
        found = that_matter(items, way, is_made=is_made)  # type: ignore[arg-type]
        return [each.name for each in found]

    assert ["memory", "engines"] == names("native")
    assert ["memory", "buildx", "compose-config"] == names("docker")
    assert ["memory", "buildx"] == names("docker", is_made=False)
