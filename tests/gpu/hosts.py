"""Hosts with GPUs, on one that may have none: what the kernel, the driver and Docker show of them.

The driver's libraries are small ones that the loader finds first and that answer from a file;
`nvidia-smi` and `docker` are scripts that print what the real ones printed; what the kernel shows
is mounted over `/proc`, `/sys` and `/dev` in a namespace of mounts that only the command sees.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Ran, free_port
from tests.test_bind_mount import in_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPOSITORY = Path(__file__).parents[2]
SOURCES = Path(__file__).parent / "driver"
MIB = 1 << 20
GIB = 1 << 30

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ENTER = """\
set -e
root=$1; shift
for name in {devices}; do
  if [ -e /dev/$name ]; then mount --bind /dev/$name "$root/dev/$name"; fi
done
for path in "$root"/closed/*; do
  [ -e "$path" ] || continue
  mount --bind "$path" "$root/dev/${{path##*/}}"
  mount -o remount,ro,bind "$root/dev/${{path##*/}}"
done
mount --rbind "$root/dev" /dev
mount --bind "$root/proc" /proc/driver
mount --bind "$root/pci" /sys/bus/pci/devices
if [ -e "$root/lib/wsl" ]; then
  mount -t overlay overlay -o "lowerdir=$root/lib:/usr/lib" /usr/lib
fi
exec "$@"
"""
_SMI = """\
case "$1" in
--query-gpu=*) /bin/cat {folder}/devices; exit {exit_code};;
--query-compute-apps=*) /bin/cat {folder}/programs;;
-L) /bin/cat {folder}/listed;;
*) exit 2;;
esac"""
_COMPOSE = "services:\n  local_ai_server:\n    image: voice\n"
# The shape of `docker info --format '{{json .}}'`, Docker 28.2.2; most of it left out.
_DOCKER_INFO: Mapping[str, Any] = {
    "ID": "U53A:MNF6:AEQE:EPZS",
    "Driver": "overlay2",
    "CgroupDriver": "systemd",
    "OperatingSystem": "Ubuntu 24.04.2 LTS",
    "DockerRootDir": "/nowhere/docker",
    "ServerVersion": "28.2.2",
    "DefaultRuntime": "runc",
    "CDISpecDirs": ["/nowhere/cdi"],
    "ClientInfo": {
        "Plugins": [
            {"Name": "buildx", "Version": "v0.29.1"},
            {"Name": "compose", "Version": "v2.40.3"},
        ]
    },
}


@dataclass(frozen=True, slots=True)
class Smi:
    """What `nvidia-smi` prints when its devices are asked for, their programs, and its list."""

    devices: str
    programs: str = ""
    listed: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """One host: *answers* of the driver's libraries, None where they are not there.

    *pci* has vendor and kernel driver by address; *nodes* are files in `/dev`, *closed* those that
    this user may not open. *runtimes* are Docker's, None without Docker.
    """

    answers: Mapping[str, object] | None = None
    has_nvml: bool = True
    has_cuda: bool = True
    smi: Smi | None = None
    pci: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    module: str | None = None
    nodes: Sequence[str] = ()
    closed: Sequence[str] = ()
    has_wsl_library: bool = False
    runtimes: Sequence[str] | None = None
    is_compose: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


def gpu(
    index: int,
    name: str,
    total_mib: int,
    compute: str,
    *,
    free_mib: int | None = None,
    uuid: str | None = None,
) -> dict[str, object]:
    """Return the answers about one GPU, all of whose memory is free unless *free_mib* says less."""
    free = total_mib if free_mib is None else free_mib
    about = {
        "name": name,
        "uuid": uuid or f"GPU-{index:08x}-1111-2222-3333-444444444444",
        "memory.total": total_mib * MIB,
        "memory.free": free * MIB,
        "compute": compute,
        "bus": f"00000000:{index + 1:02X}:00.0",
        "holders": 0,
    }
    return {f"{index}.{key}": value for key, value in about.items()}


def driver(version: str, cuda: int, *gpus: Mapping[str, object]) -> dict[str, object]:
    """Return the answers of a driver that runs *cuda*, 12040 for 12.4, and has *gpus*."""
    answers: dict[str, object] = {"driver": version, "cuda": cuda, "count": len(gpus)}
    answers["nvml"] = f"{cuda // 1000}.{version}"
    for each in gpus:
        answers |= each
    return answers


def module(version: str) -> str:
    """Return what the kernel module of *version* says of itself."""
    return (
        f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu May 16 22:42:09 UTC 2024\n"
        "GCC version:  gcc version 13.2.0 (Ubuntu 13.2.0-23ubuntu4)\n"
    )


@cache
def libraries() -> Path:
    """Return the folder of the driver's libraries, built from their sources."""
    compiler = shutil.which("cc")
    if compiler is None:
        if "CI" in os.environ:
            pytest.fail("there is no `cc` to build the driver's libraries with")
        pytest.skip("there is no `cc` to build the driver's libraries with")
    folder = Path(mkdtemp(prefix="aava-driver-"))
    for source, name in (("nvml.c", "libnvidia-ml.so.1"), ("cuda.c", "libcuda.so.1")):
        options = ("-shared", "-fPIC", "-O1", "-o", str(folder / name))
        subprocess.run((compiler, *options, str(SOURCES / source)), check=True)
    return folder


def lay_out(host: Host, folder: Path) -> dict[str, str]:
    """Write what *host* shows below *folder*, and return the environment of its programs."""
    for name in ("bin", "dev", "proc", "pci", "closed", "drivers", "loaded", "project", "home"):
        (folder / name).mkdir(parents=True)
    _lay_kernel(host, folder)
    _lay_programs(host, folder)
    _lay_project(host, folder)
    environ = {"PATH": str(folder / "bin"), "HOME": str(folder / "home")}
    if host.answers is not None:
        lines = (f"{key}={value}\n" for key, value in host.answers.items())
        (folder / "answers").write_text("".join(lines), encoding="utf-8")
        for name, there in (("libnvidia-ml.so.1", host.has_nvml), ("libcuda.so.1", host.has_cuda)):
            if there:
                (folder / "loaded" / name).symlink_to(libraries() / name)
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    loader = {"LD_LIBRARY_PATH": str(folder / "loaded"), "FAKE_DRIVER": str(folder / "answers")}
    return {**kept, **environ, **loader, **host.environ}


def _lay_kernel(host: Host, folder: Path) -> None:
    for name in _DEVICES:
        (folder / "dev" / name).touch()
    for name in (*host.nodes, *host.closed):
        (folder / "dev" / name).touch()
    for name in host.closed:
        (folder / "closed" / name).touch()
    if host.module is not None:
        (folder / "proc" / "nvidia").mkdir()
        (folder / "proc" / "nvidia" / "version").write_text(module(host.module), encoding="ascii")
    for address, (vendor, taken_by) in host.pci.items():
        device = folder / "pci" / address
        device.mkdir()
        (device / "vendor").write_text(f"{vendor}\n", encoding="ascii")
        (device / "class").write_text("0x030000\n", encoding="ascii")
        if taken_by is not None:
            (folder / "drivers" / taken_by).mkdir(exist_ok=True)
            (device / "driver").symlink_to(folder / "drivers" / taken_by)
    if host.has_wsl_library:
        (folder / "lib/wsl/lib").mkdir(parents=True)
        (folder / "lib/wsl/lib/libnvidia-ml.so.1").touch()


def _lay_programs(host: Host, folder: Path) -> None:
    if host.smi is not None:
        parts = (("devices", host.smi.devices), ("programs", host.smi.programs))
        for name, printed in (*parts, ("listed", host.smi.listed)):
            (folder / name).write_text(printed, encoding="utf-8")
        script = _SMI.format(folder=folder, exit_code=host.smi.exit_code)
        _write_program(folder / "bin" / "nvidia-smi", script)
    if host.runtimes is not None:
        info = {**_DOCKER_INFO, "Runtimes": {name: {"path": name} for name in host.runtimes}}
        (folder / "info").write_text(json.dumps(info), encoding="utf-8")
        script = f'case "$1" in info) /bin/cat {folder}/info;; compose);; *) exit 1;; esac'
        _write_program(folder / "bin" / "docker", script)


def _write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _lay_project(host: Host, folder: Path) -> None:
    project = folder / "project"
    if host.is_compose:
        (project / "docker-compose.yml").write_text(_COMPOSE, encoding="utf-8")
    values = {"LOCAL_WS_PORT": str(free_port()), **host.env}
    lines = (f"{key}={value}\n" for key, value in values.items())
    (project / ".env").write_text("".join(lines), encoding="utf-8")


def run_on(host: Host, folder: Path, *words: str) -> Ran:
    """Run `aava` with *words* on *host*, laid out in *folder*; skip where that is not permitted."""
    environ = lay_out(host, folder)
    enter = folder / "enter"
    enter.write_text(_ENTER.format(devices=" ".join(_DEVICES)), encoding="utf-8")
    command = (sys.executable, "-m", "aava_cli", "--project", str(folder / "project"), *words)
    inside = in_namespace(("/bin/sh", str(enter), str(folder), "/usr/bin/env", "-i"))
    if inside is None:
        if "CI" in os.environ:
            pytest.fail("`unshare -m` is not permitted here")
        pytest.skip("`unshare -m` is not permitted here, so nothing can be mounted")
    said = (f"{name}={value}" for name, value in environ.items())
    done = subprocess.run(
        [*inside, *said, *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)
