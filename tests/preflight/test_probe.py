"""Finding out the facts: real files, real sockets, this host."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from contextlib import closing, contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, NoReturn

import pytest
import typer

from aava_cli.errors import AavaError
from aava_cli.output import Output
from aava_cli.preflight.cli import preflight
from aava_cli.preflight.facts import EnvFile, Facts, Parsed, Unknown
from aava_cli.preflight.port import find_holder, find_port
from aava_cli.preflight.probe import (
    ask_all,
    can_listen,
    find_container,
    find_disks,
    find_engines,
    find_folder,
    find_machine,
    find_memory,
    find_network,
    find_written,
    gather_facts,
    read_catalogs,
    read_env_file,
    read_yaml_files,
)
from aava_cli.session import Session
from aava_cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return a project without anything in it."""
    return Settings(tmp_path, tmp_path / "models")


def session_of(project: Path, url: str | None = None) -> Session:
    """Return a session for *project* and the daemon at *url*."""
    return Session({"project": str(project), "daemon": url}, Output(stdout=io.StringIO()))


def test_probes_answer_side_by_side_and_late_ones_are_unknown() -> None:
    """A driver that hangs holds up nothing."""
    never = threading.Event()
    answers = ask_all({"late": never.wait, "quick": lambda: 7}, deadline_s=0.2)
    never.set()
    assert answers == {"late": Unknown("no answer within 0.2 s"), "quick": 7}


@pytest.mark.parametrize(
    "error", [OSError("no such device"), ValueError("no number"), AavaError("no file", hint="")]
)
def test_a_probe_that_fails_says_why(error: Exception) -> None:
    """The checks that need its fact are skipped with these words."""

    def fail() -> NoReturn:
        raise error

    assert ask_all({"broken": fail}, deadline_s=5) == {"broken": Unknown(str(error))}


def test_every_fact_of_this_host_is_found_out(tmp_path: Path) -> None:
    """Nothing is unknown here."""
    found = gather_facts(session_of(tmp_path))
    unknown = [
        each.name for each in fields(Facts) if isinstance(getattr(found, each.name), Unknown)
    ]
    assert unknown == []


def test_the_machine_is_described() -> None:
    """As the operating system does."""
    machine = find_machine()
    assert (machine.arch, machine.python >= (3, 11, 0)) == (os.uname().machine, True)
    assert 0 < machine.cpus <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('PRETTY_NAME="Rocky Linux 9"\nID="rocky"\nVERSION_ID="9.4"\n', ("rocky", "9.4")),
        ("", ("", "")),
    ],
)
def test_the_system_is_named_by_its_release_file(
    tmp_path: Path, text: str, expected: tuple[str, str]
) -> None:
    """Some minimal images have an empty one."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(text)
    machine = find_machine(tmp_path)
    assert (machine.os_id, machine.os_version) == expected
    assert machine.os_name in {"Rocky Linux 9", "Linux"}


def test_a_system_without_a_release_file_has_its_kernels_name(tmp_path: Path) -> None:
    """Some minimal images have none."""
    assert find_machine(tmp_path).os_name == os.uname().sysname


def test_memory_is_measured() -> None:
    """There is some."""
    memory = find_memory()
    assert 0 < memory.usable_bytes <= memory.total_bytes


@pytest.mark.parametrize(
    ("environ", "mark", "kind"),
    [
        ({}, None, None),
        ({"VAST_CONTAINERLABEL": "C.1"}, None, "Vast.ai"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None, "Kubernetes"),
        ({"container": "lxc"}, None, "lxc"),
        ({}, ".dockerenv", "Docker"),
        ({}, "run/.containerenv", "Podman"),
    ],
)
def test_containers_are_recognised(
    tmp_path: Path, environ: dict[str, str], mark: str | None, kind: str | None
) -> None:
    """By what their makers leave in them."""
    if mark is not None:
        (tmp_path / mark).parent.mkdir(exist_ok=True)
        (tmp_path / mark).touch()
    assert find_container(environ, tmp_path) == kind


def test_disks_of_folders_that_do_not_exist_are_those_above(settings: Settings) -> None:
    """They will be made there."""
    models, project = find_disks(settings)
    assert (models.purpose, project.purpose) == ("models", "project")
    assert abs(models.free_bytes - project.free_bytes) < 1 << 30


def test_engines_are_found_without_importing_them() -> None:
    """The test environment has these three."""
    assert {"whisper_cpp", "piper", "llama"} <= set(find_engines())


def test_no_env_file_is_a_fact(tmp_path: Path) -> None:
    """So the daemon's defaults count."""
    assert read_env_file(tmp_path / ".env") == EnvFile(tmp_path / ".env")


def test_the_values_that_matter_are_read_from_env(tmp_path: Path) -> None:
    """The token itself is not kept."""
    path = tmp_path / ".env"
    path.write_text(
        "LOCAL_WS_HOST=10.0.0.1\nLOCAL_WS_PORT=9000\nLOCAL_WS_AUTH_TOKEN=secret\n"
        "KROKO_API_KEY=      # your key\n"
    )
    path.chmod(0o644)
    assert read_env_file(path) == EnvFile(
        path,
        exists=True,
        host="10.0.0.1",
        has_token=True,
        comments_as_values=("KROKO_API_KEY",),
        others_may_read=True,
    )


def test_an_env_file_that_does_not_parse_is_a_fact(tmp_path: Path) -> None:
    """The line is named."""
    path = tmp_path / ".env"
    path.write_text("A=1\nB: 2\n")
    env_file = read_env_file(path)
    assert (env_file.exists, env_file.problem) == (True, f"{path}:2: expected `KEY=value`")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\n", None),
        (b"", None),
        (b"a: 1\nb: [\n", ":3: did not find expected node content"),
        (b"- a\n", ":1: expected keys and values"),
        (b"a: 1\n\xff", ":2: expected UTF-8 text"),
        (b"a: \x01", ":1: not YAML"),
    ],
)
def test_yaml_files_are_parsed(settings: Settings, data: bytes, problem: str | None) -> None:
    """The line of the mistake is named; a missing file is none."""
    path = settings.overlay_yaml
    path.parent.mkdir()
    path.write_bytes(data)
    expected = (Parsed(path, problem and f"{path}{problem}"),)
    assert read_yaml_files(settings) == expected


def test_a_folder_may_be_missing(tmp_path: Path) -> None:
    """Then the one above it decides."""
    there, missing = find_folder(tmp_path), find_folder(tmp_path / "a" / "b")
    assert (there.exists, there.writable) == (True, True)
    assert (missing.exists, missing.writable) == (False, True)


def test_what_a_change_writes_to_may_be_in_the_way(settings: Settings, tmp_path: Path) -> None:
    """A file where a folder belongs; a link to a place that this user may not change."""
    settings.state_dir.touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    settings.env_file.symlink_to(elsewhere / "shared.env")
    assert {folder.path: folder.writable for folder in find_written(settings)} == {
        settings.project: True,
        settings.state_dir: False,
        settings.overlay_yaml.parent: True,
        elsewhere: False,
    }


@pytest.mark.parametrize(
    ("text", "problem"), [("", None), ("[models.x]\nbackend = 'x'\n[\n", ":3: ")]
)
def test_own_catalogs_are_parsed(settings: Settings, text: str, problem: str | None) -> None:
    """The line of the mistake is named; a catalog that is not there is none."""
    assert read_catalogs(settings) == ()
    path = settings.user_catalogs()[-1]
    path.parent.mkdir()
    path.write_text(text)
    (found,) = read_catalogs(settings)
    assert (path, problem is None) == (found.path, found.problem is None)
    assert (found.problem or "").startswith(f"{path}{problem}" if problem else "")


def test_this_host_has_a_loopback_address() -> None:
    """Of one kind at least."""
    network = find_network()
    assert network.ipv4 or network.ipv6


def test_an_address_of_another_host_cannot_be_listened_on() -> None:
    """As the loopback address of a kind that is switched off."""
    assert not can_listen(socket.AF_INET, "192.0.2.1")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_a_port_may_be_free(tmp_path: Path) -> None:
    """`.env` says which one is meant."""
    port = free_port()
    (tmp_path / ".env").write_text(f"LOCAL_WS_PORT={port}\n")
    found = find_port(session_of(tmp_path))
    assert (found.address, found.answer) == (f"ws://127.0.0.1:{port}", "nobody")


@contextmanager
def daemon(reply: dict[str, str]) -> Iterator[str]:
    """Answer everything with *reply*, and yield the URL."""
    from websockets.sync.server import serve

    def answer(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(json.dumps(reply))

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_our_daemon_is_recognised(tmp_path: Path) -> None:
    """It may stay where it is; its process is named."""
    with daemon({"type": "status_response"}) as url:
        found = find_port(session_of(tmp_path, url))
    assert (found.answer, found.detail) == ("daemon", "")
    assert f"(pid {os.getpid()})" in (found.holder or "")


def test_a_daemon_that_refuses_us_is_still_a_daemon(tmp_path: Path) -> None:
    """Nobody else uses these words."""
    with daemon({"type": "auth_response", "status": "error"}) as url:
        found = find_port(session_of(tmp_path, url))
    assert (found.answer, found.detail) == ("daemon", "the daemon does not accept the token")


def test_a_listener_that_says_nothing_may_be_loading(tmp_path: Path) -> None:
    """The original daemon is silent while it loads models."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        assert find_port(session_of(tmp_path, url), timeout_s=0.2).answer == "silence"


def test_another_program_is_a_stranger(tmp_path: Path) -> None:
    """It does not speak the protocol."""

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        found = find_port(session_of(tmp_path, url))
        thread.join()
    assert found.answer == "stranger"


def test_nobody_holds_a_free_port() -> None:
    """No name is made up."""
    assert find_holder(f"ws://127.0.0.1:{free_port()}") is None


def test_the_command_reports_and_changes_nothing(tmp_path: Path) -> None:
    """A folder that is no project is a warning, and stays empty."""
    session = session_of(tmp_path)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(preflight)
    app([], obj=session, standalone_mode=False)
    assert isinstance(session.output.stdout, io.StringIO)
    lines = session.output.stdout.getvalue().splitlines()
    assert (session.output.exit_code, list(tmp_path.iterdir())) == (0, [])
    assert f"warn  env             {tmp_path / '.env'} does not exist" in lines
    assert lines[-1].endswith("skipped")
