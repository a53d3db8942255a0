"""What the kernel has of GPUs: the bus, the module, the device files, and other makes."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.gpu.facts import CHOICES, Make, Node, PciDevice, System

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT = Path("/")
_NVIDIA, _AMD, _INTEL = "0x10de", "0x1002", "0x8086"
# Base class 3 of the PCI code and ID assignment: display controllers, computing ones too.
_DISPLAY = "0x03"
# `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 ...`, and since the open
# modules `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build ...`.
_MODULE = re.compile(r"NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s")
_CONTAINER_MARKS = (".dockerenv", "run/.containerenv")
_CONTAINER_NAMES = frozenset({"VAST_CONTAINERLABEL", "KUBERNETES_SERVICE_HOST", "container"})


def find_system(root: Path = _ROOT, environ: Mapping[str, str] = os.environ) -> System:
    """Return what the kernel below *root* has of GPUs; nothing is asked of the driver."""
    displays = tuple(_displays(root))
    return System(
        pci=tuple(device for vendor, device in displays if vendor == _NVIDIA),
        module=_module(root),
        nodes=tuple(map(_node, _node_paths(root))),
        tegra=_tegra(root),
        is_wsl=_is_wsl(root),
        has_wsl_library=(root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists(),
        in_container=any((root / mark).exists() for mark in _CONTAINER_MARKS)
        or bool(_CONTAINER_NAMES & environ.keys()),
        has_toolkit=any(map(shutil.which, ("nvidia-ctk", "nvidia-container-cli"))),
        others=dict(_others(root, displays)),
        choices={name: environ[name] for name in CHOICES if name in environ},
    )


def _displays(root: Path) -> Iterator[tuple[str, PciDevice]]:
    """Yield each display controller on the bus behind its vendor."""
    folder = root / "sys/bus/pci/devices"
    for device in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _read(device / "class").startswith(_DISPLAY):
            driver = device / "driver"
            name = driver.resolve().name if driver.exists() else None
            yield _read(device / "vendor"), PciDevice(device.name, name)


def _module(root: Path) -> str | None:
    found = _MODULE.search(_read(root / "proc/driver/nvidia/version") + "\n")
    return found[1] if found else None


def _node_paths(root: Path) -> Iterator[Path]:
    devices = root / "dev"
    yield from (
        path
        for path in sorted(devices.glob("nvidia*"))
        if path.name in {"nvidiactl", "nvidia-uvm"} or path.name.removeprefix("nvidia").isdigit()
    )


def _node(path: Path) -> Node:
    return Node(str(path), os.access(path, os.R_OK | os.W_OK), _group(path))


def _group(path: Path) -> str:
    try:
        return path.group()
    except (KeyError, OSError):
        return ""


def _tegra(root: Path) -> str | None:
    """Return the name of the board, if it is one of NVIDIA's that has the GPU beside the CPU."""
    tree = root / "sys/firmware/devicetree/base"
    # Values of the device tree end with a zero byte.
    is_tegra = "nvidia,tegra" in _read(tree / "compatible")
    return (_read(tree / "model").strip("\0") or "NVIDIA Tegra") if is_tegra else None


def _is_wsl(root: Path) -> bool:
    release = _read(root / "proc/sys/kernel/osrelease").lower()
    return (root / "dev/dxg").exists() or "microsoft" in release


def _others(root: Path, displays: tuple[tuple[str, PciDevice], ...]) -> Iterator[tuple[Make, str]]:
    """Yield the makes that are no NVIDIA, each with how it was recognised."""
    amd = [_described(device) for vendor, device in displays if vendor == _AMD]
    compute = root / "dev/kfd"
    if compute.exists():
        amd.append("`/dev/kfd`" if os.access(compute, os.R_OK | os.W_OK) else "`/dev/kfd`, closed")
    if amd:
        yield "AMD", ", ".join(amd)
    intel = [_described(device) for vendor, device in displays if vendor == _INTEL]
    if intel:
        yield "Intel", ", ".join(intel)


def _described(device: PciDevice) -> str:
    return f"{device.address} ({device.driver})" if device.driver else device.address


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
