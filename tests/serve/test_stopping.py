"""How the daemon begins and ends, for those who wait for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from aava_cli.envfile import read
from tests.daemon_fixture import DEADLINE_S, Client
from tests.serve.over_http import client_of, metric
from tests.serve.processes import model_pid, stopped, wait_for
from tests.serve.sockets import end_of, is_open, raw
from tests.serve.test_cli import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Aava
    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter


def in_call(client: Client) -> Client:
    """Have *client* carry a call."""
    assert "mode_ready" == client.ask({"type": "set_mode", "mode": "stt"})["type"]
    return client


def terminate(daemon: RunningDaemon) -> None:
    """Ask the daemon to end."""
    daemon.process.send_signal(signal.SIGTERM)


def test_each_call_is_closed_with_a_reason(start: Starter) -> None:
    """Five calls that go on are closed after the deadline; the exit code is 0, nothing is left."""
    daemon = start(limits={"drain_s": 0.3})
    daemon.wait_until_loaded()
    children = psutil.Process(daemon.pid).children(recursive=True)
    with ExitStack() as calls:
        clients = [in_call(calls.enter_context(daemon.connect())) for _ in range(5)]
        terminate(daemon)
        ends = [end_of(client) for client in clients]
    assert [(1001, "the daemon is stopping")] * 5 == ends
    assert 0 == daemon.process.wait(DEADLINE_S)
    assert not any(child.is_running() for child in children)
    assert "Traceback" not in daemon.log.read_text("utf-8")


def test_calls_may_end_by_themselves(start: Starter) -> None:
    """Until the last one has, the daemon works for it, takes no other, and says that it stops."""
    daemon = start(limits={"drain_s": DEADLINE_S})
    daemon.wait_until_loaded()
    with daemon.connect() as call:
        in_call(call)
        terminate(daemon)
        daemon.wait_until(lambda status: status["state"] == "stopping")
        with daemon.connect() as late, client_of(daemon) as client:
            refused = late.ask({"type": "set_mode", "mode": "stt"})
            turned_away = client.post("/tts", json={"text": "x"})
            brief = client.get("/healthz")
        assert "hi there" == call.ask({"type": "llm_request", "text": "x"})["text"]
    assert 0 == daemon.process.wait(DEADLINE_S)
    assert {"type": "error", "message": "the daemon is stopping"} == refused
    assert (503, "the daemon is stopping") == (
        turned_away.status_code,
        turned_away.json()["detail"],
    )
    assert (503, "stopping") == (brief.status_code, brief.json()["status"])


def test_requests_over_http_are_waited_for(start: Starter) -> None:
    """An upload that was taken on is answered."""
    daemon = start(limits={"drain_s": DEADLINE_S})
    daemon.wait_until_loaded()
    url = f"http://127.0.0.1:{daemon.port}/tts"
    with ThreadPoolExecutor(1) as beside:
        with stopped(model_pid(daemon, "tts")):
            asked = beside.submit(httpx.post, url, json={"text": "x"}, timeout=60, trust_env=False)
            with client_of(daemon) as client:
                wait_for(lambda: metric(client, "aava_http_requests") == 1)
            terminate(daemon)
            daemon.wait_until(lambda status: status["state"] == "stopping")
        assert 200 == asked.result().status_code
    assert 0 == daemon.process.wait(DEADLINE_S)


def test_upload_that_does_not_end_in_time_is_told(start: Starter) -> None:
    """It may come again where the daemon runs again; that is no failure of ours."""
    daemon = start(limits={"drain_s": 0.2})
    begun = b"POST /stt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
    with contextlib.closing(raw(daemon, begun + kind)) as upload, client_of(daemon) as client:
        wait_for(lambda: metric(client, "aava_http_requests") == 1)
        terminate(daemon)
        received = upload.recv(4096)
        while piece := upload.recv(4096):
            received += piece
    assert 0 == daemon.process.wait(DEADLINE_S)
    assert (True, True) == (
        received.startswith(b"HTTP/1.1 503 "),
        received.endswith(b'{"detail":"the daemon is stopping"}'),
    )
    assert "Traceback" not in daemon.log.read_text("utf-8")


def test_second_signal_means_at_once(start: Starter) -> None:
    """Calls are closed with the same words."""
    daemon = start(limits={"drain_s": 3600})
    with daemon.connect() as call:
        in_call(call)
        terminate(daemon)
        daemon.wait_until(lambda status: status["state"] == "stopping")
        daemon.process.send_signal(signal.SIGINT)
        assert (1001, "the daemon is stopping") == end_of(call)
    assert 0 == daemon.process.wait(DEADLINE_S)


def test_client_that_takes_nothing_does_not_keep_the_daemon(start: Starter) -> None:
    """Its end of the connection is left behind."""
    daemon = start(limits={"drain_s": 0})
    daemon.wait_until_loaded()
    with daemon.connect() as deaf:
        in_call(deaf)
        deaf.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        terminate(daemon)
        assert 0 == daemon.process.wait(DEADLINE_S)


def test_load_in_progress_is_dropped(start: Starter) -> None:
    """A daemon that is told to end while models load ends; no process is left."""
    daemon = start()
    wait_for(lambda: bool(psutil.Process(daemon.pid).children()))
    children = psutil.Process(daemon.pid).children()
    terminate(daemon)
    assert 0 == daemon.process.wait(DEADLINE_S)
    wait_for(lambda: not any(child.is_running() for child in children))


def test_process_is_named_while_it_runs(project: Path) -> None:
    """In the project's own folder, or where it is told."""
    for options, named in (
        ((), project / ".aava" / "serve.pid"),
        (("--pid-file", str(project / "here.pid")), project / "here.pid"),
    ):
        with serving(project, *options) as process:
            assert f"{process.pid}\n" == named.read_text("ascii")
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(DEADLINE_S)
        assert not named.exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_every_end_waits_for_calls(project: Path, number: signal.Signals) -> None:
    """That of the terminal as well, unless whoever started it did not want that."""
    with serving(project, "--drain", "1h") as process, on(project) as call:
        in_call(call)
        process.send_signal(number)
        assert "stopping" == until_stopping(call)
        assert "mode_ready" == call.ask({"type": "set_mode"})["type"]
        process.send_signal(number)
        assert (1001, "the daemon is stopping") == end_of(call)
        assert 0 == process.wait(DEADLINE_S)


def test_hang_up_that_is_ignored_stays_so(project: Path) -> None:
    """As `nohup` has it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serving(project) as process, on(project) as call:
            process.send_signal(signal.SIGHUP)
            assert "ok" == call.ask({"type": "status"})["state"]
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextlib.contextmanager
def on(project: Path) -> Iterator[Client]:
    """Connect to the daemon of *project*, for the block."""
    port = read((project / ".env").read_text())["LOCAL_WS_PORT"]
    with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
        yield Client(connection)


def until_stopping(client: Client) -> str:
    """Return the daemon's state once it is another than `ok`."""
    while (state := str(client.ask({"type": "status"})["state"])) in ("ok", "starting"):
        pass
    return state


def test_daemon_can_be_stopped_as_soon_as_it_can_be_reached(project: Path) -> None:
    """The exit code is that of an orderly end, however early."""
    port = int(read((project / ".env").read_text())["LOCAL_WS_PORT"])
    for _ in range(3):
        process = started(project)
        wait_for(lambda: is_open(port))
        process.terminate()
        assert 0 == process.wait(DEADLINE_S)


def test_file_of_another_process_is_left_alone(project: Path, aava: Aava, tmp_path: Path) -> None:
    """As is a file that is something else; the daemon does not start."""
    (tmp_path / "taken.pid").write_text(f"{os.getppid()}\n")
    (tmp_path / "precious.txt").write_text("precious")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("taken.pid", f"is the file of process {os.getppid()}, which runs"),
        ("precious.txt", "is there, and holds no process's number"),
        ("none/x.pid", "No such file or directory"),
        ("", "is no plain file"),
        ("pipe", "is no plain file"),
    ):
        before = {each: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
        ran = aava("serve", "--project", str(project), "--pid-file", str(tmp_path / name))
        assert (1, True) == (ran.exit_code, reason in ran.stderr)
        assert before == {each: each.read_bytes() for each in before}


def test_file_that_was_left_behind_is_taken_over(project: Path, tmp_path: Path) -> None:
    """By a process that was killed, or whose number went to another one since."""
    named = tmp_path / "serve.pid"
    for left in (f"{2**22 + 1}\n", f"{os.getpid()}\n", ""):
        named.write_text(left)
        os.utime(named, (1e9, 1e9))
        with serving(project, "--pid-file", str(named)) as process:
            assert f"{process.pid}\n" == named.read_text()
            process.terminate()
            assert 0 == process.wait(DEADLINE_S)
        assert not named.exists()


def test_file_that_another_wrote_is_left_behind(project: Path, tmp_path: Path) -> None:
    """It is not ours any more."""
    named = tmp_path / "serve.pid"
    with serving(project, "--pid-file", str(named)) as process:
        named.write_text("1\n")
        process.terminate()
        assert 0 == process.wait(DEADLINE_S)
    assert "1\n" == named.read_text()


def test_descriptor_that_is_not_open_is_an_error(project: Path, aava: Aava) -> None:
    """Whoever waits for it would wait for ever."""
    ran = aava("serve", "--project", str(project), "--ready-fd", "99")
    assert (1, True) == (
        ran.exit_code,
        "the descriptor 99 of `--ready-fd` is not open" in ran.stderr,
    )


@pytest.mark.parametrize("number", range(3, 8))
def test_descriptor_of_the_daemon_itself_is_an_error(project: Path, number: int) -> None:
    """What it opens for itself has the first numbers that are free."""
    process = started(project, "--ready-fd", str(number))
    try:
        assert 1 == process.wait(DEADLINE_S)
    finally:
        process.kill()


def test_standard_stream_stays_open(project: Path, aava: Aava) -> None:
    """The next connection would get its number, and what is said next."""
    with serving(project, "--ready-fd", "2") as process:
        assert process.stderr is not None
        assert "READY=1\n" == process.stderr.readline()
        assert 0 == aava("status").exit_code
        same = f"pipe:[{os.fstat(process.stderr.fileno()).st_ino}]"
        assert same == str(Path(f"/proc/{process.pid}/fd/2").readlink())


def started(project: Path, *options: str, **more: object) -> subprocess.Popen[bytes]:
    """Run `aava serve` without waiting for it."""
    argv = [sys.executable, "-m", "aava_cli", "serve", "--project", str(project), *options]
    environ = {**os.environ, **{key: str(value) for key, value in more.items() if key.isupper()}}
    descriptors = more.get("pass_fds", ())
    assert isinstance(descriptors, tuple)
    return subprocess.Popen(argv, env=environ, pass_fds=descriptors, stderr=subprocess.DEVNULL)


def test_descriptor_is_written_to_once_models_are_there(project: Path) -> None:
    """And closed, so that whoever reads it sees the end."""
    ready, write = os.pipe()
    process = started(project, "--ready-fd", str(write), pass_fds=(write,))
    os.close(write)
    with os.fdopen(ready, "rb") as reader:
        assert b"READY=1\n" == reader.read()
    process.terminate()
    assert 0 == process.wait(DEADLINE_S)


def test_descriptor_that_nobody_reads_is_no_failure(project: Path) -> None:
    """The daemon serves all the same."""
    ready, write = os.pipe()
    os.close(ready)
    process = started(project, "--ready-fd", str(write), pass_fds=(write,))
    os.close(write)
    wait_for((project / ".aava" / "serve.pid").exists)
    process.terminate()
    assert 0 == process.wait(DEADLINE_S)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told(project: Path, tmp_path: Path, *, is_abstract: bool) -> None:
    """What it does, that it is ready, that it lives, and that it stops; in that order."""
    name = f"@aava-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(f"\0{name[1:]}" if is_abstract else name)
        listener.settimeout(DEADLINE_S)
        process = started(project, NOTIFY_SOCKET=name, WATCHDOG_USEC=200_000)
        told: list[str] = []
        while told.count("WATCHDOG=1") < 3:
            told.append(listener.recv(1000).decode())
        process.terminate()
        while not told[-1].startswith("STOPPING=1"):
            told.append(listener.recv(1000).decode())
    assert 0 == process.wait(DEADLINE_S)
    others = [each for each in told if each != "WATCHDOG=1"]
    assert "STATUS=loading models; the port answers already" == others[0]
    assert "READY=1\nSTATUS=ok" == others[1]
    assert "STOPPING=1\nSTATUS=0 calls may go on for 30 s" == others[2]


def test_models_that_failed_are_told(project: Path, tmp_path: Path) -> None:
    """The daemon is ready, and which model is not is in words."""
    with (project / ".env").open("a") as env:
        env.write("LOCAL_LLM_MODEL_PATH=/app/models/llm/none.gguf\n")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(DEADLINE_S)
        process = started(project, NOTIFY_SOCKET=tmp_path / "notify")
        told = [listener.recv(1000).decode() for _ in range(2)]
    process.terminate()
    assert 0 == process.wait(DEADLINE_S)
    assert told[1].startswith("READY=1\nSTATUS=degraded: llm: no model at ")


def test_model_that_cannot_be_looked_at_is_told(project: Path, tmp_path: Path) -> None:
    """Whatever the system says of its path, the daemon comes up, and says what is wrong."""
    name = "a" * 300
    with (project / ".env").open("a") as env:
        env.write(f"LOCAL_LLM_MODEL_PATH=/app/models/llm/{name}.gguf\n")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(DEADLINE_S)
        process = started(project, NOTIFY_SOCKET=tmp_path / "notify")
        told = [listener.recv(2000).decode() for _ in range(2)]
        with on(project) as client:
            status = client.ask({"type": "status"})
            reloaded = client.ask({"type": "reload_models"})
            path = f"/app/models/llm/{name}.gguf"
            switched = client.ask({"type": "switch_model", "llm_model_path": path})
    process.terminate()
    assert 0 == process.wait(DEADLINE_S)
    assert told[1].startswith("READY=1\nSTATUS=degraded: llm: cannot look at the model")
    assert ("degraded", True) == (status["state"], status["config"]["degraded"])
    reason = status["config"]["startup_errors"]["llm"]
    assert reason.endswith("File name too long")
    assert [("error", reason)] * 2 == [
        (each["status"], each["message"]) for each in (reloaded, switched)
    ]
