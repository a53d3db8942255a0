"""The checks of GPUs where facts are hard to come by: engines, containers, other hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.gpu.available import GpuAvailable
from aava_cli.gpu.facts import Broken, ContainerGpu, Cuda, EngineGpu, Gpu, Gpus
from aava_cli.preflight.checks.gpu_use import decide_gpu
from aava_cli.preflight.facts import Unknown
from aava_cli.preflight.projectfacts import EnvFile
from tests.preflight.healthy import CONTAINER, DOCKER, ENV_FILE, FACTS, GPU, GPUS, PROJECT, SLICE
from tests.preflight.test_checks import found, status

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Docker


def says(name: str, *words: str, **changed: Any) -> None:  # noqa: ANN401 - any fact
    """Assert that the check *name* warns in these *words*, the fix among them."""
    checked = found(name, **changed)
    text = f"{checked.message}: {checked.remediation}"
    assert ("warn", []) == (checked.status, [each for each in words if each not in text])


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"version": None}, "skip"),
        ({"runtimes": ("runc",)}, "warn"),
        ({"runtimes": ("runc",), "has_cdi": True}, "pass"),
        ({"is_podman": True}, "warn"),
        ({"is_snap": True}, "warn"),
    ],
)
def test_docker_is_told_of_the_gpu(changed: dict[str, Any], expected: str) -> None:
    """Some engines do not pass it on."""
    assert found("gpu-docker", docker=replace(DOCKER, **changed)).status == expected


@pytest.mark.parametrize(
    ("docker", "usable"),
    [
        (DOCKER, True),
        (replace(DOCKER, runtimes=("runc",)), False),
        (replace(DOCKER, runtimes=("runc",), has_cdi=True), True),
        (replace(DOCKER, is_podman=True), False),
        (replace(DOCKER, is_snap=True), False),
        (replace(DOCKER, version=None), False),
        (None, False),
    ],
)
def test_decision_needs_an_engine_that_offers_it(docker: Docker | None, *, usable: bool) -> None:
    """For a project of containers."""
    facts = replace(FACTS, docker=docker, container_gpu=None)
    assert usable == decide_gpu(facts).usable


def test_decision_on_another_host_is_its_engines() -> None:
    """The GPUs here are not those of its containers."""
    facts = replace(FACTS, docker=replace(DOCKER, remote="ssh://box"), container_gpu=None)
    expected = "the engine, on another host, offers a GPU"
    assert GpuAvailable(usable=True, reason=expected) == decide_gpu(facts)


def test_what_is_not_known_is_no_evidence() -> None:
    """A driver that hung, or an engine; a container that could not be tried leaves the rest."""
    unknown = decide_gpu(replace(FACTS, gpus=Unknown("no answer within 5 s"), container_gpu=None))
    expected = "could not be found out: no answer within 5 s"
    assert GpuAvailable(usable=False, reason=expected, is_known=False) == unknown
    assert decide_gpu(replace(FACTS, container_gpu=Unknown("no engine"))).usable


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (
            ContainerGpu("v", refusal='could not select device driver "nvidia"'),
            ("the engine starts no container with it", "nvidia-ctk runtime configure"),
        ),
        (
            ContainerGpu("v", refusal="unsatisfied condition: cuda>=12.4"),
            ("NVIDIA_DISABLE_REQUIRE=true",),
        ),
        (
            ContainerGpu("v", smi="Failed to initialize NVML: Unknown Error"),
            ("`nvidia-smi` fails in a container of `v`", "--force-recreate", "cgroupfs"),
        ),
        (
            ContainerGpu("v", smi="sh: nvidia-smi: not found"),
            ("`nvidia-smi` fails", "-f docker-compose.gpu.yml"),
        ),
        (
            ContainerGpu("v", has_smi=True, cuda=Cuda("refused", 804, "CUDA_ERROR")),
            ("`nvidia-smi` works, and CUDA cannot be used", "`compat` folder"),
        ),
    ],
)
def test_container_is_tried_when_asked(container: ContainerGpu, words: tuple[str, ...]) -> None:
    """Each way to fail has a fix of its own."""
    says("gpu-container", *words, container_gpu=container)
    assert "pass" == found("gpu-container").status
    assert "skip" == found("gpu-container", container_gpu=None).status


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            EngineGpu(usable=False, error="Failed to initialize NVML: Unknown Error"),
            ("systemctl daemon-reload", "--force-recreate"),
        ),
        (
            EngineGpu(usable=False, error="nvidia-smi missing"),
            ("the daemon sees no GPU (nvidia-smi missing)", "-f docker-compose.gpu.yml"),
        ),
        (EngineGpu(usable=False), ("the daemon sees no GPU: ",)),
        (
            EngineGpu(usable=True, fallbacks=("llm: 20 layers were to be on the GPU",)),
            ("llm: 20 layers",),
        ),
    ],
)
def test_running_daemon_is_compared_with_the_host(said: EngineGpu, words: tuple[str, ...]) -> None:
    """What it says of itself is believed against itself."""
    says("gpu-engine", *words, port=replace(FACTS.port, gpu=said))  # type: ignore[arg-type]


def test_native_daemon_may_leave_the_gpu_alone() -> None:
    """It says what its models use, and each of them may be one for the CPU."""
    port = replace(FACTS.port, gpu=EngineGpu(usable=False))  # type: ignore[arg-type]
    changed = {"port": port, "is_compose_project": False}
    assert ("pass", "the daemon uses no GPU") == status("gpu-engine", **changed)


def test_running_daemon_that_knows_no_gpu_is_no_warning_where_none_can_be_used() -> None:
    """It is right."""
    port = replace(FACTS.port, gpu=EngineGpu(usable=False))  # type: ignore[arg-type]
    docker = replace(DOCKER, runtimes=("runc",))
    changed = {"port": port, "docker": docker, "container_gpu": None}
    assert ("pass", "the daemon uses no GPU") == status("gpu-engine", **changed)


def test_slices_that_are_missing_on_one_of_two_gpus() -> None:
    """The other one still works."""
    uncut = Broken(1, "uncut", "MIG is on, and it has no instance")
    says("gpu-mig", "GPU 1: MIG is on", gpus=replace(GPUS, broken=(uncut,)))
    assert ("pass", SLICE.name) == status("gpu-mig")


def test_slice_without_numbers_is_a_slice() -> None:
    """`nvidia-smi` does not say how much memory it has."""
    gpus = Gpus((replace(SLICE, total_bytes=None, free_bytes=None),))
    assert ("pass", "H100 MIG 1g.20gb, a slice") == status("gpu", gpus=gpus)


def test_gpu_that_is_too_old_for_cuda_12() -> None:
    """It has a driver, and no code runs on it."""
    says("gpu-kernels", "compute capability 3.7", gpus=Gpus((replace(GPU, compute=(3, 7)),)))


def test_layers_of_a_project_without_env_are_not_judged() -> None:
    """It is missing as a whole, which has a check of its own."""
    assert "skip" == found("gpu-layers", env_file=EnvFile(PROJECT / ".env")).status
    unset = replace(ENV_FILE, gpu_settings={})
    says("gpu-layers", "`LOCAL_LLM_GPU_LAYERS` is not set", env_file=unset)


def test_driver_that_says_no_version_of_cuda() -> None:
    """Only its own."""
    assert ("pass", "550.90.07") == status("gpu-driver", gpus=Gpus((GPU,), "550.90.07"))


def test_cuda_that_was_not_tried_is_not_judged() -> None:
    """Where only the driver was asked."""
    assert "skip" == found("gpu-cuda", gpus=Gpus((Gpu("NVIDIA L4", "GPU-1"),))).status
    assert CONTAINER.works
