"""GPUs in words."""

from __future__ import annotations

from aava_cli.gpu.describe import device_lines
from aava_cli.gpu.facts import Broken, Gpu, Gpus, Holder, System

GB = 1_000_000_000


def test_each_device_is_named_for_good() -> None:
    """By what stays when others come and go; the driver has a line of its own."""
    l4 = Gpu(
        "NVIDIA L4",
        "GPU-1",
        24 * GB,
        20 * GB,
        (8, 9),
        bus_id="00000000:01:00.0",
        holders=(Holder(7, None, None), Holder(8, "python3", GB)),
    )
    slice_ = Gpu("A100 MIG 1g.5gb", "MIG-2", index=1, parent="GPU-2")
    lost = Broken(2, "lost", "GPU is lost")
    gpus = Gpus((l4, slice_), "550.90.07", broken=(lost,), system=System(module="550.90.07"))
    first = (
        "GPU 0: NVIDIA L4, GPU-1, 00000000:01:00.0, compute capability 8.9, "
        "20.0 GB free of 24.0 GB, held by python3 (pid 8, 1.0 GB), a hidden program (pid 7)"
    )
    assert [
        first,
        "GPU 1: A100 MIG 1g.5gb, MIG-2, a slice",
        "GPU 2: GPU is lost",
        "driver 550.90.07, nvml, kernel module 550.90.07",
    ] == list(device_lines(gpus))


def test_nothing_has_no_lines() -> None:
    """A device that shares the host's memory has one, without a driver that says its version."""
    assert [] == list(device_lines(Gpus()))
    bare = Gpus((Gpu("NVIDIA GB10", "GPU-3"),), "580.95.05", source="nvidia-smi")
    expected = "GPU 0: NVIDIA GB10, GPU-3, shares the host's memory"
    assert [expected, "driver 580.95.05, nvidia-smi"] == list(device_lines(bare))
