"""A live call is never cut without being asked."""

from __future__ import annotations

import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.daemon.calls import ActiveCalls, CallGuard, count_calls
from aava_cli.errors import Busy
from aava_cli.output import Output
from aava_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NATIVE = {"version": "1"}
TOKEN = "only-the-engine-knows"  # noqa: S105 - made up


@contextmanager
def engine(project: Path, *bodies: bytes, code: int = 200) -> Iterator[list[bytes]]:
    """Run an engine's health server that answers *bodies* in turn to those who know the token."""
    left = list(bodies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            self.send_response(code if known and self.path == "/sessions/stats" else 403)
            self.end_headers()
            # The last answer is repeated.
            self.wfile.write(left.pop(0) if len(left) > 1 else left[0])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - its signature
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configure(project, server.server_address[1])
        yield left
        server.shutdown()


def configure(project: Path, port: int) -> None:
    """Make *project* one with an engine, whose health server is on *port*."""
    (project / "config" / "ai-agent.yaml").write_text("providers: {}\n", encoding="utf-8")
    with (project / ".env").open("a", encoding="utf-8") as env:
        env.write(f"HEALTH_BIND_PORT={port}\nHEALTH_API_TOKEN={TOKEN}\n")


def session_of(project: Path, stderr: io.StringIO | None = None) -> Session:
    """Return a session on *project*."""
    return Session({"project": str(project)}, Output(stdout=io.StringIO(), stderr=stderr))


def test_without_an_engine_the_daemon_counts(project: Path) -> None:
    """The native daemon knows its own calls."""
    calls = count_calls(session_of(project), {**NATIVE, "active_sessions": 2})
    assert ActiveCalls(2, "the daemon") == calls


def test_original_daemon_without_an_engine_has_no_calls(project: Path) -> None:
    """It tells no count, and nobody else could have a call on this host."""
    assert ActiveCalls(0, "the daemon") == count_calls(session_of(project), {})


def test_engine_counts_the_calls(project: Path) -> None:
    """Its calls and the daemon's are added up."""
    with engine(project, json.dumps({"active_calls": 3}).encode()):
        calls = count_calls(session_of(project), {**NATIVE, "active_sessions": 1})
    assert ActiveCalls(4, "the engine") == calls


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"active_calls": 0}', 403), (b'{"active_calls": 0}', 500), (b"{}", 200), (b"<html>", 200)],
)
def test_error_of_the_engine_is_no_count(project: Path, body: bytes, code: int) -> None:
    """Only an answer with status 200 and a number counts: error bodies say 0 as well."""
    with engine(project, body, code=code):
        assert count_calls(session_of(project), NATIVE).count is None


def test_engine_that_is_down_blocks(project: Path, port: int) -> None:
    """Unknown is busy where an engine is configured."""
    configure(project, port)
    with pytest.raises(Busy, match="not known whether calls are active"):
        CallGuard(session_of(project)).require_idle(NATIVE)


def test_active_calls_block_with_their_number(project: Path) -> None:
    """Exit 5 says how many, and who said so."""
    status = {**NATIVE, "active_sessions": 2}
    with pytest.raises(Busy, match="2 active calls, says the daemon"):
        CallGuard(session_of(project)).require_idle(status)


def test_force_goes_on_and_says_what_it_cuts(project: Path) -> None:
    """An operator may cut calls, and reads that it happened."""
    stderr = io.StringIO()
    status = {**NATIVE, "active_sessions": 2}
    CallGuard(session_of(project, stderr), force=True).require_idle(status)
    assert "warning: going on although calls may be cut: 2 active calls" in stderr.getvalue()


def test_no_call_is_no_obstacle(project: Path) -> None:
    """Zero is zero."""
    CallGuard(session_of(project)).require_idle(NATIVE)


def stats(*counts: int) -> tuple[bytes, ...]:
    """Return answers of the engine with these numbers of calls."""
    return tuple(json.dumps({"active_calls": count}).encode() for count in counts)


def test_draining_waits_until_it_stays_quiet(project: Path) -> None:
    """One reading of zero is not enough: a call that is handed over is counted nowhere."""
    stderr = io.StringIO()
    with engine(project, *stats(2, 2, 0, 1, 0, 0, 0)) as left:
        guard = CallGuard(session_of(project, stderr), drain_s=60.0)
        guard.drain(lambda: NATIVE)
    assert stats(0) == tuple(left)
    told = [line for line in stderr.getvalue().splitlines() if "waiting for calls" in line]
    assert [" 2 active calls", " 1 active call"] == [
        line.split(":")[-1].split(",")[0] for line in told
    ]


def test_draining_ends_with_its_time(project: Path) -> None:
    """Who still talks then is not cut."""
    with engine(project, *stats(1)), pytest.raises(Busy, match="1 active call, says the engine"):
        CallGuard(session_of(project), drain_s=0.0).drain(lambda: NATIVE)


def test_draining_with_force_cuts_what_is_left(project: Path) -> None:
    """First they may end, then they are cut, and that is said."""
    stderr = io.StringIO()
    with engine(project, *stats(1)):
        guard = CallGuard(session_of(project, stderr), force=True, drain_s=0.0)
        guard.drain(lambda: NATIVE)
    assert "going on although calls may be cut: 1 active call" in stderr.getvalue()


def test_without_draining_nobody_waits(project: Path) -> None:
    """The calls are counted just before the change, by the step that makes it."""
    with engine(project, *stats(0, 1)) as left:
        CallGuard(session_of(project)).drain(lambda: NATIVE)
    assert stats(0, 1) == tuple(left)
