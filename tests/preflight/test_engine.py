"""What is made of the container engine's answers."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from aava_cli.preflight.engine import find_docker, find_endpoint, parse_info
from aava_cli.preflight.facts import Docker, Socket

INFO = {
    "ServerVersion": "28.2.2",
    "DockerRootDir": "/nowhere/docker",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "ClientInfo": {
        "Plugins": [
            {"Name": "buildx", "Version": "v0.17"},
            {"Name": "compose", "Version": "v2.36.0"},
        ]
    },
}


def write_program(folder: Path, name: str, script: str) -> None:
    """Write an executable shell script."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def parse(**changed: Any) -> Docker:  # noqa: ANN401 - any JSON value
    """Return what a `docker info` with *changed* values says."""
    return parse_info(json.dumps(INFO | changed), "")


def test_an_answer_is_taken_apart() -> None:
    """The plugin's version is in the client's part."""
    assert parse() == Docker(
        version="28.2.2",
        compose="v2.36.0",
        root=Path("/nowhere/docker"),
        runtimes=("runc", "nvidia"),
        buildx="v0.17",
    )


def test_an_engine_that_does_not_answer_says_why() -> None:
    """Older clients put it into the answer, newer ones beside it."""
    off = {"ServerVersion": "", "DockerRootDir": "", "Runtimes": None, "ClientInfo": None}
    assert parse(**off, ServerErrors=["no socket"]) == Docker(problem="no socket")
    assert parse_info(json.dumps(off), "Cannot connect\nmore") == Docker(problem="Cannot connect")
    assert parse_info(json.dumps(off), "").problem == "the engine does not answer"


@pytest.mark.parametrize(
    ("stderr", "problem"),
    [("unknown command\nsee help", "unknown command"), ("", "`docker info` answered nothing")],
)
def test_no_answer_at_all_is_a_problem(stderr: str, problem: str) -> None:
    """What is no JSON is not parsed."""
    assert parse_info("", stderr) == Docker(problem=problem)


@pytest.mark.parametrize("text", ["[1]", "7", "null"])
def test_an_answer_of_another_shape_is_a_problem(text: str) -> None:
    """Some other program goes by that name."""
    problem = parse_info(text, "").problem
    assert problem == "what `docker info` answered is not an engine's answer"
    assert parse(ClientInfo={"Plugins": [{"Version": "1"}]}).compose is None


def test_podman_is_recognised() -> None:
    """It may be installed under the other name."""
    info = {"host": {}, "version": {"Version": "4.3.1"}}
    assert parse_info(json.dumps(info), "") == Docker("4.3.1", is_podman=True)
    assert parse_info(json.dumps({"host": {}}), "") == Docker(None, is_podman=True)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"ServerVersion": "4.9.3", "DefaultRuntime": "crun"}, True),
        ({"ServerVersion": "5.4.0", "DockerRootDir": "/var/lib/containers/storage"}, True),
        ({"DefaultRuntime": "crun"}, False),
        ({"ServerVersion": "4.9.3"}, False),
    ],
)
def test_podman_is_recognised_behind_dockers_program(
    changed: dict[str, Any], *, expected: bool
) -> None:
    """It answers in Docker's words, with versions and folders of its own."""
    assert parse(**changed).is_podman is expected


def test_docker_from_snap_is_recognised() -> None:
    """By where its files are."""
    assert parse(DockerRootDir="/var/snap/docker/common").is_snap


def test_a_gpu_may_be_known_by_its_cdi_name(tmp_path: Path) -> None:
    """The engine lists it, or its specification lies in a folder."""
    assert not parse(CDISpecDirs=[str(tmp_path)]).has_cdi
    assert parse(DiscoveredDevices=[{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]).has_cdi
    (tmp_path / "nvidia.yaml").touch()
    assert parse(CDISpecDirs=[str(tmp_path)]).has_cdi


def test_no_program_means_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is not a problem of an engine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_docker() is None


def test_the_program_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is looked at where the engine keeps its images; it may be on another host."""
    info = json.dumps(INFO | {"DockerRootDir": str(tmp_path)})
    write_program(tmp_path, "docker", f"echo '{info}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = find_docker()
    assert docker is not None
    assert (docker.version, docker.root, docker.remote) == ("28.2.2", tmp_path, None)
    assert (docker.root_free_bytes or 0) > 0
    monkeypatch.setenv("DOCKER_HOST", "ssh://me:secret@gpu")
    elsewhere = find_docker()
    assert elsewhere is not None
    assert (elsewhere.remote, elsewhere.root_free_bytes) == ("ssh://***@gpu", None)
    assert (docker.is_named, elsewhere.is_named) == (False, True)


def write_context(folder: Path, name: str, host: str) -> None:
    """Write the context *name* as `docker context create` does."""
    place = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    meta = {"Name": name, "Endpoints": {"docker": {"Host": host}}}
    (place / "meta.json").write_text(json.dumps(meta))


def test_the_engine_may_be_chosen_by_a_context(tmp_path: Path) -> None:
    """By the variable, else by the file; `DOCKER_HOST` is above both."""
    write_context(tmp_path, "far", "ssh://gpu")
    write_context(tmp_path, "near", "unix:///run/user/1000/docker.sock")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    home = {"DOCKER_CONFIG": str(tmp_path)}
    assert find_endpoint(home) == "ssh://gpu"
    near = home | {"DOCKER_CONTEXT": "near"}
    assert find_endpoint(near) == "unix:///run/user/1000/docker.sock"
    assert find_endpoint(near | {"DOCKER_HOST": "tcp://a:1"}) == "tcp://a:1"
    for name in ("default", "nowhere"):
        context = home | {"DOCKER_CONTEXT": name}
        assert find_endpoint(context) == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_without_a_context_it_is_the_engine_of_this_host(tmp_path: Path, text: str | None) -> None:
    """A file that is no configuration says nothing."""
    if text is not None:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(text)
    assert find_endpoint({"HOME": str(tmp_path)}) == "unix:///var/run/docker.sock"


def test_contexts_are_read_as_the_program_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one, if there is one here, writes them and names the same engine."""
    if shutil.which("docker") is None:
        pytest.skip("there is no `docker` here")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    create = ("docker", "context", "create", "far", "--docker", "host=tcp://192.0.2.1:2375")
    subprocess.run(create, check=True, capture_output=True)
    subprocess.run(("docker", "context", "use", "far"), check=True, capture_output=True)
    assert find_endpoint(os.environ) == "tcp://192.0.2.1:2375"


@pytest.mark.parametrize(
    ("options", "rootless"),
    [(["name=seccomp,profile=default"], False), (["name=seccomp", "name=rootless"], True)],
)
def test_a_rootless_engine_says_so(options: list[str], *, rootless: bool) -> None:
    """Among its security options; Podman elsewhere."""
    assert parse(SecurityOptions=options).is_rootless is rootless
    podman = {"host": {"security": {"rootless": rootless}}, "version": {"Version": "4.3.1"}}
    assert parse_info(json.dumps(podman), "").is_rootless is rootless


def test_the_socket_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its group, its mode, and whether this user may use it."""
    write_program(tmp_path, "docker", f"echo '{json.dumps(INFO)}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "d.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o660)
        docker = find_docker()
        assert docker is not None
        group = grp.getgrgid(path.stat().st_gid).gr_name
        assert docker.socket == Socket(path, group, 0o660, is_open=True)
        if os.geteuid() == 0:
            os.chown(path, -1, 54_321)
            unnamed = find_docker()
            assert unnamed is not None
            assert unnamed.socket is not None
            assert unnamed.socket.group == "54321"


def test_folders_of_another_host_have_no_room_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket on this host may lead elsewhere."""
    write_program(tmp_path, "docker", f"echo '{json.dumps(INFO)}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    docker = find_docker()
    assert docker is not None
    assert (docker.remote, docker.root_free_bytes) == (None, None)


def test_compose_may_be_a_program_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no plugin."""
    write_program(tmp_path, "docker", f"echo '{json.dumps(INFO | {'ClientInfo': {}})}'")
    write_program(tmp_path, "docker-compose", "echo 1.29.2")
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = find_docker()
    assert docker is not None
    assert docker.compose == "1.29.2"


def test_compose_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a plugin nor a program."""
    write_program(tmp_path, "docker", f"echo '{json.dumps(INFO | {'ClientInfo': {}})}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = find_docker()
    assert docker is not None
    assert docker.compose is None


@pytest.mark.parametrize("program", ["docker", "docker-compose"])
def test_a_program_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """The engine behind it may be stuck."""
    write_program(tmp_path, "docker", f"echo '{json.dumps(INFO | {'ClientInfo': {}})}'")
    write_program(tmp_path, program, "exec /bin/sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = find_docker(timeout_s=0.2)
    assert docker is not None
    assert docker.compose is None
    if program == "docker":
        assert docker.problem == "`docker info` did not answer in 0.2 s"


def test_a_program_that_hangs_leaves_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context over SSH is a child of `docker`."""
    pid = tmp_path / "pid"
    write_program(tmp_path, "docker", f"/bin/sleep 60 & echo $! >{pid}; wait")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "nosuch")
    docker = find_docker(timeout_s=1.0)
    assert docker is not None
    assert (docker.version, docker.is_named) == (None, True)
    child = (
        psutil.Process(int(pid.read_text())) if psutil.pid_exists(int(pid.read_text())) else None
    )
    assert child is None or child.status() == psutil.STATUS_ZOMBIE
