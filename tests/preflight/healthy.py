"""The facts of a host on which every check passes."""

from __future__ import annotations

from pathlib import Path

from aava_cli.folders import Ownership
from aava_cli.gpu.facts import ContainerGpu, Cuda, EngineGpu, Gpu, Gpus
from aava_cli.preflight.facts import (
    Clock,
    ComposeConfig,
    Disk,
    Docker,
    Facts,
    Machine,
    Memory,
    Socket,
)
from aava_cli.preflight.networkfacts import Answered, Names, Network, Port, Proxies
from aava_cli.preflight.projectfacts import (
    Drift,
    EnvFile,
    Folder,
    Label,
    Overlay,
    Parsed,
    Selected,
)

GB = 1_000_000_000
PROJECT = Path("/srv/voice")

MACHINE = Machine(
    python=(3, 12, 3),
    arch="x86_64",
    os_id="ubuntu",
    os_version="24.04",
    os_name="Ubuntu 24.04 LTS",
    container=None,
    cpus=8.0,
    open_files=1024,
    virtual="KVM",
    today="2026-11-29",
    user_id=1000,
    cpu_flags=("avx2", "fma", "sse4_1", "sse4_2"),
    locale="C.UTF-8",
    encoding="UTF-8",
)
GPU = Gpu("NVIDIA L4", "GPU-1", 24 * GB, 20 * GB, (8, 9))
SLICE = Gpu("H100 MIG 1g.20gb", "MIG-2", 20 * GB, 20 * GB, (9, 0), index=1, parent="GPU-2")
GPUS = Gpus((GPU, SLICE), "550.90.07", newest_cuda=(12, 4), cuda=Cuda())
CONTAINER = ContainerGpu("voice-gpu", has_smi=True, smi="GPU 0: NVIDIA L4", cuda=Cuda())
DOCKER = Docker(
    version="28.2.2",
    compose="2.40.3",
    buildx="v0.29.1",
    socket=Socket(Path("/var/run/docker.sock"), "docker", 0o660, is_open=True),
    root=Path("/var/lib/docker"),
    root_free_bytes=100 * GB,
    runtimes=("runc", "nvidia"),
)
ENV_FILE = EnvFile(
    PROJECT / ".env",
    exists=True,
    gpu_available="true",
    gpu_settings={"LOCAL_LLM_GPU_LAYERS": "-1"},
)
OWNED = Folder(PROJECT / "models", exists=True, writable=True, held=Ownership(1000, 1000, 0o2775))
HUB = "hub.invalid"
FACTS = Facts(
    machine=MACHINE,
    memory=Memory(16 * GB, 12 * GB, None),
    gpus=GPUS,
    container_gpu=CONTAINER,
    disks=(Disk("models", PROJECT / "models", 50 * GB), Disk("project", PROJECT, 50 * GB)),
    docker=DOCKER,
    engines=("piper", "llama"),
    env_file=ENV_FILE,
    yaml_files=(Parsed(PROJECT / "config" / "ai-agent.yaml"),),
    catalogs=(Parsed(PROJECT / "config" / "catalog.local.toml"),),
    models=Folder(PROJECT / "models", exists=True, writable=True),
    written=(Folder(PROJECT, exists=True, writable=True),),
    port=Port("ws://127.0.0.1:8765", "daemon", gpu=EngineGpu(usable=True)),
    network=Network(ipv4=True, ipv6=True),
    is_compose_project=True,
    clock=Clock(is_synchronised=True),
    compose_config=ComposeConfig(),
    overlay=Overlay(),
    owned=(OWNED,),
    label=Label(PROJECT / "models", is_enforced=True, type="container_file_t"),
    selected=(Selected("llm", "llama:first.gguf"),),
    drift=Drift(),
    pending=None,
    listeners=(),
    proxies=Proxies(),
    names=Names(HUB, ("192.0.2.1",)),
    hub=Answered(HUB, 200, skew_s=0.2),
    downloads=Answered("cdn.invalid", 200),
)
