"""What ended a build, told by what its failing step printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import AavaError, IntegrityError, NetworkError, NoSpace

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.docker.buildlog import FailedStep


class BuildFailed(AavaError):
    """A step of the build ended badly; what runs was not touched."""

    code = "build-failed"


@dataclass(frozen=True, slots=True)
class _Cause:
    """One of *signs* is in what was printed."""

    signs: tuple[str, ...]
    kind: type[AavaError]
    message: str
    hint: str


_CAUSES = (
    _Cause(
        ("no space left on device", "disk quota exceeded"),
        NoSpace,
        "the engine has no room left",
        "run `docker system df` to see what takes it; `docker builder prune` frees some",
    ),
    _Cause(
        (
            *("temporary failure in name resolution", "could not resolve host"),
            *("name or service not known", "temporary failure resolving", "no such host"),
        ),
        NetworkError,
        "a host's name could not be resolved",
        "see whether this host resolves names, then `dns` in Docker's `daemon.json`",
    ),
    _Cause(
        (
            *("checksum did not match", "checksums did not match"),
            *("hash mismatch", "hash sum mismatch", "checksum mismatch"),
            *("do not match the hashes", "checksum failed", ": failed\nsha256sum"),
        ),
        IntegrityError,
        "what was downloaded is not what was expected",
        "try again; if it stays so, compare the checksum in `.env` or the Dockerfile",
    ),
    _Cause(
        (
            *("no matching distribution found", "could not find a version that satisfies"),
            *("404 not found", "404  not found", "error 404:", "returned error: 404"),
            *("' was not found", "unable to locate package"),
        ),
        BuildFailed,
        "a pinned version is not to be had any more",
        "update the project, whose newer versions pin another one",
    ),
    _Cause(
        ("could not select device driver", "unknown or invalid runtime name", "libcuda.so"),
        BuildFailed,
        "the engine lacks the NVIDIA runtime",
        "run `sudo nvidia-ctk runtime configure --runtime=docker`, then restart Docker",
    ),
    _Cause(
        ("killed signal terminated program", "exit code: 137"),
        BuildFailed,
        "a program was killed, for lack of memory or because the engine stopped",
        "run `free -h` and `docker info`, then try again",
    ),
    _Cause(
        (
            *(
                "fatal error:",
                "cmake error",
                "nvcc fatal",
                "ninja: build stopped",
                "error: command",
            ),
            *("failed building wheel", "compilation terminated", "collect2: error"),
        ),
        BuildFailed,
        "a source did not compile",
        "read its last lines above, then update the project or leave the backend out",
    ),
)


def failure_of(step: FailedStep, log: Path) -> AavaError:
    """Return why *step* failed, with the cause where it is a known one."""
    text = "\n".join((*step.last_lines, step.error)).lower()
    for cause in _CAUSES:
        if any(sign in text for sign in cause.signs):
            return cause.kind(f"{cause.message}: `{step.name}` failed", hint=cause.hint)
    return BuildFailed(f"`{step.name}` failed: {step.error}", hint=f"read `{log}`")
