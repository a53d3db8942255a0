"""Find out everything about the GPUs of this host: the kernel, the driver and CUDA at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.gpu.cuda import finish_cuda, start_cuda
from aava_cli.gpu.nvml import ask_nvml
from aava_cli.gpu.smi import ask_nvidia_smi, find_program
from aava_cli.gpu.system import find_system

if TYPE_CHECKING:
    from aava_cli.gpu.facts import Gpus


def find_gpus() -> Gpus:
    """Return what this host has of GPUs, and whether a program can use CUDA on them."""
    trial = start_cuda()
    gpus = replace(ask_driver(), system=find_system())
    cuda = finish_cuda(trial)
    return replace(gpus, cuda=cuda, newest_cuda=gpus.newest_cuda or cuda.version)


def ask_driver() -> Gpus:
    """Ask the driver's library, else the driver's program."""
    gpus = ask_nvml()
    if gpus.problem != "no-library":
        return gpus
    program = find_program()
    return gpus if program is None else ask_nvidia_smi(program)
