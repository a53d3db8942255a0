"""Which problem an error number of the NVIDIA driver stands for.

The library and `nvidia-smi`, whose exit code is the library's, share the numbers:
`nvmlReturn_t` in the NVML reference, docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceEnumvs.html,
and "RETURN VALUE" in the manual page of nvidia-smi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gpu.facts import DriverProblem

LIBRARY_NOT_FOUND = 12

_PROBLEMS: Mapping[int, DriverProblem] = {
    4: "no-permission",
    8: "power",
    9: "not-loaded",
    10: "no-answer",
    LIBRARY_NOT_FOUND: "no-library",
    15: "lost",
    16: "reset",
    17: "blocked",
    18: "mismatch",
    999: "cut-off",
}
# What `nvidia-smi` prints, where its exit code says no more than that it failed.
_WORDS: Mapping[str, DriverProblem] = {
    "version mismatch": "mismatch",
    "couldn't communicate with the NVIDIA driver": "not-loaded",
    "Driver Not Loaded": "not-loaded",
    "couldn't find libnvidia-ml": "no-library",
    "Insufficient Permissions": "no-permission",
    "GPU is lost": "lost",
    "GPU requires reset": "reset",
    "Failed to initialize NVML: Unknown Error": "cut-off",
}


def problem_of(code: int) -> DriverProblem:
    """Return what the library's error *code* stands for."""
    return _PROBLEMS.get(code, "other")


def problem_said(exit_code: int, words: str) -> DriverProblem:
    """Return what `nvidia-smi` means by its *exit_code* and its *words*."""
    meant = (problem for said, problem in _WORDS.items() if said in words)
    return next(meant, problem_of(exit_code))
