"""Which rung is broken: those cases that the scenarios of preflight do not have."""

from __future__ import annotations

import pytest

from aava_cli.gpu.choice import Choice, compose_choice, native_choice, told
from aava_cli.gpu.codes import problem_of
from aava_cli.gpu.facts import Cuda, DriverProblem, Gpu, Gpus, Node, PciDevice, System
from aava_cli.gpu.floors import runs_cuda_12, starts_image
from aava_cli.gpu.rungs import broken_cuda, broken_rung

ON_BUS = (PciDevice("0000:01:00.0", "nvidia"),)
OPEN = (Node("/dev/nvidia0", may_use=True), Node("/dev/nvidiactl", may_use=True))
L4 = Gpu("NVIDIA L4", "GPU-1", 24, 20, (8, 9))
T4 = Gpu("Tesla T4", "GPU-2", 16, 16, (7, 5), index=1)


@pytest.mark.parametrize(
    ("gpus", "name", "words"),
    [
        (
            Gpus(problem="not-loaded", detail="Driver Not Loaded"),
            "device",
            "there is no NVIDIA device on the bus",
        ),
        (
            Gpus(problem="no-library", system=System(ON_BUS, "550.90.07")),
            "files",
            "no `/dev/nvidia*`",
        ),
        (
            Gpus(problem="no-library", system=System(ON_BUS, "550.90.07", OPEN)),
            "library",
            "libnvidia-compute-550",
        ),
        (
            Gpus(problem="no-library", system=System(ON_BUS, None, OPEN)),
            "library",
            "nvidia-driver` on Debian",
        ),
        (
            Gpus(problem="not-loaded", system=System(ON_BUS, "550.90.07", OPEN)),
            "driver",
            "kernel module 550.90.07, and the driver does not answer",
        ),
        (
            Gpus(problem="cut-off", detail="Unknown Error", system=System(ON_BUS, "1.2", OPEN)),
            "driver",
            "the NVIDIA driver does not work (Unknown Error)",
        ),
        (
            Gpus(problem="mismatch", detail="they differ", system=System(in_container=True)),
            "driver",
            "to start the container anew",
        ),
        (
            Gpus(problem="no-permission", system=System(ON_BUS, "550.90.07", OPEN)),
            "driver",
            "this user may not use the GPU",
        ),
        (
            Gpus(problem="no-library", system=System(tegra="NVIDIA Jetson Nano")),
            "library",
            "NVIDIA Jetson Nano: there is no CUDA library for its GPU",
        ),
        (Gpus(system=System(nodes=OPEN)), "driver", "driver of NVIDIA shows no device"),
    ],
)
def test_lowest_broken_rung_is_named(gpus: Gpus, name: str, words: str) -> None:
    """With what was seen and how to mend it."""
    rung = broken_rung(gpus)
    assert rung is not None
    assert name == rung.name
    assert words in f"{rung.evidence}: {rung.fix}"


def test_no_trace_of_nvidia_is_no_broken_rung() -> None:
    """There is nothing to mend."""
    assert broken_rung(Gpus(problem="no-library")) is None


@pytest.mark.parametrize(
    ("cuda", "words"),
    [
        (Cuda("no-answer", detail="no answer within 4 s"), "CUDA does not answer"),
        (Cuda("refused", 804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"), "`compat` folder"),
        (Cuda("refused", 1, "CUDA_ERROR_INVALID_VALUE"), "sudo nvidia-modprobe -u -c 0"),
        (Cuda("no-device", 100, "CUDA_ERROR_NO_DEVICE"), "env | grep VISIBLE_DEVICES"),
    ],
)
def test_cuda_has_fixes_by_its_own_numbers(cuda: Cuda, words: str) -> None:
    """One for each that is known, and one for the rest."""
    rung = broken_cuda(cuda)
    assert rung is not None
    assert words in f"{rung.evidence}: {rung.fix}"


def test_cuda_that_works_or_was_not_tried_is_not_broken() -> None:
    """No news is no finding."""
    assert [None, None] == [broken_cuda(Cuda()), broken_cuda(None)]


@pytest.mark.parametrize(("code", "problem"), [(15, "lost"), (17, "blocked"), (3, "other")])
def test_codes_of_the_library_are_told_apart(code: int, problem: DriverProblem) -> None:
    """What is not known is another problem."""
    assert problem == problem_of(code)


@pytest.mark.parametrize(
    ("driver", "cuda", "expected"),
    [
        ("525.60.11", (12, 0), (False, True)),
        ("525.60.13", (12, 0), (True, True)),
        ("530.30.02", (12, 1), (True, False)),
        ("550.54.14", None, (True, True)),
        ("550.54.13", None, (True, False)),
        ("560.94", (12, 6), (True, True)),
        (None, None, (True, True)),
        (None, (11, 4), (False, True)),
    ],
)
def test_driver_has_two_floors(
    driver: str | None, cuda: tuple[int, int] | None, expected: tuple[bool, bool]
) -> None:
    """That of CUDA 12, and that of the image, which lets some older branches pass."""
    gpus = Gpus(driver=driver, newest_cuda=cuda)
    assert expected == (runs_cuda_12(gpus), starts_image(gpus))


def test_one_gpu_is_no_choice() -> None:
    """Nor is none."""
    for gpus in (Gpus(), Gpus((L4,))):
        assert [None, None] == [compose_choice(gpus, {}), native_choice(gpus)]


def test_order_is_named_where_cuda_did_not_answer() -> None:
    """Which of them is first only CUDA knows."""
    system = System(choices={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    choice = native_choice(Gpus((L4, T4), system=system))
    assert Choice(None, "2 GPUs, in the order `PCI_BUS_ID`") == choice
    assert "2 GPUs, in the order `PCI_BUS_ID`" == told(choice)


def test_gpu_without_memory_of_its_own_is_named_without() -> None:
    """Its UUID is enough."""
    bare = Gpu("NVIDIA GB10", "GPU-3")
    choice = compose_choice(Gpus((bare, bare)), {})
    assert choice is not None
    assert "an overlay with `count: 1` gets GPU 0: NVIDIA GB10 (GPU-3)" == told(choice)
