"""Find out everything about the GPUs of this host: the kernel, the driver and CUDA at once."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.gpu.cuda import TIMEOUT_S, finish_cuda, start_cuda
from aava_cli.gpu.facts import Gpu, Gpus
from aava_cli.gpu.nvml import ask_nvml
from aava_cli.gpu.smi import ask_nvidia_smi, find_program
from aava_cli.gpu.system import find_system

if TYPE_CHECKING:
    from aava_cli.gpu.facts import Cuda

_LEAST_S = 0.1


def find_gpus(*, timeout_s: float = TIMEOUT_S) -> Gpus:
    """Return what this host has of GPUs, and whether a program can use CUDA on them.

    A driver that hangs is a problem like another: after *timeout_s* it is not waited for.
    """
    started = time.monotonic()
    trial = start_cuda()
    gpus = replace(_ask_in_time(timeout_s), system=find_system())
    left_s = max(timeout_s - (time.monotonic() - started), _LEAST_S)
    cuda = finish_cuda(trial, timeout_s=left_s)
    gpus = replace(gpus, cuda=cuda, newest_cuda=gpus.newest_cuda or cuda.version)
    return as_cuda_sees(gpus, cuda) if gpus.problem == "no-library" and cuda.devices else gpus


def as_cuda_sees(gpus: Gpus, cuda: Cuda) -> Gpus:
    """Return *gpus* with the devices of *cuda*: a container may have it and no other library.

    So does one with `NVIDIA_DRIVER_CAPABILITIES=compute`, and a Jetson before JetPack 6.
    """
    devices = tuple(
        Gpu(each.name, f"GPU-{each.uuid}", each.total_bytes, compute=each.compute, index=index)
        for index, each in enumerate(cuda.devices)
    )
    return replace(gpus, devices=devices, problem=None, detail="", source="cuda")


def _ask_in_time(timeout_s: float) -> Gpus:
    answers = [Gpus(problem="no-answer", detail=f"no answer within {timeout_s:g} s")]
    # What hangs in the driver cannot be ended: a daemon thread does not hold up the exit.
    asking = threading.Thread(target=lambda: answers.append(ask_driver()), daemon=True)
    asking.start()
    asking.join(timeout_s)
    return answers[-1]


def ask_driver() -> Gpus:
    """Ask the driver's library, else the driver's program."""
    gpus = ask_nvml()
    if gpus.problem != "no-library":
        return gpus
    program = find_program()
    return gpus if program is None else ask_nvidia_smi(program)
