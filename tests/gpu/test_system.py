"""What the kernel shows of GPUs, below a folder that stands for the root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aava_cli.gpu.facts import Node, PciDevice, System
from aava_cli.gpu.system import find_system

if TYPE_CHECKING:
    from pathlib import Path

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  "
    "(dvs-builder@U16-I3-D08-1-2)  Thu Jan 23 22:50:36 UTC 2025\n"
)


def write(path: Path, text: str) -> None:
    """Write *text* to *path* and make the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def display(root: Path, address: str, vendor: str, driver: str | None, kind: str) -> None:
    """Put a device on the bus."""
    folder = root / "sys/bus/pci/devices" / address
    write(folder / "vendor", f"{vendor}\n")
    write(folder / "class", f"{kind}\n")
    if driver is not None:
        (root / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(root / "drivers" / driver)


def test_host_without_anything_has_nothing(tmp_path: Path) -> None:
    """Not even a bus."""
    assert System() == find_system(tmp_path, {})


def test_displays_on_the_bus_are_told_by_maker_and_driver(tmp_path: Path) -> None:
    """NVIDIA's sound device, on the same card, is none; a computing card is one."""
    display(tmp_path, "0000:01:00.0", "0x10de", "nouveau", "0x030000")
    display(tmp_path, "0000:01:00.1", "0x10de", "snd_hda_intel", "0x040300")
    display(tmp_path, "0000:02:00.0", "0x10de", None, "0x030200")
    display(tmp_path, "0000:00:02.0", "0x8086", "i915", "0x030000")
    display(tmp_path, "0000:03:00.0", "0x1002", None, "0x038000")
    system = find_system(tmp_path, {})
    assert (PciDevice("0000:01:00.0", "nouveau"), PciDevice("0000:02:00.0", None)) == system.pci
    assert {"AMD": "0000:03:00.0", "Intel": "0000:00:02.0 (i915)"} == system.others


def test_open_kernel_module_has_its_version_elsewhere(tmp_path: Path) -> None:
    """Behind other words than that of the closed one."""
    write(tmp_path / "proc/driver/nvidia/version", OPEN_MODULE)
    assert "570.86.15" == find_system(tmp_path, {}).module


def test_device_files_are_those_of_the_driver(tmp_path: Path) -> None:
    """Others only begin like them."""
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps", "nvidia-modeset"):
        write(tmp_path / "dev" / name, "")
    names = [path.rpartition("/")[2] for path in (n.path for n in find_system(tmp_path, {}).nodes)]
    assert ["nvidia-uvm", "nvidia0", "nvidiactl"] == names


def test_device_file_of_nobody_has_no_group(tmp_path: Path) -> None:
    """A number without a name is no help to `usermod`."""
    write(tmp_path / "dev/nvidia0", "")
    if os.geteuid():
        pytest.skip("only the superuser can give a file to a group that does not exist")
    os.chown(tmp_path / "dev/nvidia0", 0, 987_654)
    (node,) = find_system(tmp_path, {}).nodes
    assert Node(str(tmp_path / "dev/nvidia0"), may_use=True, group="") == node


def test_what_chooses_a_gpu_is_kept_from_the_environment(tmp_path: Path) -> None:
    """And nothing else of it."""
    environ = {"CUDA_VISIBLE_DEVICES": "1", "HF_TOKEN": "secret", "container": "docker"}
    system = find_system(tmp_path, environ)
    assert ({"CUDA_VISIBLE_DEVICES": "1"}, True) == (system.choices, system.in_container)


def test_jetson_is_told_by_its_device_tree(tmp_path: Path) -> None:
    """It has no display on the bus; values end with a zero byte."""
    tree = tmp_path / "sys/firmware/devicetree/base"
    write(tree / "compatible", "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0")
    write(tree / "model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    assert "NVIDIA Jetson AGX Orin Developer Kit" == find_system(tmp_path, {}).tegra


def test_wsl_is_told_by_its_kernel(tmp_path: Path) -> None:
    """Its first version has no device file."""
    write(tmp_path / "proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n")
    assert find_system(tmp_path, {}).is_wsl
