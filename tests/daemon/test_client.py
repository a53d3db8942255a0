"""The client against daemons that answer, refuse, babble, hang and vanish."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.daemon.client import connect
from aava_cli.errors import AccessDenied, DaemonUnreachable, NotPossible
from aava_cli.output import Output
from aava_cli.session import Session
from tests.daemon.conftest import CAPABILITIES, FakeDaemon, listening, raw_server, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.daemon.conftest import Talk

SHORT_S = 0.2
HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def at(session: Session, url: str) -> Session:
    """Return *session* with a daemon that was named."""
    return Session({**session.flags, "daemon": url}, session.output)


def append(project: Path, line: str) -> None:
    """Add *line* to the project's `.env`."""
    with (project / ".env").open("a") as file:
        file.write(line + "\n")


def test_listener_that_talks_first_is_no_daemon(port: int, session: Session) -> None:
    """Servers for mail and shells say who they are before they are asked."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def greet() -> None:
            client, _address = listener.accept()
            client.sendall(b"SSH-2.0-x\r\n")
            client.close()

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(DaemonUnreachable), connect(session):
            pytest.fail("it is no daemon")
        thread.join()


def test_status_and_capabilities_come_back(session: Session, daemon: FakeDaemon) -> None:
    """One connection carries one request after another."""
    with connect(session) as client:
        assert daemon.running == client.status()
        assert CAPABILITIES == client.capabilities()


def test_token_opens_the_connection(session: Session, daemon: FakeDaemon, project: Path) -> None:
    """It is sent first, and in no other message."""
    daemon.token = "s3cret"  # noqa: S105 - a test's own
    append(project, "LOCAL_WS_AUTH_TOKEN=s3cret")
    with connect(session) as client:
        client.status()
    assert [{"type": "auth", "auth_token": "s3cret"}, {"type": "status"}] == daemon.asked


def test_wrong_token_is_refused_at_once(
    session: Session, daemon: FakeDaemon, project: Path
) -> None:
    """The message says where the right one belongs, and repeats no secret."""
    daemon.token = "right"  # noqa: S105 - a test's own
    append(project, "LOCAL_WS_AUTH_TOKEN=wr0ng")
    with pytest.raises(AccessDenied) as caught, connect(session):
        pass
    assert "LOCAL_WS_AUTH_TOKEN" in caught.value.hint
    assert "wr0ng" not in str(caught.value) + caught.value.hint


def test_missing_token_is_refused(session: Session, daemon: FakeDaemon) -> None:
    """The first request learns that one is needed."""
    daemon.token = "right"  # noqa: S105 - a test's own
    with connect(session) as client, pytest.raises(AccessDenied):
        client.status()


def test_nothing_listens(session: Session, port: int) -> None:
    """The cause says so, because a recovery may rely on it."""
    with (
        pytest.raises(DaemonUnreachable, match=f"nothing listens at ws://127.0.0.1:{port}") as why,
        connect(session),
    ):
        pass
    assert isinstance(why.value.__cause__, ConnectionRefusedError)
    assert "aava serve" in why.value.hint


def test_name_that_does_not_resolve(session: Session) -> None:
    """A mistyped host is no crash, and no proof that a daemon has stopped."""
    elsewhere = at(session, "ws://no-such-host.invalid:1")
    with pytest.raises(DaemonUnreachable) as caught, connect(elsewhere):
        pass
    assert not isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_loopback_in_the_new_family_is_found(session: Session, port: int) -> None:
    """A daemon that listens on ::1 alone is reached without being named."""
    fake = FakeDaemon()
    with listening(fake.talk, port, host="::1"), connect(session) as client:
        assert (f"ws://[::1]:{port}", fake.running) == (client.url, client.status())


def test_listener_that_never_answers(session: Session, port: int) -> None:
    """A daemon that is loading accepts connections and says nothing."""
    with (
        raw_server(port, None),
        pytest.raises(DaemonUnreachable) as caught,
        connect(session, timeout_s=SHORT_S),
    ):
        pass
    assert "accepts connections but did not answer in 0.2 s" in caught.value.message
    assert "loading" in caught.value.hint


@pytest.mark.parametrize("answer", [HTTP, b"220 smtp\r\n", b"HTTP/1.1 101 Switch\r\n\r\n", b""])
def test_listener_of_another_kind(session: Session, port: int, answer: bytes) -> None:
    """A web server on this port is told apart from a daemon that is down."""
    with raw_server(port, answer), pytest.raises(DaemonUnreachable) as caught, connect(session):
        pass
    assert "is not a voice daemon" in caught.value.message
    assert not isinstance(caught.value.__cause__, ConnectionRefusedError)


def babbling(*frames: str | bytes) -> Talk:
    """Return a daemon that sends *frames* before its status."""

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            for frame in frames:
                connection.send(frame)
            connection.send(json.dumps(status_of("vosk", "/a")))

    return talk


@pytest.mark.parametrize(
    "frame",
    ["", "no json", "[1]", "null", "7", '"text"', "{}", b"", b"\xff\x00", '{"type": 7}'],
    ids=repr,
)
def test_frames_that_are_no_answer_are_passed_over(
    session: Session, port: int, frame: str | bytes
) -> None:
    """Audio, other clients' events and rubbish do not end the wait."""
    with listening(babbling(frame), port), connect(session) as client:
        assert client.status() == status_of("vosk", "/a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps)


@contextmanager
def parrot(frames: list[str | bytes]) -> Iterator[Session]:
    """Run a daemon that sends whatever *frames* holds at the moment; give a session on it."""

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            for frame in (*frames, json.dumps(status_of("vosk", "/a"))):
                connection.send(frame)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with listening(talk, free):
        yield Session({"project": "none", "daemon": f"ws://127.0.0.1:{free}"}, Output())


def test_no_frame_at_all_breaks_the_client() -> None:
    """Whatever the daemon says before it, the answer is found."""
    frames: list[str | bytes] = []
    with parrot(frames) as session:

        @given(st.lists(JSON | st.text() | st.binary(), max_size=4))
        def check(said: list[str | bytes]) -> None:
            frames[:] = said
            with connect(session) as client:
                assert client.status()["stt_backend"] == "vosk"

        check()


def test_large_answer_arrives_whole(session: Session, port: int) -> None:
    """A status with every installed model listed is no problem."""
    answer = {**status_of("vosk", "/a"), "available": ["x" * 1000] * 20_000}

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(json.dumps(answer))

    with listening(talk, port), connect(session) as client:
        assert answer == client.status()


def hang(connection: ServerConnection) -> None:
    """Take every request and answer none."""
    for _ in connection:
        pass


def flood(connection: ServerConnection) -> None:
    """Answer the first request with audio that never ends."""
    from websockets.exceptions import ConnectionClosed

    connection.recv()
    with suppress(ConnectionClosed):
        while True:
            connection.send(b"\0" * 160)


@pytest.mark.parametrize("talk", [hang, flood])
def test_request_ends_at_its_deadline(session: Session, port: int, talk: Talk) -> None:
    """Silence is not waited for, nor is a stream of anything else."""
    with (
        listening(talk, port),
        connect(session) as client,
        pytest.raises(DaemonUnreachable, match=r"did not answer `status` in 0\.2 s"),
    ):
        client.status(timeout_s=SHORT_S)


def test_no_time_is_no_answer(session: Session, daemon: FakeDaemon) -> None:
    """A deadline that has passed is not stretched by an answer that is there already."""
    with connect(session) as client, pytest.raises(DaemonUnreachable, match="in 0 s"):
        client.status(timeout_s=0)
    assert all(each == {"type": "status"} for each in daemon.asked)


def close_normally(connection: ServerConnection) -> None:
    """Close without an answer, as the original daemon does on an error of its own."""
    connection.recv()


def close_with_reason(connection: ServerConnection) -> None:
    """Close and say why."""
    connection.recv()
    connection.close(1008, "auth token required for remote access")


def drop(connection: ServerConnection) -> None:
    """Vanish as a process that is killed."""
    connection.recv()
    connection.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("talk", [close_normally, close_with_reason, drop])
def test_connection_that_ends_without_an_answer(session: Session, port: int, talk: Talk) -> None:
    """Even an orderly end is no answer; a reason that was given is passed on."""
    with (
        listening(talk, port),
        connect(session) as client,
        pytest.raises(DaemonUnreachable, match="closed the connection during `status`") as why,
    ):
        client.status()
    assert (talk is close_with_reason) == ("auth token required" in why.value.message)


def test_request_on_a_closed_connection(session: Session, port: int) -> None:
    """A daemon that went away between two requests is noticed by the second."""
    with listening(close_normally, port), connect(session) as client:
        for _ in range(2):
            with pytest.raises(DaemonUnreachable, match="closed the connection"):
                client.status()


@pytest.mark.parametrize(
    "answer",
    [{"type": "error", "message": "unknown request"}, {"type": "error", "message": ""}],
)
def test_refused_request_gives_the_daemons_reason(
    session: Session, port: int, answer: dict[str, Any]
) -> None:
    """What the daemon does not know is not waited for."""

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(json.dumps(answer))

    with (
        listening(talk, port),
        connect(session) as client,
        pytest.raises(NotPossible, match=f"refused `status`: {answer['message']}"),
    ):
        client.status()


def test_capabilities_that_say_nothing(session: Session, port: int) -> None:
    """A daemon that lists none can run none; only `true` means yes."""
    answers = iter(
        [
            {"type": "capabilities_response"},
            {"type": "capabilities_response", "capabilities": {"vosk": "yes", "piper": True}},
        ]
    )

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(json.dumps(next(answers)))

    with listening(talk, port), connect(session) as client:
        assert client.capabilities() == {}
        assert client.capabilities() == {"vosk": False, "piper": True}


def test_requests_of_many_threads_do_not_meet(session: Session, daemon: FakeDaemon) -> None:
    """Each connection is its own conversation."""
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        with connect(session) as client:
            answers.append(client.status())

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [daemon.running] * 5 == answers


def deflated_values(connection: ServerConnection) -> None:
    """Answer with more values than memory holds in a moment, as a few kilobytes."""
    for _ in connection:
        connection.send('{"type": "status_response", "x": [' + "[]," * (2 << 20) + "1]}")


def test_answer_of_nothing_but_values_is_not_read(session: Session, port: int) -> None:
    """They would take twenty times the memory of what was sent; no daemon says such things."""
    with (
        listening(deflated_values, port),
        connect(session) as client,
        pytest.raises(DaemonUnreachable, match="is not a voice daemon"),
    ):
        client.status(timeout_s=1)


def test_daemon_that_does_not_read_is_left_in_time(session: Session, port: int) -> None:
    """What is sent has the same deadline as the answer."""
    ended = threading.Event()

    def talk(connection: ServerConnection) -> None:
        # What reads for it waits for this.
        with connection.protocol_mutex:
            ended.wait()

    with listening(talk, port), connect(session) as client:
        message = {"type": "audio", "data": secrets.token_hex(12 << 20)}
        with pytest.raises(DaemonUnreachable, match=r"did not answer `audio` in 0\.3 s"):
            client.request(message, reply="stt_result", timeout_s=0.3)
        ended.set()


def test_answer_to_another_request_is_not_taken(session: Session, port: int) -> None:
    """One that says which it is to, and means another, may be left over from before."""

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            for own in ("another", "ours"):
                connection.send(json.dumps({"type": "x", "request_id": own, "text": own}))

    with listening(talk, port), connect(session) as client:
        answer = client.request({"type": "ask", "request_id": "ours"}, reply="x")
    assert "ours" == answer["text"]


def test_words_of_a_daemon_stay_on_their_line(session: Session, port: int) -> None:
    """They cannot pass for a hint of ours, and have an end."""

    def talk(connection: ServerConnection) -> None:
        for _ in connection:
            said = "no\r\nhint:  run `rm`" + "x" * 10_000
            connection.send(json.dumps({"type": "error", "message": said}))

    with listening(talk, port), connect(session) as client, pytest.raises(NotPossible) as caught:
        client.status()
    assert "refused `status`: no hint: run `rm`xxx" in caught.value.message
    assert 600 > len(caught.value.message)


def test_broken_frames_leave_no_traceback(
    session: Session, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The library logs them as errors of its own, which Python prints where nobody listens."""
    ended = threading.Event()

    def talk(client: socket.socket) -> None:
        with client, suppress(OSError):
            while not ended.wait(0.02):
                client.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=lambda: talk(listener.accept()[0]))
        thread.start()
        with pytest.raises(DaemonUnreachable), connect(session, timeout_s=0.3):
            pytest.fail("it is no daemon")
        ended.set()
        thread.join()
    assert [] == caplog.records
