"""Which rung between a GPU and a program is broken, from the bus up; decided from facts alone.

The device on the bus, the kernel's module, the device files, the driver's library, the driver's
answer, and CUDA. Each has another cause and another fix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.gpu.words import (
    CUDA_FIX,
    CUDA_FIXES,
    GPU_FIXES,
    INSTALL,
    KERNEL_LOG,
    REBOOT,
    RESTART,
    WITH_GPU,
)

if TYPE_CHECKING:
    from aava_cli.gpu.facts import Broken, Cuda, DriverProblem, Gpus, System

RungName: TypeAlias = Literal["device", "module", "files", "library", "driver", "gpu", "cuda"]
# `CUresult`: no memory left, or another program has the device to itself.
_BUSY = frozenset({2, 46})


@dataclass(frozen=True, slots=True)
class Rung:
    """The lowest rung that does not hold: what was seen, and how to mend it."""

    name: RungName
    evidence: str
    fix: str


def has_nvidia(gpus: Gpus) -> bool:
    """Return whether anything here is NVIDIA's: a device, its driver, or traces of them."""
    system = gpus.system
    traces = gpus.devices or gpus.broken or gpus.driver or system.pci or system.module
    return bool(traces or system.nodes or system.is_wsl or system.tegra) or gpus.problem not in (
        None,
        "no-library",
    )


def broken_rung(gpus: Gpus) -> Rung | None:
    """Return what keeps programs from the driver; None where it answers, or where none is."""
    if gpus.devices or not has_nvidia(gpus):
        return None
    if gpus.problem in ("no-library", "not-loaded"):
        return _below_driver(gpus)
    if gpus.problem is not None:
        return _driver(gpus, gpus.problem)
    if gpus.broken:
        return broken_gpu(gpus, gpus.broken[0])
    evidence = f"driver {gpus.driver or 'of NVIDIA'} shows no device"
    chosen = gpus.system.choices.get("NVIDIA_VISIBLE_DEVICES")
    if chosen in ("", "none", "void"):
        evidence = f"{evidence}: `NVIDIA_VISIBLE_DEVICES` is `{chosen}`"
        return Rung("driver", evidence, "start the container with `NVIDIA_VISIBLE_DEVICES=all`")
    return Rung("driver", evidence, "run `nvidia-smi -L` and `sudo dmesg | grep -i nvrm`")


def _below_driver(gpus: Gpus) -> Rung:
    system = gpus.system
    if system.is_wsl:
        return _wsl(system)
    if system.tegra is not None:
        fix = "run `sudo apt-get install nvidia-jetpack`; a container needs `--runtime=nvidia`"
        return Rung("library", f"{system.tegra}: there is no CUDA library for its GPU", fix)
    if system.module is None and not system.nodes:
        return _module(system)
    if system.in_container and (gpus.problem == "no-library" or not system.nodes):
        evidence = f"the host has NVIDIA's driver {system.module or ''}".rstrip()
        evidence = f"{evidence}, this container was started without its GPU"
        return Rung("library", evidence, WITH_GPU)
    if not system.nodes:
        evidence = f"kernel module {system.module}, no `/dev/nvidia*`"
        return Rung("files", evidence, "run `sudo nvidia-modprobe -c 0 -u`")
    return _closed(system) or _library(gpus)


def _wsl(system: System) -> Rung:
    if system.has_wsl_library:
        evidence = "WSL: the driver's library is in `/usr/lib/wsl/lib`, where programs do not look"
        return Rung("library", evidence, "run `sudo ldconfig /usr/lib/wsl/lib`")
    evidence = "WSL: Windows hands in a GPU and no NVIDIA library"
    fix = "install NVIDIA's driver in Windows, none here; then run `wsl --shutdown` there"
    return Rung("library", evidence, fix)


def _module(system: System) -> Rung:
    taken = {device.driver for device in system.pci}
    where = ", ".join(device.address for device in system.pci) or "on the bus"
    if "nouveau" in taken:
        evidence = f"NVIDIA GPU {where}: the kernel's own `nouveau` has it, which has no CUDA"
        return Rung("module", evidence, f"{INSTALL}, and reboot")
    if "vfio-pci" in taken:
        evidence = f"NVIDIA GPU {where}: set aside for a virtual machine (`vfio-pci`)"
        fix = "run aava in that machine, or give the GPU back to the driver `nvidia`"
        return Rung("module", evidence, fix)
    if not system.pci:
        evidence = "NVIDIA's driver is installed, and there is no NVIDIA device on the bus"
        fix = "run `lspci -d 10de:`; a virtual machine needs its GPU handed in"
        return Rung("device", evidence, fix)
    evidence = f"NVIDIA GPU {where}: the kernel module is not loaded"
    fix = f"run `sudo modprobe nvidia`; if there is none, {INSTALL}; Secure Boot wants it signed"
    return Rung("module", evidence, fix)


def _closed(system: System) -> Rung | None:
    """Return the device file that this user may not open, if there is one."""
    for node in system.nodes:
        if not node.may_use:
            fix = f"run `sudo usermod -aG {node.group or 'video'} $USER`, and log in again"
            return Rung("files", f"this user may not open `{node.path}`", fix)
    return None


def _library(gpus: Gpus) -> Rung:
    version = gpus.system.module or ""
    if gpus.problem == "not-loaded":
        evidence = f"kernel module {version or 'unknown'}, and the driver does not answer"
        return Rung("driver", evidence, KERNEL_LOG)
    evidence = f"kernel module {version or 'of NVIDIA'}, no `libnvidia-ml.so.1`"
    branch = version.partition(".")[0]
    package = f"run `sudo apt-get install libnvidia-compute-{branch}`" if branch else INSTALL
    return Rung("library", evidence, f"{package}: the libraries have to be of that version")


def _driver(gpus: Gpus, problem: DriverProblem) -> Rung:
    system = gpus.system
    said = f" ({gpus.detail})" if gpus.detail else ""
    if problem == "mismatch":
        versions = (("kernel module", system.module), ("library", gpus.library))
        known = " and ".join(f"{name} {version}" for name, version in versions if version)
        evidence = f"the driver was updated under a running kernel: {known or gpus.detail}"
        return Rung("driver", evidence, RESTART if system.in_container else REBOOT)
    closed = _closed(system)
    if problem == "no-permission" and closed is not None:
        return closed
    if problem == "cut-off" and not system.in_container:
        evidence = f"the NVIDIA driver does not work{said}"
        return Rung("driver", evidence, KERNEL_LOG)
    evidence, fix = GPU_FIXES[problem]
    return Rung("driver", f"{evidence}{said}", fix)


def broken_gpu(gpus: Gpus, broken: Broken) -> Rung:
    """Return what is wrong with a GPU that the driver counts and nobody can use."""
    if broken.problem == "uncut":
        fix = "run `sudo nvidia-smi mig -lgip` to see sizes, and `sudo nvidia-smi mig -cgi ID -C`"
        return Rung("gpu", f"GPU {broken.index}: {broken.detail}", fix)
    rung = _driver(gpus, broken.problem)
    return Rung("gpu", f"GPU {broken.index}: {broken.detail}", rung.fix)


def is_busy(cuda: Cuda | None) -> bool:
    """Return whether CUDA fails only because of what uses the GPU now: the daemon, perhaps."""
    return cuda is not None and cuda.code in _BUSY


def broken_cuda(cuda: Cuda | None) -> Rung | None:
    """Return why a program cannot use CUDA where the driver answers; None if it can."""
    if cuda is None or cuda.problem is None:
        return None
    if cuda.problem == "no-library":
        fix = "run `sudo apt-get install libcuda1` on Debian, `... libnvidia-compute-NNN` on Ubuntu"
        return Rung("cuda", "there is no CUDA library, `libcuda.so.1`", fix)
    if cuda.problem == "no-answer":
        evidence = f"CUDA does not answer: {cuda.detail}"
        return Rung("cuda", evidence, KERNEL_LOG)
    said = f"{cuda.detail} ({cuda.code})" if cuda.code else cuda.detail
    evidence = f"CUDA cannot be used: {said}"
    return Rung("cuda", evidence, CUDA_FIXES.get(cuda.code or 0, CUDA_FIX))
