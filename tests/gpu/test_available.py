"""Whether the daemon can use a GPU, decided from facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aava_cli.gpu.available import GpuAvailable, gpu_available
from aava_cli.gpu.engine import engine_gpu
from aava_cli.gpu.facts import ContainerGpu, Cuda, EngineGpu, Gpu, Gpus, System

L4 = Gpu("NVIDIA L4", "GPU-1", 24, 20, (8, 9))
GPUS = Gpus((L4,), "550.90.07", newest_cuda=(12, 4), cuda=Cuda())
PROVEN = ContainerGpu("voice-gpu", has_smi=True, smi="GPU 0: NVIDIA L4", cuda=Cuda())


def test_container_that_was_tried_decides() -> None:
    """Against whatever this host looks like, and only for a project that has containers."""
    used = "a container of `voice-gpu` used it: GPU 0: NVIDIA L4"
    assert GpuAvailable(usable=True, reason=used) == gpu_available(
        Gpus(), is_compose=True, container=PROVEN
    )
    assert not gpu_available(Gpus(), is_compose=False, container=PROVEN).usable


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (
            ContainerGpu("v", refusal="no runtime"),
            "the engine starts no container with it: no runtime",
        ),
        (
            ContainerGpu("v", smi="Failed to initialize NVML: Unknown Error"),
            ("`nvidia-smi` fails in a container of `v`: Failed to initialize NVML: Unknown Error"),
        ),
        (
            ContainerGpu("v", has_smi=True, cuda=Cuda("refused", 999, "CUDA_ERROR_UNKNOWN")),
            (
                "in a container of `v` `nvidia-smi` works, and CUDA cannot be used: "
                "CUDA_ERROR_UNKNOWN (999)"
            ),
        ),
    ],
)
def test_container_that_failed_says_on_which_rung(container: ContainerGpu, reason: str) -> None:
    """The reason is for people."""
    found = gpu_available(GPUS, is_compose=True, engine_offers=True, container=container)
    assert GpuAvailable(usable=False, reason=reason) == found


def test_container_without_python_proves_what_it_can() -> None:
    """`nvidia-smi` in it works, and nothing speaks against CUDA."""
    assert gpu_available(GPUS, is_compose=True, container=replace(PROVEN, cuda=None)).usable


@pytest.mark.parametrize(
    ("engine_offers", "usable", "reason"),
    [
        (True, True, "NVIDIA L4: containers can ask for it"),
        (False, False, "the engine has no NVIDIA runtime: containers get no GPU"),
        (None, False, "the daemon is to run in a container, and no engine answers"),
    ],
)
def test_compose_project_needs_an_engine_that_offers_it(
    *, engine_offers: bool | None, usable: bool, reason: str
) -> None:
    """The host's own GPU is not enough."""
    found = gpu_available(GPUS, is_compose=True, engine_offers=engine_offers)
    assert GpuAvailable(usable, reason) == found


@pytest.mark.parametrize(
    ("engine_offers", "expected"),
    [
        (True, (True, "the engine, on another host, offers a GPU")),
        (False, (False, "the engine, on another host, offers no GPU")),
        (None, (False, "there is no GPU")),
    ],
)
def test_engine_on_another_host_knows_better(
    *, engine_offers: bool | None, expected: tuple[bool, str]
) -> None:
    """What this host has says nothing about it."""
    found = gpu_available(
        Gpus(problem="no-library"),
        is_compose=True,
        engine_offers=engine_offers,
        is_elsewhere=True,
    )
    assert GpuAvailable(*expected) == found


def test_memory_that_is_full_now_is_not_for_ever() -> None:
    """The daemon itself may hold it."""
    full = replace(GPUS, cuda=Cuda("no-context", 2, "CUDA_ERROR_OUT_OF_MEMORY"))
    expected = "NVIDIA L4: this host's programs can use it once it is free"
    assert GpuAvailable(usable=True, reason=expected) == gpu_available(full, is_compose=False)


def test_other_makes_are_named() -> None:
    """A host with one is not a host without a GPU."""
    amd = Gpus(problem="no-library", system=System(others={"AMD": "0000:03:00.0"}))
    expected = "AMD is not a GPU that the engines use"
    assert GpuAvailable(usable=False, reason=expected) == gpu_available(amd, is_compose=False)


def test_daemon_says_what_it_thinks_of_its_gpu() -> None:
    """And what runs otherwise than asked."""
    gpu = {"runtime_usable": False, "error": "nvidia-smi missing"}
    status = {"gpu": gpu, "config": {"runtime_fallbacks": {"faster_whisper": "no CUDA"}}}
    expected = ("faster_whisper: the daemon fell back: no CUDA",)
    assert EngineGpu(usable=False, error="nvidia-smi missing", fallbacks=expected) == engine_gpu(
        status
    )


def test_daemon_that_does_not_know_leaves_it_open() -> None:
    """Older ones say nothing at all."""
    assert EngineGpu(usable=None) == engine_gpu({})


@pytest.mark.parametrize(
    "silent",
    [
        Gpus(problem="no-answer", detail="no answer within 4 s"),
        replace(GPUS, cuda=Cuda("no-answer", detail="no answer within 4 s")),
    ],
)
def test_silence_is_no_evidence(silent: Gpus) -> None:
    """A driver that is slow once may answer the next time."""
    found = gpu_available(silent, is_compose=False)
    assert (found.usable, found.is_known) == (False, False)
