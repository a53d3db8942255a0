"""The GPU tried in containers of the daemon's image, by a real engine that has none."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.docker.proof import gpu_options, prove_gpu, try_image
from aava_cli.gpu.facts import Cuda, CudaDevice
from tests.docker_base import base_image
from tests.gpu.hosts import MIB, driver, gpu, libraries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import Aava
    from tests.docker_fixture import ComposeProject

DEEP = ("preflight", "--only", "gpu", "--deep", "--json")
WITH_OVERLAY = {"COMPOSE_FILE": "docker-compose.yml:docker-compose.gpu.yml"}
L4 = driver("550.90.07", 12040, gpu(0, "NVIDIA L4", 23034, "8.9"))
UUID = "00000000-1111-2222-3333-444444444444"
DEVICE = CudaDevice(UUID, "NVIDIA L4", 23034 * MIB, (8, 9))
LISTED = f"GPU 0: NVIDIA L4 (UUID: GPU-{UUID})"
# What the NVIDIA runtime puts into a container, put into the image.
GPU_IMAGE = """\
FROM {base}
COPY libcuda.so.1 answers /driver/
COPY nvidia-smi /bin/nvidia-smi
ENV LD_LIBRARY_PATH=/driver FAKE_DRIVER=/driver/answers
CMD ["sleep", "1000"]
"""


def with_gpu(
    project: ComposeProject, answers: Mapping[str, object], smi: str = f"echo '{LISTED}'"
) -> ComposeProject:
    """Return *project* with an image in which the driver gives *answers*, and built."""
    context = project.folder / "local_ai_server"
    shutil.copy(libraries() / "libcuda.so.1", context)
    lines = (f"{key}={value}\n" for key, value in answers.items())
    (context / "answers").write_text("".join(lines), encoding="utf-8")
    (context / "nvidia-smi").write_text(f"#!/bin/sh\n{smi}\n", encoding="utf-8")
    (context / "nvidia-smi").chmod(0o755)
    dockerfile = GPU_IMAGE.format(base=base_image())
    (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    project.build()
    return project


def left_over() -> list[str]:
    """Return the containers that a trial left behind."""
    words = ("docker", "ps", "--all", "--quiet", "--filter=name=^aava-gpu-")
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("answers", "cuda", "works"),
    [
        ({}, Cuda(version=(12, 4), devices=(DEVICE,)), True),
        ({"cuda.init": 999}, Cuda("refused", 999, "CUDA_ERROR_UNKNOWN", (12, 4)), False),
        ({"cuda.dies": 1}, Cuda("refused", detail="its process died"), False),
    ],
)
def test_container_of_the_image_tells(
    shell_project: ComposeProject, answers: Mapping[str, object], cuda: Cuda, *, works: bool
) -> None:
    """`nvidia-smi` and CUDA are two things, and only both are enough."""
    project = with_gpu(shell_project, {**L4, **answers})
    found = try_image(project.image, ())
    assert (LISTED, True, cuda, works) == (found.smi, found.has_smi, found.cuda, found.works)


def test_container_that_does_not_end_is_removed(shell_project: ComposeProject) -> None:
    """It would keep the GPU."""
    project = with_gpu(shell_project, L4, "sleep 100")
    before = left_over()
    found = try_image(project.image, (), timeout_s=3)
    assert found.refusal.endswith("did not finish in 3 s")
    assert before == left_over()


def test_engine_that_gives_no_gpu_says_so(shell_project: ComposeProject) -> None:
    """In its own words, not in those that tell of its help."""
    project = shell_project
    context = project.folder / "local_ai_server"
    shutil.copy(context / "Dockerfile", context / "Dockerfile.gpu")
    assert prove_gpu(project.folder, WITH_OVERLAY) is None
    project.compose("-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml", "build", "--quiet")
    found = prove_gpu(project.folder, WITH_OVERLAY)
    assert found is not None
    assert 'could not select device driver "nvidia"' in found.refusal
    assert not found.works


def test_project_that_asks_for_no_gpu_is_not_tried(shell_project: ComposeProject) -> None:
    """There is nothing that its container could have."""
    shell_project.build()
    assert prove_gpu(shell_project.folder, {}) is None


def test_running_container_is_asked(aava: Aava, shell_project: ComposeProject) -> None:
    """It may have lost what a new one would get; it has no Python, and is asked all the same."""
    shell_project.build()
    shell_project.up()
    ran = aava("--project", str(shell_project.folder), *DEEP)
    checks = json.loads(ran.stdout)["result"]["items"]
    (found,) = [each for each in checks if each["name"] == "gpu-container"]
    assert ("warn", True) == (found["status"], "nvidia-smi: not found" in found["message"])


def test_project_without_containers_is_not_tried(aava: Aava, tmp_path: Path) -> None:
    """The native daemon needs none."""
    ran = aava("--project", str(tmp_path), *DEEP)
    checks = json.loads(ran.stdout)["result"]["items"]
    assert ["skip"] == [each["status"] for each in checks if each["name"] == "gpu-container"]


def deploy(**request: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a Compose file
    """Return a service with a *request* for devices."""
    return {"deploy": {"resources": {"reservations": {"devices": [request]}}}}


@pytest.mark.parametrize(
    ("service", "options"),
    [
        ({}, ()),
        ({"deploy": {"resources": {}}}, ()),
        (deploy(driver="nvidia", count=1, capabilities=["gpu"]), ("--gpus=count=1,driver=nvidia",)),
        (
            deploy(driver="nvidia", count=-1, capabilities=["gpu"]),
            ("--gpus=count=all,driver=nvidia",),
        ),
        (deploy(count="all", capabilities=["gpu"]), ("--gpus=count=all",)),
        (deploy(capabilities=["tpu"]), ()),
        (
            deploy(driver="nvidia", device_ids=["GPU-1", "GPU-2"], capabilities=["gpu"]),
            ('--gpus="device=GPU-1,GPU-2",driver=nvidia',),
        ),
        (
            deploy(driver="cdi", device_ids=["nvidia.com/gpu=0"]),
            ("--device=nvidia.com/gpu=0",),
        ),
        ({"gpus": "all"}, ("--gpus=count=all",)),
        ({"gpus": [{"driver": "nvidia", "count": 2}]}, ("--gpus=count=2,driver=nvidia",)),
        ({"runtime": "nvidia"}, ("--runtime=nvidia",)),
    ],
)
def test_request_of_the_compose_files_is_passed_on(
    service: Mapping[str, Any], options: tuple[str, ...]
) -> None:
    """As Compose itself would ask for it."""
    assert options == tuple(gpu_options(service))
