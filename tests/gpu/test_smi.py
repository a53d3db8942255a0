"""What is made of the answers of `nvidia-smi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.gpu.facts import Broken, Gpu, Gpus, Holder
from aava_cli.gpu.smi import ask_nvidia_smi, find_program
from tests.gpu.hosts import MIB

if TYPE_CHECKING:
    from pathlib import Path

ROW = "0, NVIDIA L4, GPU-1, 00000000:01:00.0, 24576, 20000, 550.90.07, 8.9, [N/A]"
L4 = Gpu("NVIDIA L4", "GPU-1", 24576 * MIB, 20000 * MIB, (8, 9), bus_id="00000000:01:00.0")
# github.com/NVIDIA/k8s-device-plugin shows the list with slices in this shape.
MIG_LIST = """\
Thu Nov 29 20:00:00 2026
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-4)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 1g.5gb      Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-5)
"""


def write_smi(folder: Path, **answers: str) -> str:
    """Write a program that answers a query about GPUs, one about programs, and the list."""
    words = {"gpu": "--query-gpu=*", "programs": "--query-compute-apps=*", "listed": "-L"}
    cases = (f"{words[name]}) {script};;" for name, script in answers.items())
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\ncase $1 in\n" + "\n".join(cases) + "\n*) exit 2;;\nesac\n")
    program.chmod(0o755)
    return str(program)


def test_missing_values_are_missing(tmp_path: Path) -> None:
    """They come in brackets, each for another reason."""
    bare = "1, NVIDIA GB10, GPU-2, [N/A], [Not Supported], [Unknown Error], 550.90.07, [N/A], [N/A]"
    program = write_smi(tmp_path, gpu=f"echo '{ROW}'; echo '{bare}'")
    expected = (L4, Gpu("NVIDIA GB10", "GPU-2", index=1))
    assert Gpus(expected, "550.90.07", source="nvidia-smi") == ask_nvidia_smi(program)


def test_old_driver_is_asked_without_newer_fields(tmp_path: Path) -> None:
    """It refuses a query with a field that it does not know, with these words."""
    old = "0, Tesla K80, GPU-1, 00000000:01:00.0, 11441, 11000, 470.256.02"
    refusal = 'Field "compute_cap" is not a valid field to query.'
    script = f"case $1 in *compute_cap*) echo '{refusal}'; exit 2;; *) echo '{old}';; esac"
    (device,) = ask_nvidia_smi(write_smi(tmp_path, gpu=script)).devices
    assert ("Tesla K80", 11441 * MIB, None) == (device.name, device.total_bytes, device.compute)


def test_programs_that_hold_memory_are_named(tmp_path: Path) -> None:
    """A line without a number of a process says nothing; memory may be hidden."""
    lines = (
        "GPU-1, 42, /usr/bin/python3, 512",
        "GPU-1, 43, [Not Found], [N/A]",
        "GPU-1, [N/A], x, 1",
    )
    printed = "; ".join(f"echo '{line}'" for line in lines)
    program = write_smi(tmp_path, gpu=f"echo '{ROW}'", programs=printed)
    (device,) = ask_nvidia_smi(program).devices
    assert (Holder(42, "python3", 512 * MIB), Holder(43, None, None)) == device.holders


def test_slices_stand_for_the_gpu_that_was_cut(tmp_path: Path) -> None:
    """The list has them; a GPU that was cut into nothing is of no use."""
    rows = (
        "0, NVIDIA A100-SXM4-40GB, GPU-4, 00000000:01:00.0, 40960, 40000, 550.90.07, 8.0, Enabled",
        "1, NVIDIA A100-SXM4-40GB, GPU-5, 00000000:02:00.0, 40960, 40000, 550.90.07, 8.0, Enabled",
    )
    printed = "; ".join(f"echo '{row}'" for row in rows)
    program = write_smi(tmp_path, gpu=printed, listed=f"printf '{MIG_LIST}'")
    gpus = ask_nvidia_smi(program)
    assert ["MIG-1", "MIG-2"] == [device.uuid for device in gpus.devices]
    assert {("GPU-4", "NVIDIA A100-SXM4-40GB MIG 3g.20gb")} == {
        (device.parent, device.name) for device in gpus.devices[:1]
    }
    assert (Broken(1, "uncut", "MIG is on, and it has no instance"),) == gpus.broken


@pytest.mark.parametrize(
    ("said", "exit_code", "problem"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "mismatch"),
        ("Failed to initialize NVML: Unknown Error", 255, "cut-off"),
        ("Failed to initialize NVML: Insufficient Permissions", 4, "no-permission"),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            9,
            "not-loaded",
        ),
        (
            "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.",
            12,
            "no-library",
        ),
        (
            (
                "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  "
                "Reboot the system to recover this GPU"
            ),
            15,
            "lost",
        ),
        ("what nobody has seen yet", 77, "other"),
    ],
)
def test_problem_is_told_by_words_and_exit_code(
    tmp_path: Path, said: str, exit_code: int, problem: str
) -> None:
    """The first line is kept, as it was said."""
    program = write_smi(tmp_path, gpu=f'echo "{said}"; echo more; exit {exit_code}')
    gpus = ask_nvidia_smi(program)
    assert (problem, said) == (gpus.problem, gpus.detail)


def test_program_that_hangs_is_left(tmp_path: Path) -> None:
    """It waits for the driver, and so would we."""
    gpus = ask_nvidia_smi(write_smi(tmp_path, gpu="sleep 100"))
    assert ("no-answer", "no answer within 4 s") == (gpus.problem, gpus.detail)


def test_no_device_is_no_problem_of_the_driver(tmp_path: Path) -> None:
    """It answers, and has nothing to list."""
    program = write_smi(tmp_path, gpu="echo 'No devices were found'; exit 6")
    assert Gpus(source="nvidia-smi") == ask_nvidia_smi(program)


def test_program_is_looked_for_where_users_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the PATH."""
    program = write_smi(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program == find_program()
