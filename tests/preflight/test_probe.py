"""Finding out the facts: real files, real sockets, this host."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tempfile
import threading
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from aava_cli.errors import AavaError
from aava_cli.files import exclusive_lock
from aava_cli.folders import Ownership
from aava_cli.journal import Journal, Record
from aava_cli.output import Output
from aava_cli.preflight.facts import Facts, Unknown
from aava_cli.preflight.port import find_holder, find_port
from aava_cli.preflight.probe import Probe, as_facts, gather_facts, learn, probes_of
from aava_cli.preflight.probing.host import (
    clock_of,
    find_clock,
    find_container,
    find_disks,
    find_engines,
    find_machine,
    find_memory,
    find_virtual,
)
from aava_cli.preflight.probing.project import (
    find_folder,
    find_label,
    find_owned,
    find_pending,
    find_written,
    read_catalogs,
    read_env_file,
    read_overlay,
    read_yaml_files,
)
from aava_cli.preflight.projectfacts import EnvFile, Folder, Label, Overlay
from aava_cli.session import Session
from aava_cli.settings import Settings
from tests.daemon_fixture import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    probes = {
        "late": Probe(never.wait, "a call", 0.2),
        "hub": Probe(never.wait, "HEAD", 0.1, lambda: "gone"),
        "quick": Probe(lambda: 7, "a file"),
    }
    learned = tuple(learn(probes))
    never.set()
    assert [each.name for each in learned] == ["quick", "hub", "late"]
    values = [each.value for each in learned]
    assert values == [7, "gone", Unknown("no answer within 0.2 s")]


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    """It was unknown for whoever judged in the meantime."""
    go, slow = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def late() -> str:
        threads.append(threading.current_thread())
        go.wait()
        return "late"

    probes = {"slow": Probe(slow.wait, "a call", 60.0), "late": Probe(late, "a call", 0.1)}
    learning = learn(probes)
    first = next(learning)
    go.set()
    threads[0].join()
    slow.set()
    (second,) = learning
    assert (first.name, first.value) == ("late", Unknown("no answer within 0.1 s"))
    assert (second.name, second.value) == ("slow", True)


def test_every_fact_says_how_it_was_learned_and_how_long_it_took(tmp_path: Path) -> None:
    """Whoever doubts one can look where it came from."""
    learned = tuple(learn(probes_of(session_of(tmp_path))))
    assert {each.name for each in learned} == {each.name for each in fields(Facts)}
    assert all(each.how and 0 <= each.took_s < 60 for each in learned)
    assert as_facts(learned).machine == find_machine()


def test_a_deep_look_waits_longer_for_the_network(tmp_path: Path) -> None:
    """Whoever starts containers is in no hurry."""
    quick, deep = (probes_of(session_of(tmp_path), deep=each)["hub"] for each in (False, True))
    assert (quick.deadline_s, deep.deadline_s > 10) == (0.4, True)


def test_a_container_is_tried_only_on_a_deep_look_at_a_project_of_containers(
    tmp_path: Path,
) -> None:
    """A native project has none."""
    for deep in (False, True):
        probe = probes_of(session_of(tmp_path), deep=deep)["container_gpu"]
        assert probe.find() is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("no such device"), "no such device"),
        (ValueError("no number"), "no number"),
        (AavaError("no file", hint=""), "no file"),
        (AttributeError("'int' has no 'get'"), "AttributeError: 'int' has no 'get'"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (subprocess.TimeoutExpired(("a", "b"), 4.0), "`a b` did not answer in 4 s"),
    ],
)
def test_a_probe_that_fails_says_why(error: Exception, reason: str) -> None:
    """The checks that need its fact are skipped with these words."""

    def fail() -> NoReturn:
        raise error

    (found,) = learn({"broken": Probe(fail, "a file")})
    assert found.value == Unknown(reason)


def test_every_fact_of_this_host_is_found_out(tmp_path: Path) -> None:
    """Nothing is unknown here."""
    found = gather_facts(session_of(tmp_path))
    unknown = [
        each.name for each in fields(Facts) if isinstance(getattr(found, each.name), Unknown)
    ]
    assert unknown == []


def test_only_the_facts_that_are_asked_for_are_found_out(tmp_path: Path) -> None:
    """The others are unknown."""
    found = gather_facts(session_of(tmp_path), only={"memory"})
    known = [
        each.name for each in fields(Facts) if not isinstance(getattr(found, each.name), Unknown)
    ]
    assert known == ["memory"]


def test_the_machine_is_described() -> None:
    """As the operating system does."""
    machine = find_machine()
    assert (machine.arch, machine.python >= (3, 11, 0)) == (os.uname().machine, True)
    assert 0 < machine.cpus <= len(os.sched_getaffinity(0))


def test_processors_are_described_by_their_features(tmp_path: Path) -> None:
    """`flags` on x86, `Features` on ARM; a machine may say that it is none."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    machine = find_machine(tmp_path)
    assert (machine.cpu_flags, machine.virtual) == (("asimd", "fp"), None)


@pytest.mark.parametrize(
    ("vendor", "product", "flags", "expected"),
    [
        ("QEMU\n", "Standard PC\n", (), "QEMU"),
        ("Dell Inc.\n", "VMware Virtual Platform\n", (), "VMware"),
        ("Dell Inc.\n", "PowerEdge\n", ("hypervisor",), "a virtual machine"),
        ("Dell Inc.\n", "PowerEdge\n", (), None),
        (None, None, (), None),
    ],
)
def test_virtual_machines_are_recognised(
    tmp_path: Path,
    vendor: str | None,
    product: str | None,
    flags: tuple[str, ...],
    expected: str | None,
) -> None:
    """By what their firmware calls them, or by what the processor says."""
    firmware = tmp_path / "sys/class/dmi/id"
    firmware.mkdir(parents=True)
    for name, text in (("sys_vendor", vendor), ("product_name", product)):
        if text is not None:
            (firmware / name).write_text(text)
    assert find_virtual(tmp_path, flags) == expected


def test_the_kernel_may_be_forbidden_to_say() -> None:
    """In a container that filters system calls."""
    with pytest.raises(ValueError, match="does not say"):
        clock_of(-1)


def test_the_kernel_says_whether_its_clock_is_kept_right() -> None:
    """As `adjtimex` does; nothing is set by asking."""
    assert find_clock().is_synchronised in (True, False)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"LC_ALL": "de_DE", "LANG": "C.UTF-8"}, "de_DE"),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, "en_US.UTF-8"),
        ({"LANG": "C.UTF-8"}, "C.UTF-8"),
        ({}, "C"),
    ],
)
def test_the_locale_is_the_one_that_counts(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str], expected: str
) -> None:
    """`LC_ALL` before `LC_CTYPE` before `LANG`."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert find_machine().locale == expected


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


@pytest.mark.parametrize("name", ["proc/1/environ", "etc/environment"])
def test_a_vast_instance_is_recognised_over_ssh_too(tmp_path: Path, name: str) -> None:
    """A shell there has none of the variables that the container was started with."""
    place = tmp_path / name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"A=1\0VAST_CONTAINERLABEL=C.1\0")
    assert find_container({}, tmp_path) == "Vast.ai"


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


@pytest.mark.parametrize(
    ("line", "misread"),
    [
        ("A=pa$word", True),
        ('A="pa$word"', True),
        ("A='pa$word'", False),
        ("A=${HOME}", False),
        ("A=pa$$", False),
        ("A=abc\t# comment", True),
        ("A='abc'\t# comment", False),
        ("A=abc # costs $x", False),
    ],
)
def test_values_that_compose_reads_otherwise_are_found(
    tmp_path: Path, line: str, *, misread: bool
) -> None:
    """It expands variables, and takes a comment behind a tab for part of the value."""
    path = tmp_path / ".env"
    path.write_text(f"{line}\n")
    assert read_env_file(path).misread == (("A",) if misread else ())


def test_numbers_that_are_none_are_found_with_their_line(tmp_path: Path) -> None:
    """What is a number is not named."""
    path = tmp_path / ".env"
    path.write_text(
        "LOCAL_LLM_CONTEXT=4k\nLOCAL_LLM_TEMPERATURE=0.4\nLOCAL_LLM_BATCH=8\n"
        "LOCAL_LLM_THREADS=eight\n"
    )
    assert sorted(read_env_file(path).bad_values) == [
        f"{path}:1: `LOCAL_LLM_CONTEXT` is no number: `4k`",
        f"{path}:4: `LOCAL_LLM_THREADS` is no number: `eight`",
    ]


def test_what_env_says_of_gpus_is_read(tmp_path: Path) -> None:
    """And whether there is an example to make one from."""
    (tmp_path / ".env.example").touch()
    assert read_env_file(tmp_path / ".env").has_example
    path = tmp_path / ".env"
    path.write_text("GPU_AVAILABLE=true\nLOCAL_LLM_GPU_LAYERS=-1\n")
    found = read_env_file(path)
    assert (found.gpu_available, found.has_example) == ("true", True)
    assert found.gpu_settings == {"LOCAL_LLM_GPU_LAYERS": "-1"}


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
        (b"a: 1\n\xff", ":2: expected UTF-8 text"),
        (b"- a\n", ":1: expected a mapping at the top"),
        (b"a: \x01", ":1: expected printable characters"),
        (b"a: 1\na: 2\n", ":2: "),
        (b"a: 1\nb: [\n", ":3: expected YAML; "),
        (b"a: " + b"[" * 5000 + b"]" * 5000, ":1: expected YAML that is nested less deeply"),
    ],
)
def test_yaml_files_are_parsed(settings: Settings, data: bytes, problem: str | None) -> None:
    """The line of the mistake is named; a missing file is none."""
    path = settings.overlay_yaml
    path.parent.mkdir()
    path.write_bytes(data)
    (found,) = read_yaml_files(settings)
    assert (found.path, found.problem is None) == (path, problem is None)
    assert (found.problem or "").startswith(f"{path}{problem}" if problem else "")


@pytest.mark.parametrize(
    ("overlay", "replaced"),
    [
        ("providers:\n  local:\n    stt_backend: vosk\n", ()),
        ("providers:\n  local:\n", ("providers.local",)),
        ("providers: 7\n", ("providers",)),
        ("other: 7\nempty: 1\n", ()),
    ],
)
def test_whole_parts_that_the_overlay_takes_away_are_found(
    settings: Settings, overlay: str, replaced: tuple[str, ...]
) -> None:
    """The engine merges mappings; a null or a value takes the place of one."""
    settings.overlay_yaml.parent.mkdir()
    settings.overlay_yaml.write_text(overlay)
    assert read_overlay(settings) == Overlay()
    settings.base_yaml.write_text("providers:\n  local:\n    stt_backend: a\nempty: {}\n")
    assert read_overlay(settings) == Overlay(replaced)


def write_compose_project(folder: Path) -> None:
    """Make *folder* one that the daemon is started in with Compose."""
    (folder / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")


def test_folders_of_models_and_of_containers_are_looked_at(settings: Settings) -> None:
    """Whose they are and who may use them; a native project has no containers."""
    settings.models_dir.mkdir(mode=0o755)
    settings.models_dir.chmod(0o2775)
    whole, *parts = find_owned(settings)
    held = Ownership(os.getuid(), settings.models_dir.stat().st_gid, 0o2775)
    assert whole == Folder(settings.models_dir, exists=True, writable=True, held=held)
    assert {each.path.name for each in parts} == {"stt", "tts", "llm", "kroko", "vad"}
    assert not any(each.exists for each in parts)
    write_compose_project(settings.project)
    assert {each.path.name for each in find_owned(settings)} > {"data", "config"}


def test_folders_behind_a_link_are_told_apart(tmp_path: Path) -> None:
    """One that leads to the project is the user's own; one in it may be anybody's."""
    project, victim = tmp_path / "real", tmp_path / "victim"
    victim.mkdir()
    (project / "models").mkdir(parents=True)
    write_compose_project(project)
    for name in ("data", "models/stt"):
        (project / name).symlink_to(victim)
    named = tmp_path / "named"
    named.symlink_to(project)
    found = find_owned(Settings(named, named / "models"))
    linked = {each.path: each.leads_to for each in found if each.leads_to}
    assert linked == {project / "data": victim, project / "models/stt": victim}
    elsewhere = find_owned(Settings(named, tmp_path / "elsewhere"))
    assert [each.path for each in elsewhere if each.leads_to] == [project / "data"]


@pytest.mark.parametrize("mode", [None, "0\n"])
def test_selinux_may_be_absent_or_refuse_nothing(
    settings: Settings, tmp_path: Path, mode: str | None
) -> None:
    """Then labels mean nothing."""
    root = tmp_path / "root"
    (root / "sys/fs/selinux").mkdir(parents=True)
    if mode is not None:
        (root / "sys/fs/selinux/enforce").write_text(mode)
    assert find_label(settings, root) == Label(settings.models_dir, is_enforced=False)


def test_the_label_of_the_models_folder_is_read(settings: Settings, tmp_path: Path) -> None:
    """By its type, the third part; a folder may have none."""
    root = tmp_path / "root"
    (root / "sys/fs/selinux").mkdir(parents=True)
    (root / "sys/fs/selinux/enforce").write_text("1")
    settings.models_dir.mkdir()
    assert find_label(settings, root).type is None
    try:
        label = b"system_u:object_r:container_file_t:s0\0"
        os.setxattr(settings.models_dir, "security.selinux", label)
    except OSError:
        pytest.skip("this user may set no label on this file system")
    assert find_label(settings, root) == Label(
        settings.models_dir, is_enforced=True, type="container_file_t"
    )


def test_a_change_that_waits_is_told(settings: Settings) -> None:
    """It was interrupted, and nobody is at work any more."""
    assert find_pending(settings) is None
    journal = Journal(settings.state_dir)
    journal.write(Record("aava switch", 0.0, 1), ())
    waiting = find_pending(settings)
    assert waiting is not None
    assert "`aava switch` of " in waiting.problem
    assert waiting.fix == "run `aava recover` to bring the old state back"
    with exclusive_lock(settings.lock_file, command="aava switch"):
        assert find_pending(settings) is None


def test_a_journal_that_nobody_can_read_stops_every_change(settings: Settings) -> None:
    """`aava recover` cannot read it either."""
    settings.state_dir.mkdir()
    (settings.state_dir / "journal.json").write_text("garbage\n")
    waiting = find_pending(settings)
    assert waiting is not None
    assert "is not a journal that this version of aava wrote" in waiting.problem
    assert "move `" in waiting.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_a_state_folder_that_is_closed_stops_every_change() -> None:
    """Whether a change waits is not known then."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        project.chmod(0o755)
        settings = Settings(project, project / "models")
        settings.state_dir.mkdir(mode=0o700)
        os.seteuid(1000)
        try:
            waiting = find_pending(settings)
        finally:
            os.seteuid(0)
    assert waiting is not None
    assert waiting.problem == f"`{settings.state_dir}` cannot be looked into: Permission denied"
    assert "sudo chown -R $USER" in waiting.fix


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


@pytest.mark.parametrize(
    ("line", "is_compose", "problem"),
    [
        ("LOCAL_LLM_THREADS=", False, "`LOCAL_LLM_THREADS` is no number: ``"),
        ("MATCHA_SPEED=''", False, "`MATCHA_SPEED` is no number: ``"),
        ("KROKO_PORT=", False, "`KROKO_PORT` is no number: ``"),
        ("LOCAL_WS_PORT=", False, "`LOCAL_WS_PORT` is no number: ``"),
        ("LOCAL_LLM_CONTEXT=", True, None),
        ("LOCAL_STT_IDLE_MS=", True, None),
        ("SILERO_SAMPLE_RATE=", True, None),
        ("LOCAL_LLM_THREADS", False, None),
        ("LOCAL_LLM_CONTEXT=2048\t# c", False, None),
        (
            "LOCAL_LLM_CONTEXT=2048\t# c",
            True,
            "Compose hands `LOCAL_LLM_CONTEXT` over with the comment behind it",
        ),
        (
            "LOCAL_LLM_CONTEXT=   # c",
            True,
            "Compose hands `LOCAL_LLM_CONTEXT` over with the comment behind it",
        ),
        ("LOCAL_LLM_CONTEXT=2048 # c", True, None),
    ],
)
def test_numbers_are_judged_as_the_daemon_gets_them(
    tmp_path: Path, line: str, *, is_compose: bool, problem: str | None
) -> None:
    """Nothing is no number, but where the daemon has a default for it."""
    if is_compose:
        write_compose_project(tmp_path)
    path = tmp_path / ".env"
    path.write_text(f"A=1\r\n{line}\n")
    expected = (f"{path}:2: {problem}",) if problem else ()
    assert read_env_file(path).bad_values == expected


@pytest.mark.parametrize(
    ("line", "host", "problem"),
    [
        ("LOCAL_WS_HOST=[::1]", "", "`LOCAL_WS_HOST` must be a host name or an IP address"),
        ("LOCAL_WS_PORT=70000", "127.0.0.1", "`LOCAL_WS_PORT` must be a port number, not `70000`"),
    ],
)
def test_an_address_that_is_none_does_not_hide_the_rest(
    tmp_path: Path, line: str, host: str, problem: str
) -> None:
    """The file parses, and its numbers are judged."""
    path = tmp_path / ".env"
    path.write_text(f"{line}\nLOCAL_LLM_BATCH=many\n")
    found = read_env_file(path)
    assert (found.problem, found.address_problem) == (None, f"{path}:1: {problem}")
    assert (found.host, found.bad_values) == (
        host,
        (f"{path}:2: `LOCAL_LLM_BATCH` is no number: `many`",),
    )
