"""What the engines' builds need of a driver and of a GPU; nothing is asked here.

The daemon's GPU image is made from CUDA 12.4 and carries PyTorch 2.5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.gpu.facts import Gpus

_CUDA_12 = (12, 0)
IMAGE_CUDA = (12, 4)
# CUDA Toolkit release notes, tables 2 and 3: what every 12.x runs on, and what 12.4 came with.
# docs.nvidia.com/cuda/archive/12.4.1/cuda-toolkit-release-notes/
CUDA_12_DRIVER = (525, 60, 13)
CUDA_12_4_DRIVER = (550, 54, 14)
# `NVIDIA_REQUIRE_CUDA` of `nvidia/cuda:12.4.1`: any driver for CUDA 12.4, and these branches.
_ALLOWED_BRANCHES = frozenset({470, 525, 535})
# PyTorch 2.5.1 for CUDA 12.4 has code for sm_50 to sm_90, none that a newer GPU can translate:
# github.com/pytorch/pytorch/issues/150733
OLDEST_COMPUTE, NEWEST_COMPUTE = (5, 0), (9, 0)


def version_numbers(driver: str) -> tuple[int, ...]:
    """Return the numbers of a driver's version."""
    return tuple(int(part) for part in driver.split(".") if part.isdecimal())


def runs_cuda_12(gpus: Gpus) -> bool:
    """Return whether the driver runs programs of CUDA 12; one that is unknown is believed."""
    if gpus.driver is None:
        return gpus.newest_cuda is None or gpus.newest_cuda >= _CUDA_12
    return version_numbers(gpus.driver) >= CUDA_12_DRIVER


def starts_image(gpus: Gpus) -> bool:
    """Return whether the NVIDIA runtime starts the daemon's image with this driver."""
    if gpus.driver is None:
        return True
    numbers = version_numbers(gpus.driver)
    if gpus.newest_cuda is not None and gpus.newest_cuda >= IMAGE_CUDA:
        return True
    return numbers >= CUDA_12_4_DRIVER or numbers[0] in _ALLOWED_BRANCHES
