"""How to mend what is broken, a sentence for each; its command stands behind `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gpu.facts import DriverProblem

REBOOT = "run `sudo reboot`"
KERNEL_LOG = "run `sudo dmesg | grep -i nvrm` to see why, and reboot"
INSTALL = (
    "run `sudo ubuntu-drivers install --gpgpu` on Ubuntu, "
    "`sudo apt-get install nvidia-driver` on Debian"
)
RESTART = "run `docker compose up -d --no-build --force-recreate` to start the container anew"
WITH_GPU = "start it with `--gpus all`, with the NVIDIA container toolkit on the host"
# `systemctl daemon-reload` takes running containers their right to the devices:
# github.com/NVIDIA/nvidia-container-toolkit/issues/48
CUT_OFF = "this container lost its GPU, as `systemctl daemon-reload` on the host does"
KEEP = (
    f'{RESTART}; so that it stays, set `"exec-opts": ["native.cgroupdriver=cgroupfs"]` in '
    "`/etc/docker/daemon.json`, or ask for the GPU by CDI"
)

GPU_FIXES: Mapping[DriverProblem, tuple[str, str]] = {
    "mismatch": ("the driver was updated under a running kernel", REBOOT),
    "no-library": ("the driver's library is not there", INSTALL),
    "not-loaded": ("the kernel module is not loaded", "run `sudo modprobe nvidia`"),
    "no-permission": (
        "this user may not use the GPU",
        "run `ls -l /dev/nvidia*`, and `sudo usermod -aG GROUP $USER` with the group that it shows",
    ),
    "blocked": ("this container may not use the GPU's device files", WITH_GPU),
    "lost": (
        "the GPU fell off the bus",
        f"{REBOOT}; if it comes again, look at power, heat and `sudo dmesg | grep -i xid`",
    ),
    "power": ("the GPU's power cables are not plugged in", "plug them in, and reboot the host"),
    "reset": ("the GPU has to be reset", "run `sudo nvidia-smi --gpu-reset`, or reboot the host"),
    "cut-off": (CUT_OFF, KEEP),
    "no-answer": ("the NVIDIA driver does not answer", KERNEL_LOG),
    "other": ("the NVIDIA driver does not work", "run `nvidia-smi` to see what it says"),
}

CUDA_FIX = "run `sudo nvidia-modprobe -u -c 0`; if it stays so, reboot the host"
_HIDDEN = "run `env | grep VISIBLE_DEVICES`: what hides the GPUs is set there"
# By `CUresult`: docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
CUDA_FIXES: Mapping[int, str] = {
    2: "run `nvidia-smi` to see which program holds its memory, and end it",
    34: "take the stub `libcuda.so` of a CUDA toolkit out of `LD_LIBRARY_PATH`",
    46: "run `sudo nvidia-smi -c DEFAULT` to share it: another program has it to itself",
    100: _HIDDEN,
    101: _HIDDEN,
    214: "run `sudo nvidia-smi --gpu-reset`, or reboot: its memory has an uncorrectable error",
    802: "run `sudo systemctl start nvidia-fabricmanager`, of the driver's exact version",
    803: f"{REBOOT}: `libcuda.so.1` and the kernel module are of two versions",
    804: "take CUDA's `compat` folder out of `LD_LIBRARY_PATH`: this GPU does not support it",
    999: (
        "run `sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm && sudo nvidia-modprobe -u "
        "-c 0`: CUDA is lost in a suspend; a container has to be started anew"
    ),
}
