"""CUDA tried in a process of its own, by the driver's library that the loader finds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aava_cli.gpu import context
from aava_cli.gpu.cuda import context_source, finish_cuda, read_cuda, start_cuda
from aava_cli.gpu.facts import Cuda, CudaDevice
from aava_cli.gpu.programs import Ran
from tests.gpu.hosts import MIB, Host, driver, gpu, lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

L4 = driver("550.90.07", 12040, gpu(0, "NVIDIA L4", 23034, "8.9"))
UUID = "00000000-1111-2222-3333-444444444444"
DEVICE = CudaDevice(UUID, "NVIDIA L4", 23034 * MIB, (8, 9))


def environ_of(folder: Path, answers: Mapping[str, object] | None) -> dict[str, str]:
    """Return the environment in which the driver's libraries give *answers*."""
    return lay_out(Host(answers), folder / "host")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, Cuda(version=(12, 4), devices=(DEVICE,))),
        ({"cuda.init": 999}, Cuda("refused", 999, "CUDA_ERROR_UNKNOWN", (12, 4))),
        ({"cuda.init": 801}, Cuda("refused", 801, "error 801", (12, 4))),
        ({"cuda.count": 0}, Cuda("no-device", 100, "CUDA_ERROR_NO_DEVICE", (12, 4))),
        (
            {"cuda.context": 2},
            Cuda("no-context", 2, "CUDA_ERROR_OUT_OF_MEMORY", (12, 4), (DEVICE,)),
        ),
        ({"cuda": 0}, Cuda(devices=(DEVICE,))),
    ],
)
def test_what_cuda_answers_is_told(
    tmp_path: Path, answers: Mapping[str, object], expected: Cuda
) -> None:
    """Which step failed, with CUDA's own number and name for it."""
    environ = environ_of(tmp_path, {**L4, **answers})
    # As it runs where its lines can be counted; `finish_cuda` runs it without packages.
    words = (sys.executable, context.__file__)
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    assert expected == read_cuda(Ran(ran.returncode, ran.stdout, ran.stderr))
    assert expected == finish_cuda(start_cuda(environ), timeout_s=20)


def test_no_library_is_told(tmp_path: Path) -> None:
    """The loader says what it looked for."""
    environ = environ_of(tmp_path, None)
    words = (sys.executable, context.__file__)
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    cuda = finish_cuda(start_cuda(environ), timeout_s=20)
    assert ("no-library", cuda) == (cuda.problem, read_cuda(Ran(0, ran.stdout, "")))
    assert "libcuda.so.1" in cuda.detail


def test_process_that_hangs_is_left(tmp_path: Path) -> None:
    """A device that does not come up holds up nothing."""
    trial = start_cuda(environ_of(tmp_path, {**L4, "cuda.hangs": 1}))
    cuda = finish_cuda(trial, timeout_s=1)
    assert Cuda("no-answer", detail="no answer within 1 s") == cuda
    assert trial.poll() is not None


def test_process_that_dies_is_told_by_its_end(tmp_path: Path) -> None:
    """A library of another version may break off in the middle."""
    cuda = finish_cuda(start_cuda(environ_of(tmp_path, {**L4, "cuda.dies": 1})), timeout_s=20)
    assert Cuda("refused", detail="it ended with signal 11") == cuda


def test_process_that_fails_is_told_by_its_last_words() -> None:
    """Such as an interpreter that cannot start."""
    cuda = read_cuda(Ran(1, "", "no module named ctypes\n"))
    assert Cuda("refused", detail="it ended with exit code 1 no module named ctypes") == cuda


def test_program_runs_by_itself(tmp_path: Path) -> None:
    """It is handed to the Python of an image as text."""
    words = (sys.executable, "-I", "-S", "-c", context_source())
    ran = subprocess.run(words, env=environ_of(tmp_path, L4), capture_output=True, check=True)
    assert [UUID] == [each["uuid"] for each in json.loads(ran.stdout)["devices"]]
