"""What is known of GPUs, of their driver, and of what stands between them and a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

DriverProblem: TypeAlias = Literal[
    "mismatch",
    "not-loaded",
    "no-library",
    "no-permission",
    "blocked",
    "lost",
    "power",
    "reset",
    "cut-off",
    "no-answer",
    "other",
]
"""Where the driver stops: `cut-off` is a container whose right to its GPU was taken back,
`blocked` one that was never given it."""
Make: TypeAlias = Literal["AMD", "Intel"]
CudaProblem: TypeAlias = Literal["no-library", "refused", "no-device", "no-context", "no-answer"]

# Which GPU a CUDA program takes; a daemon in a container gets them from `.env`.
CHOICES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
# What of `.env` decides about GPUs.
GPU_SETTINGS = (*CHOICES, "NVIDIA_DISABLE_REQUIRE", "LOCAL_LLM_GPU_LAYERS")


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that holds a GPU's memory; its *name* is None where another container hides it."""

    pid: int
    name: str | None
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device that a program can use: a GPU, or with MIG a slice of the GPU *parent*.

    A device that shares the host's memory reports none of its own. *index* is the driver's
    number of the GPU, in the order of the bus; CUDA counts in an order of its own.
    """

    name: str
    uuid: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    compute: tuple[int, int] | None = None
    index: int = 0
    bus_id: str = ""
    parent: str | None = None
    holders: tuple[Holder, ...] = ()
    uncorrected_errors: int | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A GPU that the driver counts and that no program can use; *uncut*: MIG without a slice."""

    index: int
    problem: DriverProblem | Literal["uncut"]
    detail: str


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A display controller on the bus, and the kernel's driver that took it."""

    address: str
    driver: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A device file, and whether this user may use it; *group* may."""

    path: str
    may_use: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """What the kernel has of GPUs, whatever the driver's library says.

    *module* is the version of NVIDIA's kernel module if it is loaded, *tegra* what a Jetson calls
    itself. *others* are the makes beside NVIDIA, each with how it was recognised.
    """

    pci: tuple[PciDevice, ...] = ()
    module: str | None = None
    nodes: tuple[Node, ...] = ()
    tegra: str | None = None
    is_wsl: bool = False
    has_wsl_library: bool = False
    in_container: bool = False
    has_toolkit: bool = False
    others: Mapping[Make, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """A device as CUDA sees it; its *uuid* is without the driver's `GPU-` or `MIG-`."""

    uuid: str
    name: str
    total_bytes: int
    compute: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cuda:
    """What a program found that tried to use CUDA; *code* is the driver's own answer.

    *version* is the newest CUDA that the driver runs, *devices* are in the order of CUDA.
    """

    problem: CudaProblem | None = None
    code: int | None = None
    detail: str = ""
    version: tuple[int, int] | None = None
    devices: tuple[CudaDevice, ...] = ()


@dataclass(frozen=True, slots=True)
class Gpus:
    """What the NVIDIA driver says; *problem* is why it says nothing, *detail* its own words.

    *cuda* is None where nobody tried to use it.
    """

    devices: tuple[Gpu, ...] = ()
    driver: str | None = None
    problem: DriverProblem | None = None
    detail: str = ""
    broken: tuple[Broken, ...] = ()
    newest_cuda: tuple[int, int] | None = None
    library: str | None = None
    source: Literal["nvml", "nvidia-smi", "cuda"] = "nvml"
    system: System = field(default_factory=System)
    cuda: Cuda | None = None


@dataclass(frozen=True, slots=True)
class EngineGpu:
    """What a running daemon says of its GPU; *usable* is its own view, from `nvidia-smi` alone.

    *fallbacks* is what runs on the CPU although something else was asked for.
    """

    usable: bool | None
    error: str = ""
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerGpu:
    """What a container of the daemon's *image* found with the GPU that its Compose files ask for.

    *refusal* is why the engine started none; *smi* what `nvidia-smi` said in it, *has_smi* whether
    it worked; *cuda* is None where the image has no Python to try it with.
    """

    image: str
    refusal: str = ""
    has_smi: bool = False
    smi: str = ""
    cuda: Cuda | None = None

    @property
    def works(self) -> bool:
        """Whether a program in the container can use the GPU."""
        return not self.refusal and self.has_smi and (self.cuda is None or not self.cuda.problem)
