"""What has to be so before a build; each failure says how to make it so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.argv import SERVICE, Project
from aava_cli.docker.compose import Service
from aava_cli.docker.engine import Container, Engine, Image
from aava_cli.errors import NoSpace, NotPossible
from aava_cli.events import Log
from aava_cli.rebuild.conditions import (
    needed_bytes,
    require_builder,
    require_daemon_in_reach,
    require_gpu,
    require_processor,
    require_room,
)
from aava_cli.rebuild.plan import Known, Wish, plan_rebuild
from aava_cli.rebuild.scene import Scene

if TYPE_CHECKING:
    from aava_cli.events import Event

HUGE = 10**18
HERE = Path(__file__).parent
ENGINE = Engine(
    *("id", "unix:///var/run/docker.sock", "28", HERE, ("runc",)),
    has_gpu_devices=False,
    processor="x86_64",
)
IMAGE = Image("sha256:aa", ("agent:latest",), 100, "now")
CONTAINER = Container("c", "agent", "sha256:aa", "agent:latest", "running", None, 0, 0, None, ())
KNOWN = Known(None, None, {}, {})
PLAN = replace(plan_rebuild(Wish.of(("tone",)), KNOWN, "agent:latest"), room_bytes=1)


def scene(engine: Engine = ENGINE, *, gpu: bool = False, image: Image | None = IMAGE) -> Scene:
    """Return a scene with that *engine* and *image*, whose container may ask for a *gpu*."""
    project = Project(HERE, (), "agent")
    service = Service(project, SERVICE, "agent:latest", ".", None, {}, gpu)
    return Scene(engine, service, image, image, CONTAINER, {}, KNOWN)


def test_gpu_needs_a_runtime() -> None:
    """The hint is what NVIDIA's own guide says."""
    require_gpu(scene())
    with pytest.raises(NotPossible, match="no NVIDIA runtime") as caught:
        require_gpu(scene(gpu=True))
    assert "nvidia-ctk" in caught.value.hint


def test_gpu_that_nobody_sees_is_missed_before_the_build() -> None:
    """A runtime alone makes no device; this host has none."""
    with pytest.raises(NotPossible, match="the driver shows none"):
        require_gpu(scene(replace(ENGINE, has_gpu_devices=True), gpu=True))


def test_part_that_exists_for_another_processor_only_is_refused() -> None:
    """Kroko's server is a program of its vendor's, for one processor."""
    kroko = replace(PLAN, includes={**PLAN.includes, "INCLUDE_KROKO_EMBEDDED": "true"})
    require_processor(ENGINE, kroko)
    arm = replace(ENGINE, processor="aarch64")
    require_processor(arm, PLAN)
    with pytest.raises(NotPossible, match="x86_64 only, and the engine's host is aarch64"):
        require_processor(arm, kroko)


def test_engine_elsewhere_has_its_own_gpu_and_an_address_of_its_daemon() -> None:
    """What this host's driver says is not asked; what listens here is not the daemon."""
    there = scene(replace(ENGINE, endpoint="ssh://box", runtimes=("nvidia",)), gpu=True)
    require_gpu(there)
    with pytest.raises(NotPossible, match="no address of its daemon is named"):
        require_daemon_in_reach(there)
    require_daemon_in_reach(replace(there, is_daemon_named=True))
    require_daemon_in_reach(scene())


def test_missing_builder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that fails stands where `docker` should be."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(NotPossible, match="no buildx"):
        require_builder()


def test_room_is_measured_where_images_are() -> None:
    """What is needed and what is there are both said."""
    require_room(scene(), PLAN, print_nothing)
    with pytest.raises(NoSpace, match=r"need 1000000\.0 TB for images, have"):
        require_room(scene(), replace(PLAN, room_bytes=HUGE), print_nothing)
    assert (HUGE, 1) == (
        needed_bytes(PLAN, replace(IMAGE, size_bytes=HUGE)),
        needed_bytes(PLAN, None),
    )


@pytest.mark.parametrize(
    "engine", [replace(ENGINE, endpoint="ssh://box"), replace(ENGINE, root=Path("/not/here"))]
)
def test_disk_of_another_host_is_said_to_be_unseen(engine: Engine) -> None:
    """An engine in a virtual machine has folders of its own too."""
    told: list[Event] = []
    require_room(scene(engine), PLAN, told.append)
    assert [True] == [isinstance(each, Log) and "not this host's" in each.message for each in told]


def print_nothing(event: Event) -> None:
    """Fail on any *event*: nothing should be told."""
    pytest.fail(f"told {event}")
