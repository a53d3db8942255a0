"""The driver's library: what the small one answers, read by the real reader."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.gpu.hosts import MIB, REPOSITORY, Host, driver, gpu, lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

L4 = driver("550.90.07", 12040, gpu(0, "NVIDIA L4", 23034, "8.9", free_mib=20000))
# The newer call has a version in its structure, and a library that knows another refuses it.
BY_HAND = """
import json, pynvml
pynvml.nvmlInit()
device = pynvml.nvmlDeviceGetHandleByIndex(0)
old = pynvml.nvmlDeviceGetMemoryInfo(device)
new = pynvml.nvmlDeviceGetMemoryInfo(device, pynvml.nvmlMemory_v2)
try:
    pynvml.nvmlDeviceGetMemoryInfo(device, 0x03000028)
    refused = 0
except pynvml.NVMLError as error:
    refused = error.value
print(json.dumps([old.total, old.free, new.total, new.free, refused]))
"""
BY_US = """
import json
from aava_cli.gpu.nvml import ask_nvml
from aava_cli.output import plain
print(json.dumps(plain(ask_nvml())))
"""


def said(code: str, folder: Path, answers: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
    """Return what *code* prints where the driver's library gives *answers*."""
    environ = lay_out(Host(answers), folder / "host")
    words = (sys.executable, "-c", code)
    ran = subprocess.run(words, env=environ, cwd=REPOSITORY, capture_output=True, check=True)
    return json.loads(ran.stdout)


def test_structures_are_those_of_the_reader(tmp_path: Path) -> None:
    """Both versions of the memory call agree, and another version is refused."""
    expected = [23034 * MIB, 20000 * MIB] * 2 + [25]
    assert expected == said(BY_HAND, tmp_path, L4)


def test_every_value_of_a_device_is_read(tmp_path: Path) -> None:
    """Whatever the driver supports."""
    answers = {"0.ecc": 2, "0.holders": 1, "0.holder.0.pid": 7, "0.holder.0.used": MIB}
    gpus = said(BY_US, tmp_path, {**L4, **answers, "process.7": "/usr/bin/python3"})
    assert ("550.90.07", [12, 4], "550.90.07") == (
        gpus["driver"],
        gpus["newest_cuda"],
        gpus["library"],
    )
    (device,) = gpus["devices"]
    assert {
        "name": "NVIDIA L4",
        "uuid": "GPU-00000000-1111-2222-3333-444444444444",
        "total_bytes": 23034 * MIB,
        "free_bytes": 20000 * MIB,
        "compute": [8, 9],
        "index": 0,
        "bus_id": "00000000:01:00.0",
        "parent": None,
        "holders": [{"pid": 7, "name": "python3", "used_bytes": MIB}],
        "uncorrected_errors": 2,
    } == device


def test_what_the_driver_does_not_support_is_missing(tmp_path: Path) -> None:
    """Some devices answer next to nothing."""
    (device,) = said(BY_US, tmp_path, {"count": 1})["devices"]
    assert ("unnamed GPU", "", None, None, None, "", []) == tuple(
        device[name]
        for name in ("name", "uuid", "total_bytes", "free_bytes", "compute", "bus_id", "holders")
    )


def test_memory_of_nothing_is_none_of_its_own(tmp_path: Path) -> None:
    """So some devices answer that share the host's."""
    (device,) = said(BY_US, tmp_path, {**L4, "0.memory.total": 0})["devices"]
    assert device["total_bytes"] is None


def test_gpu_that_falls_off_the_bus_meanwhile_is_broken(tmp_path: Path) -> None:
    """It was counted, and its memory cannot be asked for any more."""
    gpus = said(BY_US, tmp_path, {**L4, "0.memory.total.error": 15})
    assert ([], [{"index": 0, "problem": "lost", "detail": "GPU is lost"}]) == (
        gpus["devices"],
        gpus["broken"],
    )


def test_driver_that_cannot_count_is_a_problem(tmp_path: Path) -> None:
    """Its own words are kept."""
    gpus = said(BY_US, tmp_path, {**L4, "count.error": 17})
    expected = ("blocked", "The operating system has blocked the request.")
    assert expected == (gpus["problem"], gpus["detail"])
