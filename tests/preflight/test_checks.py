"""What the checks make of facts."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.preflight.checks import CHECKS, run_checks
from aava_cli.preflight.facts import Disk, Facts, Memory, Unknown
from aava_cli.preflight.networkfacts import Network, Port
from aava_cli.preflight.projectfacts import EnvFile, Folder, Parsed
from aava_cli.preflight.versions import version_of
from tests.preflight.healthy import DOCKER, ENV_FILE, FACTS, GB, MACHINE, PROJECT

if TYPE_CHECKING:
    from aava_cli.events import Item


def found(name: str, **changed: Any) -> Item:  # noqa: ANN401 - any fact
    """Return what the check *name* finds on a healthy host with *changed* facts."""
    result = run_checks(replace(FACTS, **changed))
    return next(each for each in result.items if each.name == name)


def status(name: str, **changed: Any) -> tuple[str, str]:  # noqa: ANN401 - any fact
    """Return the status and the evidence that the check *name* finds."""
    checked = found(name, **changed)
    return checked.status, checked.message


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_passes_on_a_healthy_host(name: str) -> None:
    """Nothing needs a fix there."""
    checked = found(name)
    assert (checked.status, checked.remediation) == ("pass", None)


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_judges_what_could_not_be_found_out(name: str) -> None:
    """A probe that hung is a skip with its reason, not a failure."""
    unknown = dict.fromkeys((each.name for each in fields(Facts)), Unknown("no answer within 5 s"))
    expected = ("skip", "could not be found out: no answer within 5 s")
    assert status(name, **unknown) == expected


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_says_why_it_is_there(name: str) -> None:
    """The docstring is the reason."""
    assert (CHECKS[name].__doc__ or "").endswith(".")


def test_a_healthy_host_is_ready() -> None:
    """The summary counts, and nothing failed."""
    result = run_checks(FACTS)
    *lines, summary = result.text()
    assert summary == f"{len(CHECKS)} passed, 0 to look at, 0 failed, 0 skipped"
    assert lines[:2] == ["host", "  pass  engines           native: piper, llama"]
    assert (result.pass_count, result.total, result.failure()) == (len(CHECKS), len(CHECKS), None)


def test_a_failed_check_has_its_own_exit_code_and_the_fix_as_hint() -> None:
    """A provisioning script stops there."""
    result = run_checks(replace(FACTS, env_file=replace(ENV_FILE, host="192.0.2.1")))
    failure = result.failure()
    assert failure is not None
    assert (failure.exit_code, failure.message) == (9, "this host is not ready: `access`")
    assert "`LOCAL_WS_AUTH_TOKEN`" in failure.hint
    assert f"{'':26}fix: {failure.hint}" in list(result.text())


def test_a_warning_is_no_failure() -> None:
    """Old Docker still works."""
    result = run_checks(replace(FACTS, docker=replace(DOCKER, version="20.10.24+dfsg1")))
    assert (result.warn_count, result.failure()) == (1, None)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"os_version": "24.04"}, "pass"),
        ({"os_version": "20.04"}, "warn"),
        ({"os_id": "rocky", "os_version": "9.4"}, "pass"),
        ({"os_id": "debian", "os_version": "11"}, "warn"),
        ({"os_id": "fedora", "support_end": "2026-05-13"}, "warn"),
        ({"os_id": "fedora", "support_end": "2027-05-13"}, "pass"),
        ({"os_id": "arch", "os_version": ""}, "pass"),
    ],
)
def test_system(changed: dict[str, Any], expected: str) -> None:
    """Systems that get no more fixes are worth a look; one says itself when that is."""
    assert found("system", machine=replace(MACHINE, **changed)).status == expected


@pytest.mark.parametrize(
    ("total_gb", "limit_gb", "expected"),
    [
        (64, 8, ("pass", "8.0 GB (this container's limit), 8.0 GB available")),
        (64, 4, ("warn", "4.0 GB (this container's limit), 4.0 GB available")),
        (1, None, ("fail", "1.0 GB, 1.0 GB available")),
        (8, 64, ("pass", "8.0 GB, 8.0 GB available")),
    ],
)
def test_memory(total_gb: int, limit_gb: int | None, expected: tuple[str, str]) -> None:
    """The container's limit counts, not what the host has."""
    memory = Memory(total_gb * GB, 60 * GB, limit_gb and limit_gb * GB)
    assert status("memory", memory=memory) == expected


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("processors", {"cpus": 0.5}, ("warn", "0.5 usable")),
        ("open-files", {"open_files": 256}, ("warn", "at most 256 open files")),
        ("open-files", {"open_files": -1}, ("pass", "no limit")),
    ],
)
def test_limits(name: str, changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """Small limits are worth a look."""
    assert status(name, machine=replace(MACHINE, **changed)) == expected


def test_engines_need_docker_or_a_native_one() -> None:
    """Neither is the one thing that makes a host useless."""
    assert status("engines", engines=()) == ("pass", "Docker 28.2.2")
    for docker in (None, replace(DOCKER, version=None)):
        assert found("engines", engines=(), docker=docker).status == "fail"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"remote": "ssh://gpu"}, ("warn", "Docker 28.2.2 at ssh://gpu")),
        ({"is_podman": True}, ("warn", "Podman 28.2.2 stands in for Docker")),
        ({"version": "19.3"}, ("fail", "Docker 19.3 is too old")),
        ({"version": "24.0.7"}, ("warn", "Docker 24.0.7 is old")),
        ({"version": "dev"}, ("pass", "Docker dev")),
        ({"version": None}, ("fail", "no answer")),
    ],
)
def test_docker(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """Too old is a failure, the rest is worth a look."""
    assert status("docker", docker=replace(DOCKER, **changed)) == expected


def test_no_docker_is_fine() -> None:
    """So is a container without an engine, where native engines are."""
    assert found("docker", docker=None).status == "skip"
    off = replace(DOCKER, version=None, problem="Cannot connect")
    off = replace(off, socket=None)
    here: dict[str, Any] = {"machine": replace(MACHINE, container="Vast.ai")}
    here |= {"is_compose_project": False}
    assert found("docker", docker=off, **here).status == "skip"
    assert found("docker", docker=off, engines=(), **here).status == "warn"


@pytest.mark.parametrize("changed", [{"is_named": True}, {"socket": DOCKER.socket}])
def test_an_engine_that_somebody_wants_is_told_when_it_is_dead(changed: dict[str, Any]) -> None:
    """In a container too; a Compose project does not run without it."""
    off = replace(DOCKER, version=None, problem="cannot connect", socket=None)
    inside = replace(MACHINE, container="Docker")
    wanted = replace(off, **changed)
    told = status("docker", docker=wanted, machine=inside, is_compose_project=False)
    assert told == ("warn", "cannot connect")
    assert status("docker", docker=off, machine=inside) == ("fail", "cannot connect")


def test_the_fix_for_docker_follows_its_problem() -> None:
    """A user outside the group needs another fix than a stopped engine."""
    denied = replace(DOCKER, version=None, problem="permission denied while connecting")
    assert "usermod" in (found("docker", docker=denied).remediation or "")
    stopped = replace(DOCKER, version=None, problem="Cannot connect")
    assert "systemctl start docker" in (found("docker", docker=stopped).remediation or "")
    inside = replace(MACHINE, has_systemd=False)
    told = found("docker", docker=stopped, machine=inside).remediation or ""
    assert told.startswith("start the engine")
    named = replace(stopped, is_named=True)
    assert found("docker", docker=named).command == "docker context ls"


@pytest.mark.parametrize(
    ("compose", "needed", "expected"),
    [
        (None, True, "fail"),
        (None, False, "skip"),
        ("1.29.2", True, "fail"),
        ("1.29.2", False, "warn"),
        ("v2.6.0", True, "warn"),
        ("2.40.1", True, "warn"),
        ("2.40.2", True, "pass"),
        ("5.1.0", True, "pass"),
        ("dev", True, "pass"),
    ],
)
def test_compose(compose: str | None, *, needed: bool, expected: str) -> None:
    """A compose project needs it, and version 5 is newer than 2."""
    docker = replace(DOCKER, compose=compose)
    assert found("compose", docker=docker, is_compose_project=needed).status == expected


def test_compose_without_docker_is_skipped() -> None:
    """One finding for one cause."""
    assert found("compose", docker=None).status == "skip"


@pytest.mark.parametrize(
    ("free_bytes", "models", "project"),
    [
        (20 * GB, "pass", "pass"),
        (5 * GB, "warn", "pass"),
        (GB // 2, "fail", "warn"),
        (0, "fail", "fail"),
    ],
)
def test_disks(free_bytes: int, models: str, project: str) -> None:
    """Models need much more room than the project's own files."""
    disks = (Disk("models", PROJECT, free_bytes), Disk("project", PROJECT, free_bytes))
    found_statuses = [found(f"disk-{name}", disks=disks).status for name in ("models", "project")]
    assert found_statuses == [models, project]


@pytest.mark.parametrize(
    ("free_bytes", "needed", "expected"),
    [
        (None, True, "skip"),
        (50 * GB, True, "pass"),
        (10 * GB, True, "warn"),
        (GB, True, "fail"),
        (GB, False, "warn"),
    ],
)
def test_disk_of_docker(free_bytes: int | None, *, needed: bool, expected: str) -> None:
    """Only a compose project builds images."""
    docker = replace(DOCKER, root_free_bytes=free_bytes)
    assert found("disk-docker", docker=docker, is_compose_project=needed).status == expected


def test_models_folder() -> None:
    """A missing one can be made; one of somebody else cannot be used."""
    missing = found("models-folder", models=Folder(PROJECT, exists=False, writable=True))
    assert (missing.status, missing.command) == ("warn", "aava init")
    theirs = found("models-folder", models=Folder(PROJECT, exists=True, writable=False))
    assert theirs.status == "fail"


def test_project_folder() -> None:
    """What a switch writes to is named when it cannot be written to."""
    theirs = (
        Folder(PROJECT, exists=True, writable=True),
        Folder(PROJECT / ".aava", exists=True, writable=False),
    )
    found_one = found("project-folder", written=theirs)
    assert (found_one.status, found_one.message) == (
        "fail",
        f"this user cannot write to {PROJECT}/.aava",
    )
    assert f"sudo chown $USER {PROJECT}/.aava" in (found_one.remediation or "")
    assert status("project-folder", written=theirs[:1]) == ("pass", str(PROJECT))


def test_catalogs() -> None:
    """A broken catalog is a failure with its line; none is nothing to check."""
    broken = (Parsed(PROJECT, "x.toml:3: not TOML"),)
    assert status("catalogs", catalogs=broken) == ("fail", "x.toml:3: not TOML")
    assert found("catalogs", catalogs=()).status == "skip"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"exists": False}, ("warn", "/srv/voice/.env does not exist")),
        ({"problem": ".env:3: expected `KEY=value`"}, ("fail", ".env:3: expected `KEY=value`")),
        (
            {"comments_as_values": ("KROKO_API_KEY",)},
            ("warn", "the value of `KROKO_API_KEY` is a comment"),
        ),
    ],
)
def test_env(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """What the daemon would refuse or misread is named."""
    assert status("env", env_file=replace(ENV_FILE, **changed)) == expected


@pytest.mark.parametrize(
    ("env_file", "expected"),
    [
        (EnvFile(PROJECT, host="::1"), "pass"),
        (EnvFile(PROJECT, host="127.0.0.2"), "fail"),
        (EnvFile(PROJECT, host="192.0.2.1"), "fail"),
        (EnvFile(PROJECT, host="192.0.2.1", has_token=True), "pass"),
        (EnvFile(PROJECT, host="10.0.0.1", has_token=True, others_may_read=True), "warn"),
    ],
)
def test_access(env_file: EnvFile, expected: str) -> None:
    """An open address needs a token, and the token is a secret."""
    assert found("access", env_file=env_file).status == expected


def test_yaml() -> None:
    """A broken overlay is a failure with its line; none is nothing to check."""
    broken = (Parsed(PROJECT, "x.yaml:3: mapping values are not allowed here"),)
    assert status("yaml", yaml_files=broken) == (
        "fail",
        "x.yaml:3: mapping values are not allowed here",
    )
    assert found("yaml", yaml_files=()).status == "skip"


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (
            Port("ws://a:1", "daemon", holder="aava (pid 7)"),
            ("pass", "a daemon answers at ws://a:1: aava (pid 7)"),
        ),
        (
            Port("ws://a:1", "daemon", "it does not accept the token"),
            ("warn", "it does not accept the token"),
        ),
        (Port("ws://a:1", "silence", "no answer in 2 s"), ("warn", "no answer in 2 s")),
        (
            Port("ws://a:1", "stranger", "no voice daemon", "nginx (pid 7)"),
            ("fail", "no voice daemon: nginx (pid 7)"),
        ),
    ],
)
def test_port(port: Port, expected: tuple[str, str]) -> None:
    """Our daemon may be there; another program may not."""
    assert status("port", port=port) == expected


@pytest.mark.parametrize(
    ("host", "ipv4", "ipv6", "expected"),
    [
        ("127.0.0.1", True, False, "pass"),
        ("127.0.0.1", False, True, "fail"),
        ("::1", True, False, "fail"),
        ("::1", False, True, "pass"),
    ],
)
def test_loopback(host: str, *, ipv4: bool, ipv6: bool, expected: str) -> None:
    """The address in `.env` has to be of a kind that this host has."""
    env_file = replace(ENV_FILE, host=host)
    network = Network(ipv4=ipv4, ipv6=ipv6)
    assert found("loopback", env_file=env_file, network=network).status == expected


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v2.26.1-4", (2, 26, 1)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("5.1.0", (5, 1, 0)),
        ("2.x", (2,)),
        ("dev", ()),
    ],
)
def test_versions_are_the_numbers_they_start_with(text: str, version: tuple[int, ...]) -> None:
    """Distributions add their own ends."""
    assert version_of(text) == version
