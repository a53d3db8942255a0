"""Which repairs follow from which facts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.folders import Ownership
from aava_cli.preflight.checks import all_checks
from aava_cli.preflight.facts import NOT_ASKED
from aava_cli.preflight.plan import (
    ClosedFolder,
    MissingEnvFile,
    MissingFolder,
    MissingValue,
    plan_repairs,
)
from tests.preflight.healthy import DOCKER, ENV_FILE, FACTS, MACHINE, OWNED, PROJECT

if TYPE_CHECKING:
    from aava_cli.preflight.plan import Repair

ROOT = replace(MACHINE, user_id=0)
MISSING = replace(OWNED, exists=False, held=None)
CLOSED = replace(OWNED, held=Ownership(0, 7, 0o700))


def planned(checks: tuple[str, ...] = all_checks(), **changed: Any) -> tuple[Repair, ...]:  # noqa: ANN401
    """Return the repairs of a healthy host with *changed* facts."""
    return plan_repairs(replace(FACTS, **changed), checks)


def test_a_healthy_host_needs_no_repair() -> None:
    """Running it again is a no-op."""
    assert planned() == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"machine": ROOT}, MissingFolder(OWNED.path, 0o2775, 1000)),
        ({}, MissingFolder(OWNED.path, 0o2775, None)),
        ({"is_compose_project": False}, MissingFolder(OWNED.path, 0o755, None)),
        (
            {"machine": ROOT, "docker": replace(DOCKER, is_rootless=True)},
            MissingFolder(OWNED.path, 0o2775, None),
        ),
        (
            {"machine": ROOT, "docker": NOT_ASKED},
            MissingFolder(OWNED.path, 0o2775, 1000),
        ),
    ],
)
def test_missing_folders_are_made(changed: dict[str, Any], expected: MissingFolder) -> None:
    """For the containers' user, where there are containers and this user can give them away."""
    assert planned(owned=(MISSING,), **changed) == (expected,)
    assert expected.command.startswith(f"install -d -m {expected.mode:o}")


def test_a_folder_that_cannot_be_made_is_not_planned() -> None:
    """The finding has a command for whoever can."""
    assert planned(owned=(replace(MISSING, writable=False),)) == ()


def test_root_opens_folders_to_the_containers() -> None:
    """Whose group it is stays."""
    (repair,) = planned(owned=(CLOSED,), machine=ROOT)
    expected = ClosedFolder(OWNED.path, Ownership(0, 7, 0o700), Ownership(1000, 7, 0o2775))
    assert (repair, repair.command) == (
        expected,
        f"chown 1000 {OWNED.path} && chmod 2775 {OWNED.path}",
    )


def test_the_containers_user_opens_its_own_folders() -> None:
    """Nobody else can, without being root."""
    own = replace(OWNED, held=Ownership(1000, 1000, 0o500))
    (repair,) = planned(owned=(own,))
    assert repair.command == f"chmod 2775 {OWNED.path}"
    assert planned(owned=(own,), machine=replace(MACHINE, user_id=1001)) == ()
    assert planned(owned=(CLOSED,)) == ()


def test_what_a_link_leads_to_is_left_alone() -> None:
    """Whoever may write to the project could have put it there."""
    linked = [replace(each, leads_to=PROJECT / "x") for each in (CLOSED, MISSING)]
    assert planned(owned=tuple(linked), machine=ROOT) == ()


def test_folders_are_left_alone_where_numbers_of_users_mean_something_else() -> None:
    """A rootless engine gives user 1000 another number; a native daemon has no containers."""
    rootless = replace(DOCKER, is_rootless=True)
    assert planned(owned=(CLOSED,), machine=ROOT, docker=rootless) == ()
    assert planned(owned=(CLOSED,), machine=ROOT, is_compose_project=False) == ()


def test_without_a_project_there_is_nothing_to_repair() -> None:
    """`aava init` makes one."""
    none = replace(ENV_FILE, exists=False)
    assert planned(owned=(MISSING,), env_file=none, is_compose_project=False) == ()


def test_env_is_made_from_its_example() -> None:
    """What it lacks then is for the next time."""
    env_file = replace(ENV_FILE, exists=False, has_example=True, host="0.0.0.0")  # noqa: S104
    (repair,) = planned(env_file=env_file)
    assert repair == MissingEnvFile(PROJECT / ".env", PROJECT / ".env.example")
    assert repair.command == f"install -m 600 {PROJECT}/.env.example {PROJECT}/.env"
    assert planned(env_file=replace(env_file, has_example=False)) == ()


@pytest.mark.parametrize("settings", [{}, {"LOCAL_LLM_GPU_LAYERS": "0"}])
def test_layers_go_to_the_gpu_where_there_is_one(settings: dict[str, str]) -> None:
    """Without evidence of one, nothing is set."""
    env_file = replace(ENV_FILE, gpu_settings=settings)
    assert planned(env_file=env_file) == (MissingValue("LOCAL_LLM_GPU_LAYERS", "-1"),)
    assert planned(env_file=env_file, docker=None, container_gpu=None) == ()
    assert planned(env_file=env_file, gpus=NOT_ASKED, container_gpu=None) == ()
    assert planned(env_file=replace(env_file, problem=".env:1: x")) == ()
    assert planned(("access",), env_file=replace(env_file, host="")) == ()


def test_a_missing_token_is_made_up_and_not_told() -> None:
    """It is none before it is set."""
    env_file = replace(ENV_FILE, host="0.0.0.0")  # noqa: S104 - compared, not bound
    (repair,) = planned(env_file=env_file)
    assert repair == MissingValue("LOCAL_WS_AUTH_TOKEN", None)
    assert (repair.message, repair.command) == (
        "set LOCAL_WS_AUTH_TOKEN in `.env` to a new secret",
        "echo LOCAL_WS_AUTH_TOKEN=$(openssl rand -hex 32) >>.env",
    )


def test_only_what_was_checked_is_repaired() -> None:
    """`--only` is about repairs too."""
    env_file = replace(ENV_FILE, gpu_settings={}, host="0.0.0.0")  # noqa: S104 - compared, not bound
    here: dict[str, Any] = {"env_file": env_file, "owned": (MISSING,)}
    assert [each.name for each in planned(**here)] == ["make-folder", "set-value", "set-value"]
    assert [each.name for each in planned(("owners",), **here)] == ["make-folder"]
    assert [each.message for each in planned(("gpu-layers",), **here)] == [
        "set LOCAL_LLM_GPU_LAYERS in `.env` to -1"
    ]
    assert planned(("memory",), **here) == ()


def test_facts_that_are_missing_are_no_reason_to_change_anything() -> None:
    """A probe that hung, or that nobody asked for."""
    assert planned(owned=NOT_ASKED, env_file=NOT_ASKED) == ()
