"""What this host is: its system, processors, memory, disks and clock."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.backends import BACKENDS
from aava_cli.limits import cpu_limit, memory_limit_bytes
from aava_cli.preflight import facts
from aava_cli.session import read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from aava_cli.settings import Settings

_ROOT = Path("/")
# Makers of machines that are none, as their firmware names them: Linux Documentation/ABI
# testing/sysfs-firmware-dmi, and the table in systemd's src/basic/virt.c.
_MAKERS = {
    "Amazon EC2": "Amazon EC2",
    "Google": "Google Compute Engine",
    "KVM": "KVM",
    "Microsoft": "Hyper-V",
    "OpenStack": "OpenStack",
    "QEMU": "QEMU",
    "VMware": "VMware",
    "VirtualBox": "VirtualBox",
    "Xen": "Xen",
    "innotek": "VirtualBox",
}
# What `adjtimex` answers where nothing keeps the clock right: TIME_ERROR of linux/timex.h.
_NOT_SYNCHRONISED = 5
_TIMEX_BYTES = 512


def find_machine(root: Path = _ROOT) -> facts.Machine:
    """Describe the system that the program runs on."""
    import resource

    release = _os_release(root)
    cpu = _cpu_info(root)
    cpus = float(len(os.sched_getaffinity(0)))
    return facts.Machine(
        python=sys.version_info[:3],
        arch=platform.machine(),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", platform.system()),
        container=find_container(os.environ, root),
        cpus=min(cpus, cpu_limit(root) or cpus),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        virtual=find_virtual(root, cpu),
        # As sd_booted(3) finds it out.
        has_systemd=(root / "run/systemd/system").is_dir(),
        support_end=release.get("SUPPORT_END"),
        today=time.strftime("%Y-%m-%d"),
        user_id=os.geteuid(),
        cpu_flags=cpu,
        locale=_locale(os.environ),
        encoding="utf-8" if sys.flags.utf8_mode else locale.getencoding(),
    )


def _os_release(root: Path) -> dict[str, str]:
    path = root / "etc/os-release"
    return envfile.read(read_text(path), name=str(path)) if path.exists() else {}


def _cpu_info(root: Path) -> tuple[str, ...]:
    """Return what the first processor can do: `flags` on x86, `Features` on ARM."""
    path = root / "proc/cpuinfo"
    for line in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return tuple(sorted(values.split()))
    return ()


def _locale(environ: Mapping[str, str]) -> str:
    names = (environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, names), "C")


def find_container(environ: Mapping[str, str], root: Path = _ROOT) -> str | None:
    """Return what kind of container this is, if it is one."""
    if "VAST_CONTAINERLABEL" in environ or _is_vast(root):
        return "Vast.ai"
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "Kubernetes"
    marks = {"Docker": root / ".dockerenv", "Podman": root / "run/.containerenv"}
    found = (kind for kind, mark in marks.items() if mark.exists())
    return next(found, environ.get("container"))


def _is_vast(root: Path) -> bool:
    # A shell over ssh has none of the variables that the container was started with.
    return any(b"VAST_CONTAINERLABEL=" in data for data in _first_process(root))


def _first_process(root: Path) -> Iterator[bytes]:
    for path in (root / "proc/1/environ", root / "etc/environment"):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def find_virtual(root: Path, cpu_flags: Collection[str]) -> str | None:
    """Return which virtual machine this is; None where nothing says that it is one."""
    for name in ("sys_vendor", "product_name"):
        path = root / "sys/class/dmi/id" / name
        text = path.read_text("utf-8", "replace").strip() if path.is_file() else ""
        found = next((known for start, known in _MAKERS.items() if text.startswith(start)), None)
        if found:
            return found
    return "a virtual machine" if "hypervisor" in cpu_flags else None


def find_clock() -> facts.Clock:
    """Ask the kernel whether something keeps its clock right; nothing is set."""
    import ctypes

    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    return clock_of(ctypes.CDLL(None).adjtimex(buffer))


def clock_of(state: int) -> facts.Clock:
    """Return what `adjtimex` means by *state*.

    Raises:
        ValueError: it does not say; a container may forbid to ask.
    """
    if state < 0:
        raise ValueError("the kernel does not say how its clock is kept")
    return facts.Clock(is_synchronised=state != _NOT_SYNCHRONISED)


def find_memory() -> facts.Memory:
    """Return how much memory there is, and how much of it this container may use."""
    import psutil

    memory = psutil.virtual_memory()
    return facts.Memory(memory.total, memory.available, memory_limit_bytes())


def find_disks(settings: Settings) -> tuple[facts.Disk, ...]:
    """Return the room for models and for the project's own files."""
    return (
        facts.Disk("models", settings.models_dir, _free_bytes(settings.models_dir)),
        facts.Disk("project", settings.project, _free_bytes(settings.project)),
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """Return *folder*, or the nearest folder above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def find_engines() -> tuple[str, ...]:
    """Return the backends that the native daemon can run here, without importing them."""
    from importlib.util import find_spec

    return tuple(
        backend.name
        for backend in BACKENDS.values()
        if backend.package is not None and find_spec(backend.package) is not None
    )
