"""Hosts, and what `aava preflight` has to find on each: the table of docs/preflight.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.gpu.hosts import GIB, MIB, Host, Smi, driver, gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NODES = ("nvidia0", "nvidiactl", "nvidia-uvm")
BUS = {"0000:01:00.0": ("0x10de", "nvidia")}
NVIDIA_RUNTIMES = ("io.containerd.runc.v2", "nvidia", "runc")
LAYERS = {"LOCAL_LLM_GPU_LAYERS": "-1"}
RTX_4090 = gpu(0, "NVIDIA GeForce RTX 4090", 24564, "8.9", free_mib=24000)
RTX_3060 = gpu(1, "NVIDIA GeForce RTX 3060", 12288, "8.6")

ONE = driver("550.90.07", 12040, RTX_4090)
TWO = driver(
    "550.90.07",
    12040,
    gpu(0, "NVIDIA GeForce RTX 3060", 12288, "8.6"),
    gpu(1, "NVIDIA GeForce RTX 4090", 24564, "8.9"),
)
EIGHT = driver(
    "570.86.15", 12080, *(gpu(index, "NVIDIA H200", 143771, "9.0") for index in range(8))
)

# A driver of version 550 and Docker with its runtime, as most hosts are to be.
HEALTHY = Host(
    answers=ONE,
    pci=BUS,
    module="550.90.07",
    nodes=NODES,
    runtimes=NVIDIA_RUNTIMES,
    is_compose=True,
    env=LAYERS,
)
# The same where no container is needed: `aava serve` is the daemon.
NATIVE = replace(HEALTHY, runtimes=None, is_compose=False)
BARE = Host(runtimes=("runc",), is_compose=True)

SMI_4090 = Smi(
    "0, NVIDIA GeForce RTX 4090, GPU-00000000-1111-2222-3333-444444444444, 00000000:01:00.0, "
    "24564, 24000, 550.90.07, 8.9, [N/A]\n",
    "GPU-00000000-1111-2222-3333-444444444444, 4242, /usr/bin/python3, 512\n",
)
MIG = {
    **gpu(0, "NVIDIA A100-SXM4-40GB", 40960, "8.0"),
    "0.mig": 1,
    "0.slices": 7,
    **{
        f"0.slice.{number}.{key}": value
        for number in range(2)
        for key, value in {
            "name": "NVIDIA A100-SXM4-40GB MIG 3g.20gb",
            "uuid": f"MIG-{number:08x}-aaaa-bbbb-cccc-dddddddddddd",
            "memory.total": 19968 * MIB,
            "memory.free": 19900 * MIB,
        }.items()
    },
}
GB10 = {
    key: value for key, value in gpu(0, "NVIDIA GB10", 0, "12.1").items() if "memory" not in key
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A host by *name*: which checks find something, what `GPU_AVAILABLE` has to say, how it ends.

    *says* are words that the findings have to hold, those of the fix too.
    """

    name: str
    host: Host
    passed: str = ""
    warned: str = ""
    usable: bool = False
    is_known: bool = True
    exit_code: int = 0
    says: tuple[str, ...] = ()

    def expected(self) -> dict[str, str]:
        """Return the status of each check that finds something."""
        statuses = (("pass", self.passed), ("warn", self.warned))
        return {f"gpu{name}": status for status, names in statuses for name in _names(names)}


def _names(text: str) -> Iterator[str]:
    """Yield the names in *text* without what all share; `.` is the first check itself."""
    yield from ("" if name == "." else f"-{name}" for name in text.split())


SCENARIOS = (
    Scenario("no GPU", BARE),
    Scenario(
        "RTX 4090, Docker with the NVIDIA runtime",
        HEALTHY,
        passed=". memory driver cuda kernels docker layers",
        usable=True,
        says=("25.2 GB free of 25.8 GB", "550.90.07, up to CUDA 12.4"),
    ),
    Scenario(
        "RTX 4090, native daemon",
        NATIVE,
        passed=". memory driver cuda layers",
        usable=True,
    ),
    Scenario(
        "RTX 4090, layers left at 0",
        replace(HEALTHY, env={"LOCAL_LLM_GPU_LAYERS": "0"}),
        passed=". memory driver cuda kernels docker",
        warned="layers",
        usable=True,
        says=("set `LOCAL_LLM_GPU_LAYERS=-1`",),
    ),
    Scenario(
        "RTX 4090, Docker without the NVIDIA runtime",
        replace(HEALTHY, runtimes=("runc",)),
        passed=". memory driver cuda kernels",
        warned="docker",
        says=(
            "sudo apt-get install nvidia-container-toolkit",
            "sudo nvidia-ctk runtime configure --runtime=docker",
        ),
    ),
    Scenario(
        "RTX 4090, its memory held by another program",
        replace(
            HEALTHY,
            answers={
                **ONE,
                "0.memory.free": 300 * MIB,
                "0.holders": 2,
                "0.holder.0.pid": 4242,
                "0.holder.0.used": 22 * GIB,
                "0.holder.1.pid": 4343,
                "process.4242": "/usr/bin/ollama",
            },
        ),
        passed=". driver cuda kernels docker layers",
        warned="memory",
        usable=True,
        says=("held by ollama (pid 4242, 23.6 GB), a hidden program (pid 4343)",),
    ),
    Scenario(
        "two GPUs, the larger one second",
        replace(
            HEALTHY,
            answers=TWO,
        ),
        passed=". memory driver cuda kernels docker layers",
        warned="choice",
        usable=True,
        says=(
            "`count: 1` gets GPU 0",
            '`device_ids: ["GPU-00000001-1111-2222-3333-444444444444"]`',
        ),
    ),
    Scenario(
        "two GPUs, native daemon, CUDA counts the larger one first",
        replace(
            NATIVE,
            answers={
                **TWO,
                "cuda.order": "1,0",
            },
        ),
        passed=". memory driver cuda choice layers",
        usable=True,
        says=("in the order `FASTEST_FIRST`, GPU 1: NVIDIA GeForce RTX 4090",),
    ),
    Scenario(
        "two GPUs, native daemon, `CUDA_DEVICE_ORDER=PCI_BUS_ID`",
        replace(
            NATIVE,
            answers=TWO,
            environ={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        ),
        passed=". memory driver cuda layers",
        warned="choice",
        usable=True,
        says=("`CUDA_VISIBLE_DEVICES=GPU-00000001-1111-2222-3333-444444444444 aava serve`",),
    ),
    Scenario(
        "RTX 4090, `CUDA_VISIBLE_DEVICES=1` in `.env`",
        replace(HEALTHY, env={**LAYERS, "CUDA_VISIBLE_DEVICES": "1"}),
        passed=". memory driver cuda kernels docker layers",
        warned="choice",
        usable=True,
        says=("a container with one GPU counts it as 0, so none",),
    ),
    Scenario(
        "eight H200",
        replace(
            HEALTHY,
            answers=EIGHT,
            module="570.86.15",
            nodes=(*(f"nvidia{index}" for index in range(8)), "nvidiactl", "nvidia-uvm"),
        ),
        passed=". memory driver cuda kernels docker choice layers",
        usable=True,
        says=("8 x NVIDIA H200, 150.8 GB free of 150.8 GB each",),
    ),
    Scenario(
        "eight H200, the fabric manager not started",
        replace(
            HEALTHY,
            answers={
                **EIGHT,
                "cuda.init": 802,
            },
            module="570.86.15",
        ),
        passed=". memory driver kernels docker choice",
        warned="cuda",
        says=("CUDA_ERROR_SYSTEM_NOT_READY (802)", "systemctl start nvidia-fabricmanager"),
    ),
    Scenario(
        "A100 cut into two slices",
        replace(HEALTHY, answers=driver("550.90.07", 12040, MIG)),
        passed=". memory driver cuda kernels docker choice mig layers",
        usable=True,
        says=("2 x NVIDIA A100-SXM4-40GB MIG 3g.20gb",),
    ),
    Scenario(
        "A100 with MIG on and no slice",
        replace(
            HEALTHY,
            answers={
                **driver("550.90.07", 12040, gpu(0, "NVIDIA A100-SXM4-40GB", 40960, "8.0")),
                "0.mig": 1,
                "0.slices": 7,
                "cuda.count": 0,
            },
        ),
        passed="driver",
        warned=".",
        says=("MIG is on, and it has no instance", "sudo nvidia-smi mig -cgi ID -C"),
    ),
    Scenario(
        "GB10, which has no memory of its own",
        replace(HEALTHY, answers=driver("580.95.05", 13000, GB10), module="580.95.05", pci={}),
        passed=". driver cuda docker layers",
        warned="kernels",
        usable=True,
        says=("NVIDIA GB10, shares the host's memory", "compute capability 12.1"),
    ),
    Scenario(
        "RTX 5090, newer than the image",
        replace(
            HEALTHY,
            answers=driver("570.86.15", 12080, gpu(0, "NVIDIA GeForce RTX 5090", 32607, "12.0")),
            module="570.86.15",
        ),
        passed=". memory driver cuda docker layers",
        warned="kernels",
        usable=True,
        says=("PyTorch in the GPU image has no code for it",),
    ),
    Scenario(
        "`[N/A]` memory, only `nvidia-smi` answers",
        replace(
            HEALTHY,
            answers=None,
            smi=Smi(
                "0, NVIDIA GB10, GPU-00000000-1111-2222-3333-444444444444, 0000000F:01:00.0, "
                "[N/A], [N/A], 580.95.05, 12.1, [N/A]\n"
            ),
            module="580.95.05",
        ),
        passed=". driver docker",
        warned="cuda kernels",
        says=("NVIDIA GB10, shares the host's memory", "there is no CUDA library"),
    ),
    Scenario(
        "NVML missing, `nvidia-smi` and CUDA there",
        replace(
            HEALTHY, answers={"cuda": 12040, "count": 1, **RTX_4090}, has_nvml=False, smi=SMI_4090
        ),
        passed=". memory driver cuda kernels docker layers",
        usable=True,
        says=("550.90.07, up to CUDA 12.4",),
    ),
    Scenario(
        "driver and library do not match",
        replace(HEALTHY, answers={"init.error": 18, "nvml": "12.535.161.08", "cuda.init": 803}),
        warned=".",
        says=("kernel module 550.90.07 and library 535.161.08",),
    ),
    Scenario(
        "driver and library do not match, only `nvidia-smi` says so",
        replace(
            HEALTHY,
            answers=None,
            smi=Smi(
                "Failed to initialize NVML: Driver/library version mismatch\n"
                "NVML library version: 535.161\n",
                exit_code=18,
            ),
        ),
        warned=".",
        says=("the driver was updated under a running kernel: kernel module 550.90.07",),
    ),
    Scenario(
        "permission denied: device files closed to this user",
        replace(
            HEALTHY,
            answers={**ONE, "0.handle.error": 4, "cuda.count": 0},
            nodes=(),
            closed=NODES,
        ),
        passed="driver",
        warned=".",
        says=("Insufficient Permissions", "sudo usermod -aG"),
    ),
    Scenario(
        "permission denied, only `nvidia-smi` says so",
        replace(
            HEALTHY,
            answers=None,
            smi=Smi("Failed to initialize NVML: Insufficient Permissions\n", exit_code=4),
            nodes=(),
            closed=NODES,
        ),
        warned=".",
        says=("this user may not open `/dev/nvidia-uvm`", "sudo usermod -aG"),
    ),
    Scenario(
        "GPU lost",
        replace(
            HEALTHY,
            answers={
                **ONE,
                "0.handle.error": 15,
                "cuda.init": 999,
            },
        ),
        passed="driver",
        warned=".",
        says=("GPU 0: GPU is lost", "sudo dmesg | grep -i xid"),
    ),
    Scenario(
        "one of two GPUs lost",
        replace(
            HEALTHY,
            answers={
                **driver("550.90.07", 12040, RTX_4090, RTX_3060),
                "1.handle.error": 15,
                "cuda.count": 1,
            },
        ),
        passed="memory driver cuda kernels docker choice layers",
        warned=".",
        usable=True,
        says=("GPU 1: GPU is lost",),
    ),
    Scenario(
        "the first of two GPUs lost",
        replace(HEALTHY, answers={**TWO, "0.handle.error": 15, "cuda.order": "1", "cuda.count": 1}),
        passed="memory driver cuda kernels docker layers",
        warned=". choice",
        usable=True,
        says=(
            "GPU 0: GPU is lost",
            "an overlay with `count: 1` gets GPU 0, which cannot be used",
            '`device_ids: ["GPU-00000001-1111-2222-3333-444444444444"]`',
        ),
    ),
    Scenario(
        "GPU with uncorrectable memory errors",
        replace(HEALTHY, answers={**ONE, "0.ecc": 3}),
        passed="memory driver cuda kernels docker layers",
        warned=".",
        usable=True,
        says=("had 3 memory errors",),
    ),
    Scenario(
        "driver 470, too old for CUDA 12",
        replace(
            HEALTHY,
            answers=driver("470.256.02", 11040, gpu(0, "Tesla T4", 15109, "7.5")),
            module="470.256.02",
        ),
        passed=". memory cuda kernels docker",
        warned="driver",
        says=("470.256.02, up to CUDA 11.4: too old for the engines' CUDA 12",),
    ),
    Scenario(
        "driver 545, too old for the image",
        replace(HEALTHY, answers=driver("545.23.08", 12030, RTX_4090), module="545.23.08"),
        passed=". memory cuda kernels docker",
        warned="driver",
        says=("unsatisfied condition: cuda>=12.4", "NVIDIA_DISABLE_REQUIRE=true"),
    ),
    Scenario(
        "driver 545, the image's requirement waived",
        replace(
            HEALTHY,
            answers=driver("545.23.08", 12030, RTX_4090),
            module="545.23.08",
            env={**LAYERS, "NVIDIA_DISABLE_REQUIRE": "true"},
        ),
        passed=". memory driver cuda kernels docker layers",
        usable=True,
    ),
    Scenario(
        "driver 535, an older branch that the image allows",
        replace(HEALTHY, answers=driver("535.183.01", 12020, RTX_4090), module="535.183.01"),
        passed=". memory driver cuda kernels docker layers",
        usable=True,
    ),
    Scenario(
        "WSL",
        replace(
            HEALTHY,
            answers=driver("560.94", 12060, RTX_4090),
            pci={},
            module=None,
            nodes=("dxg",),
        ),
        passed=". memory driver cuda kernels docker layers",
        usable=True,
    ),
    Scenario(
        "WSL without a driver in Windows",
        replace(BARE, nodes=("dxg",)),
        warned=".",
        says=("WSL: Windows hands in a GPU and no NVIDIA library", "wsl --shutdown"),
    ),
    Scenario(
        "WSL, its library not where programs look",
        replace(BARE, nodes=("dxg",), has_wsl_library=True),
        warned=".",
        says=("sudo ldconfig /usr/lib/wsl/lib",),
    ),
    Scenario(
        "AMD with ROCm",
        replace(BARE, pci={"0000:03:00.0": ("0x1002", "amdgpu")}, nodes=("kfd",)),
        warned=".",
        says=("AMD GPU 0000:03:00.0 (amdgpu), `/dev/kfd`", "not for ROCm"),
    ),
    Scenario(
        "Intel graphics",
        replace(BARE, pci={"0000:00:02.0": ("0x8086", "i915")}),
    ),
    Scenario(
        "NVIDIA GPU taken by nouveau",
        replace(BARE, pci={"0000:01:00.0": ("0x10de", "nouveau")}),
        warned=".",
        says=("`nouveau` has it", "sudo ubuntu-drivers install"),
    ),
    Scenario(
        "NVIDIA GPU set aside for a virtual machine",
        replace(BARE, pci={"0000:01:00.0": ("0x10de", "vfio-pci")}),
        warned=".",
        says=("`vfio-pci`",),
    ),
    Scenario(
        "kernel module not loaded",
        replace(
            BARE,
            answers={"init.error": 9, "nvml": "12.550.90.07", "cuda.init": 100},
            pci={"0000:01:00.0": ("0x10de", None)},
        ),
        warned=".",
        says=("the kernel module is not loaded", "sudo modprobe nvidia"),
    ),
    Scenario(
        "`nvidia-smi` fine, CUDA unusable",
        replace(HEALTHY, answers={**ONE, "cuda.init": 999}),
        passed=". memory driver kernels docker",
        warned="cuda",
        says=("`nvidia-smi` is fine, and CUDA cannot be used", "the engines use the CPU, silently"),
    ),
    Scenario(
        "`nvidia-smi` fine, the process that tries CUDA dies",
        replace(NATIVE, answers={**ONE, "cuda.dies": 1}),
        passed=". memory driver",
        warned="cuda",
        says=("it ended with signal 11",),
    ),
    Scenario(
        "`nvidia-smi` fine, no memory left for a CUDA context",
        replace(
            NATIVE,
            answers={
                **ONE,
                "0.memory.free": 10 * MIB,
                "cuda.context": 2,
            },
        ),
        passed=". driver layers",
        warned="memory cuda",
        usable=True,
        says=("CUDA_ERROR_OUT_OF_MEMORY (2)", "no program shows that holds it"),
    ),
    Scenario(
        "`nvidia-smi` fine, another program has the GPU to itself",
        replace(NATIVE, answers={**ONE, "cuda.context": 46}),
        passed=". memory driver layers",
        warned="cuda",
        usable=True,
        says=("sudo nvidia-smi -c DEFAULT",),
    ),
    Scenario(
        "container without its GPU",
        Host(module="550.90.07", environ={"container": "docker"}),
        warned=".",
        says=("this container was started without its GPU", "--gpus all"),
    ),
    Scenario(
        "container with CUDA and no other library",
        Host(answers=ONE, has_nvml=False, module="550.90.07", environ={"container": "docker"}),
        passed=". cuda",
        warned="layers",
        usable=True,
        says=("NVIDIA GeForce RTX 4090, 25.8 GB", "a program can use 1 device"),
    ),
    Scenario(
        "container that was given none of the GPUs",
        Host(
            answers={**driver("550.90.07", 12040), "cuda.init": 100},
            module="550.90.07",
            environ={"container": "docker", "NVIDIA_VISIBLE_DEVICES": "none"},
        ),
        passed="driver",
        warned=".",
        says=("`NVIDIA_VISIBLE_DEVICES` is `none`",),
    ),
    Scenario(
        "container that lost its GPU",
        Host(
            answers={"init.error": 999, "nvml": "12.550.90.07", "cuda.init": 100},
            module="550.90.07",
            nodes=NODES,
            environ={"container": "docker"},
        ),
        warned=".",
        says=("systemctl daemon-reload", "native.cgroupdriver=cgroupfs"),
    ),
    Scenario(
        "driver that hangs",
        replace(
            HEALTHY,
            answers={**ONE, "init.hangs": 1, "cuda.hangs": 1},
            env={**LAYERS, "GPU_AVAILABLE": "true"},
        ),
        warned=".",
        is_known=False,
        says=("the NVIDIA driver does not answer (no answer within 4 s)",),
    ),
    Scenario(
        "driver without a device",
        replace(
            HEALTHY,
            answers={**driver("550.90.07", 12040), "cuda.init": 100},
            smi=Smi("No devices were found\n", exit_code=6),
        ),
        passed="driver",
        warned=".",
        says=("driver 550.90.07 shows no device",),
    ),
)


def table() -> str:
    """Return the scenarios as the table of the documentation has them."""
    rows = [
        "| host | passed | to look at | `GPU_AVAILABLE` | exit code |",
        "|---|---|---|---|---|",
    ]
    for each in SCENARIOS:
        found: Mapping[str, str] = each.expected()
        cells = (
            each.name,
            _shown(found, "pass"),
            _shown(found, "warn"),
            f"`{str(each.usable).lower()}`" if each.is_known else "left as it is",
            str(each.exit_code),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _shown(found: Mapping[str, str], status: str) -> str:
    return ", ".join(f"`{name}`" for name, each in found.items() if each == status)
