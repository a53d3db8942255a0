"""Whether a program can use CUDA: tried in a process of its own, which the driver may keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.gpu import context, programs
from aava_cli.gpu.facts import Cuda, CudaDevice

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from aava_cli.gpu.facts import CudaProblem
    from aava_cli.gpu.programs import Ran

# A driver that nobody has used since the start of the host takes seconds to set up its devices.
TIMEOUT_S = 4.0

_PROBLEMS: Mapping[str, CudaProblem] = {
    "library": "no-library",
    "init": "refused",
    "count": "no-device",
    "device": "no-context",
    "context": "no-context",
}


def context_source() -> str:
    """Return the program that tries CUDA, for a place that has not this package."""
    return Path(context.__file__).read_text(encoding="utf-8")


def start_cuda(environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Begin to try CUDA beside this process, with *environ* added to its environment."""
    # Neither packages nor the user's own start-up files: half the time of an interpreter.
    return programs.start((sys.executable, "-I", "-S", context.__file__), environ)


def finish_cuda(trial: subprocess.Popen[str], *, timeout_s: float = TIMEOUT_S) -> Cuda:
    """Return what came of *trial*; what takes longer than *timeout_s* is ended."""
    ran = programs.finish(trial, timeout_s=timeout_s)
    if ran is None:
        return Cuda("no-answer", detail=f"no answer within {timeout_s:g} s")
    return read_cuda(ran)


def read_cuda(ran: Ran) -> Cuda:
    """Return what the program that tried CUDA found, from how it ended."""
    if ran.exit_code:
        end = f"signal {-ran.exit_code}" if ran.exit_code < 0 else f"exit code {ran.exit_code}"
        return Cuda("refused", detail=f"it ended with {end} {ran.said}".strip())
    return parse_cuda(json.loads(ran.stdout))


def parse_cuda(said: Mapping[str, Any]) -> Cuda:
    """Return what the program *said*."""
    version = said.get("version")
    step = said.get("step")
    return Cuda(
        problem=_PROBLEMS[step] if step else None,
        code=said.get("code"),
        detail=said.get("name", ""),
        version=(version // 1000, version % 1000 // 10) if version else None,
        devices=tuple(map(_device, said.get("devices", ()))),
    )


def _device(said: Mapping[str, Any]) -> CudaDevice:
    major, minor = said["compute"]
    return CudaDevice(said["uuid"], said["name"], said["total_bytes"], (major, minor))
