"""Which GPUs the code in an image runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterable

ARCHITECTURES = "LLAMA_CUDA_ARCHITECTURES"
_ENTRY = re.compile(r"(?P<major>\d+?)\.?(?P<minor>\d)(?P<exact>[af]?)(?P<kind>-real|-virtual|)")


def require_architecture(devices: Iterable[tuple[int, int]], named: str) -> None:
    """Raise `NotPossible` if code for the architectures that are *named* runs not on all *devices*.

    Where none is named, the image's file says which.
    """
    built = architectures(named)
    for device in devices:
        if built and not any(each.runs_on(device) for each in built):
            number = "".join(map(str, device))
            message = f"`{ARCHITECTURES}` leaves out this GPU, which has {number}"
            raise NotPossible(message, hint=f"add {number} to it in `.env`")


@dataclass(frozen=True, slots=True)
class Architecture:
    """One entry as CMake has it: machine code, code that newer devices translate, or both.

    Source: CMake's `CUDA_ARCHITECTURES`, and NVIDIA's rules of binary and PTX compatibility.
    """

    capability: tuple[int, int]
    is_real: bool
    is_virtual: bool
    is_exact: bool

    def runs_on(self, device: tuple[int, int]) -> bool:
        """Return whether what was compiled for this runs on *device*."""
        if self.is_exact:
            return device == self.capability
        same_major = device[0] == self.capability[0] and device[1] >= self.capability[1]
        return (self.is_real and same_major) or (self.is_virtual and device >= self.capability)


def architectures(text: str) -> tuple[Architecture, ...]:
    """Return the entries in *text*, such as `75;86-real`; none where a word stands for several."""
    words = [word for word in re.split(r"[;,\s]+", text) if word]
    found = [_ENTRY.fullmatch(word) for word in words]
    if not all(found):
        return ()
    return tuple(
        Architecture(
            (int(entry["major"]), int(entry["minor"])),
            is_real=entry["kind"] != "-virtual",
            is_virtual=entry["kind"] != "-real",
            is_exact=bool(entry["exact"]),
        )
        for entry in found
        if entry is not None
    )
