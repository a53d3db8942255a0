"""How to mend what is broken, a sentence with its command for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gpu.facts import DriverProblem

INSTALL = (
    "install NVIDIA's driver (Ubuntu: `sudo ubuntu-drivers install --gpgpu`, "
    "Debian: `sudo apt-get install nvidia-driver`)"
)
RESTART = "start the container anew: `docker compose up -d --force-recreate`"
# `systemctl daemon-reload` takes running containers their right to the devices:
# github.com/NVIDIA/nvidia-container-toolkit/issues/48
CUT_OFF = "this container lost its GPU, as `systemctl daemon-reload` on the host does"
KEEP = (
    f'{RESTART}; so that it stays, set `"exec-opts": ["native.cgroupdriver=cgroupfs"]` in '
    "`/etc/docker/daemon.json`, or ask for the GPU by CDI"
)

GPU_FIXES: Mapping[DriverProblem, tuple[str, str]] = {
    "mismatch": ("the driver was updated under a running kernel", "reboot the host"),
    "no-library": ("the driver's library is not there", INSTALL),
    "not-loaded": ("the kernel module is not loaded", "run `sudo modprobe nvidia`"),
    "no-permission": (
        "this user may not use the GPU",
        "run `ls -l /dev/nvidia*`, and `sudo usermod -aG GROUP $USER` with the group that it shows",
    ),
    "blocked": (
        "this container may not use the GPU's device files",
        "start it with `--gpus all`, with the NVIDIA container toolkit on the host",
    ),
    "lost": (
        "the GPU fell off the bus",
        "reboot the host; if it comes again, look at power, heat and `sudo dmesg | grep -i xid`",
    ),
    "power": ("the GPU's power cables are not plugged in", "plug them in, and reboot the host"),
    "reset": ("the GPU has to be reset", "run `sudo nvidia-smi --gpu-reset -i 0`, or reboot"),
    "cut-off": (CUT_OFF, KEEP),
    "no-answer": (
        "the NVIDIA driver does not answer",
        "run `sudo dmesg | grep -i nvrm`, then reboot the host",
    ),
    "other": ("the NVIDIA driver does not work", "run `nvidia-smi` to see what it says"),
}

CUDA_FIX = "run `sudo nvidia-modprobe -u -c 0`; if it stays so, reboot the host"
# By `CUresult`: docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
CUDA_FIXES: Mapping[int, str] = {
    2: "free its memory: `nvidia-smi` shows which program holds it",
    34: "take the stub `libcuda.so` of a CUDA toolkit out of `LD_LIBRARY_PATH`",
    46: "another program has the GPU to itself: `sudo nvidia-smi -c DEFAULT` shares it",
    100: "run `env | grep VISIBLE_DEVICES`: what hides the GPUs is set there",
    101: "run `env | grep VISIBLE_DEVICES`: what hides the GPUs is set there",
    214: "an uncorrectable memory error: `sudo nvidia-smi --gpu-reset`, or reboot the host",
    802: "run `sudo systemctl start nvidia-fabricmanager`, of the driver's exact version",
    803: "make `libcuda.so.1` and the kernel module one version: reboot, or reinstall the driver",
    804: "take CUDA's `compat` folder out of `LD_LIBRARY_PATH`: this GPU does not support it",
    999: (
        "run `sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm && sudo nvidia-modprobe -u "
        "-c 0`: after a suspend CUDA is lost; in a container, start it anew"
    ),
}
