"""What is made of the driver's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml
import pytest

from aava_cli.gpu.facts import Gpu, Gpus
from aava_cli.gpu.probe import ask_nvidia_smi, find_gpus, read_nvml

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


class MemoryInfo(NamedTuple):
    """What the library says about memory."""

    total: int
    free: int


@dataclass
class Device:
    """A device as the library sees it; what is None it does not support."""

    name: str | None = "NVIDIA L4"
    uuid: str | None = "GPU-1"
    memory: MemoryInfo | None = field(default_factory=lambda: MemoryInfo(24 * MIB, 20 * MIB))
    compute: tuple[int, int] | None = (8, 9)
    mig_mode: tuple[int, int] | None = None
    slices: tuple[Device | None, ...] = ()


def supported(value: Any) -> Any:  # noqa: ANN401 - any answer of the library
    """Return *value*, or refuse as the library does."""
    if value is None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    return value


@dataclass
class Nvml:
    """The library's functions, for the devices of a host that the test chose."""

    devices: tuple[Device, ...] = ()
    refusal: int | None = None
    is_open: bool = False

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        """Open the library, if there is one."""
        if self.refusal is not None:
            raise pynvml.NVMLError(self.refusal)
        self.is_open = True

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - error codes and classes
        """Return one of the library's constants."""
        return getattr(pynvml, name)

    def nvmlShutdown(self) -> None:  # noqa: N802 - the library's name
        """Close the library."""
        self.is_open = False

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802 - the library's name
        """Return the driver's version."""
        return "550.90.07"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's name
        """Return how many devices there are."""
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:  # noqa: N802 - the library's name
        """Return a device."""
        return self.devices[index]

    def nvmlDeviceGetName(self, device: Device) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return what it is called."""
        return supported(device.name)

    def nvmlDeviceGetUUID(self, device: Device) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return what names it for good."""
        return supported(device.uuid)

    def nvmlDeviceGetMemoryInfo(self, device: Device) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return its memory."""
        return supported(device.memory)

    def nvmlDeviceGetCudaComputeCapability(self, device: Device) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return its generation."""
        return supported(device.compute)

    def nvmlDeviceGetMigMode(self, device: Device) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return whether it is cut into slices."""
        return supported(device.mig_mode)

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Device) -> int:  # noqa: N802 - the library's name
        """Return how many slices it may have."""
        return len(device.slices)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Device, index: int) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return a slice."""
        return supported(device.slices[index])


def test_devices_are_described_and_the_library_is_closed() -> None:
    """One device after the other."""
    nvml = Nvml((Device(), Device("NVIDIA T4", "GPU-2", MemoryInfo(MIB, 0), (7, 5))))
    assert read_nvml(nvml) == Gpus(
        (
            Gpu("NVIDIA L4", "GPU-1", 24 * MIB, 20 * MIB, (8, 9)),
            Gpu("NVIDIA T4", "GPU-2", MIB, 0, (7, 5)),
        ),
        "550.90.07",
    )
    assert not nvml.is_open


def test_what_the_driver_does_not_support_is_missing() -> None:
    """A device with the host's memory has none of its own."""
    nvml = Nvml((Device(None, None, None, None, (0, 0)),))
    assert read_nvml(nvml).devices == (Gpu("unnamed GPU", ""),)


def test_slices_stand_for_the_gpu_that_was_cut() -> None:
    """Only a slice can be used, and not every place holds one."""
    part = Device("NVIDIA H100 MIG 1g.10gb", "MIG-1", MemoryInfo(10 * MIB, 9 * MIB), None)
    nvml = Nvml((Device(mig_mode=(1, 1), slices=(None, part)),))
    expected = Gpu("NVIDIA H100 MIG 1g.10gb", "MIG-1", 10 * MIB, 9 * MIB, (8, 9))
    assert read_nvml(nvml).devices == (expected,)


def test_a_gpu_cut_into_nothing_is_no_device() -> None:
    """MIG is on and nobody made an instance."""
    assert read_nvml(Nvml((Device(mig_mode=(1, 1)),))) == Gpus((), "550.90.07")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "mismatch"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not-loaded"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no-permission"),
        (pynvml.NVML_ERROR_UNKNOWN, "other"),
    ],
)
def test_errors_of_the_library_are_told_apart(code: int, problem: str) -> None:
    """Each has another fix, and the library's own words are kept."""
    gpus = find_gpus(Nvml(refusal=code))
    assert (gpus.problem, gpus.detail) == (problem, str(pynvml.NVMLError(code)))


def write_program(folder: Path, name: str, script: str) -> None:
    """Write an executable shell script."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_program_answers_where_the_library_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values in brackets are missing ones."""
    write_program(
        tmp_path,
        "nvidia-smi",
        "echo 'NVIDIA L4, GPU-1, 24576, 20000, 8.9, 550.90'\n"
        "echo 'NVIDIA GB10, GPU-2, [N/A], [N/A], [N/A], 550.90'",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus(Nvml(refusal=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)) == Gpus(
        (Gpu("NVIDIA L4", "GPU-1", 24576 * MIB, 20000 * MIB, (8, 9)), Gpu("NVIDIA GB10", "GPU-2")),
        "550.90",
    )


def test_the_program_may_list_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is nothing to use."""
    write_program(tmp_path, "nvidia-smi", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_nvidia_smi() == Gpus()


def test_the_programs_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is wrong on its first line."""
    write_program(tmp_path, "nvidia-smi", "echo 'it cannot talk to the driver'; exit 9")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_nvidia_smi() == Gpus(problem="other", detail="it cannot talk to the driver")


def test_this_host_is_looked_at_without_an_error() -> None:
    """Whatever it has."""
    gpus = find_gpus()
    assert (gpus.problem is None) or not gpus.devices
