"""Who may speak to the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.daemon_fixture import start_daemon, write_env

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.daemon_fixture import RunningDaemon

TOKEN = "correct horse"  # noqa: S105 - the secret of a test
REQUIRED = {"type": "auth_response", "status": "error", "message": "authentication_required"}
INVALID = {"type": "auth_response", "status": "error", "message": "invalid_auth_token"}
OK = {"type": "auth_response", "status": "ok"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """Start a daemon that asks for a token."""
    project = tmp_path_factory.mktemp("guarded")
    write_env(project, {"LOCAL_WS_AUTH_TOKEN": TOKEN, "LOCAL_WS_HOST": "0.0.0.0"})  # noqa: S104
    running = start_daemon(project, project / "models")
    yield running
    running.stop()


@pytest.mark.parametrize(
    "request_",
    [{"type": "status"}, {"type": "nope"}, {"type": "status", "auth_token": TOKEN}, "{", b"\0\0"],
)
def test_everything_needs_the_token(guarded: RunningDaemon, request_: Any) -> None:  # noqa: ANN401
    """Whatever is sent first, only authentication is answered."""
    with guarded.connect() as client:
        assert REQUIRED == client.ask(request_)
        assert REQUIRED == client.ask({"type": "status"})


@pytest.mark.parametrize(
    "fields", [{}, {"auth_token": ""}, {"auth_token": "wrong"}, {"token": 5}, {"token": "ß"}]
)
def test_wrong_token_is_refused(guarded: RunningDaemon, fields: dict[str, Any]) -> None:
    """The connection stays open, so the right token may follow."""
    with guarded.connect() as client:
        assert INVALID == client.ask({"type": "auth", **fields})
        assert OK == client.ask({"type": "auth", "auth_token": TOKEN})


@pytest.mark.parametrize("name", ["auth_token", "token"])
def test_right_token_opens(guarded: RunningDaemon, name: str) -> None:
    """Spaces around it do not matter, and a later wrong one does not close."""
    with guarded.connect() as client:
        assert OK == client.ask({"type": "AUTH", name: f" {TOKEN} "})
        assert INVALID == client.ask({"type": "auth", name: "wrong"})
        assert "status_response" == client.ask({"type": "status"})["type"]


def test_token_opens_its_own_connection_only(guarded: RunningDaemon) -> None:
    """Others still have to authenticate."""
    with guarded.connect() as one, guarded.connect() as other:
        one.ask({"type": "auth", "auth_token": TOKEN})
        assert REQUIRED == other.ask({"type": "status"})


def test_token_is_told_to_nobody(guarded: RunningDaemon) -> None:
    """Neither the status nor the log contains it."""
    with guarded.connect() as client:
        client.ask({"type": "auth", "auth_token": TOKEN})
        assert TOKEN not in str(client.ask({"type": "status"}))
    assert TOKEN not in guarded.log.read_text("utf-8")


@pytest.mark.parametrize("origin", ["https://example.org", "null", "http://127.0.0.1.example"])
def test_pages_of_others_cannot_connect(shared: RunningDaemon, origin: str) -> None:
    """Without a token, a web page in a browser of this machine does not reach the daemon."""
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(shared.url, origin=Origin(origin), proxy=None),
    ):
        pass


def test_pages_of_this_machine_can_connect(shared: RunningDaemon) -> None:
    """A local web page is as good as a local program."""
    with connect(shared.url, origin=Origin("http://localhost:3000"), proxy=None) as connection:
        connection.send('{"type": "status"}')
        assert "status_response" in str(connection.recv(timeout=30))
