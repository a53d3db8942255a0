"""The facts of a host on which every check passes."""

from __future__ import annotations

from pathlib import Path

from aava_cli.gpu.facts import ContainerGpu, Cuda, EngineGpu, Gpu, Gpus
from aava_cli.preflight.facts import (
    Disk,
    Docker,
    EnvFile,
    Facts,
    Folder,
    Machine,
    Memory,
    Network,
    Parsed,
    Port,
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
)
GPU = Gpu("NVIDIA L4", "GPU-1", 24 * GB, 20 * GB, (8, 9))
SLICE = Gpu("H100 MIG 1g.20gb", "MIG-2", 20 * GB, 20 * GB, (9, 0), index=1, parent="GPU-2")
GPUS = Gpus((GPU, SLICE), "550.90.07", newest_cuda=(12, 4), cuda=Cuda())
CONTAINER = ContainerGpu("voice-gpu", has_smi=True, smi="GPU 0: NVIDIA L4", cuda=Cuda())
DOCKER = Docker(
    version="28.2.2",
    compose="2.36.0",
    root=Path("/var/lib/docker"),
    root_free_bytes=100 * GB,
    runtimes=("runc", "nvidia"),
)
ENV_FILE = EnvFile(PROJECT / ".env", exists=True, gpu_settings={"LOCAL_LLM_GPU_LAYERS": "-1"})
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
)
