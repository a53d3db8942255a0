"""The engine beside the daemon: where its health server is, and what its answers are worth."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.daemon.engine import DEFAULT_PORT, Engine, find_engine
from aava_cli.errors import ConfigError, NotPossible
from aava_cli.output import Output
from aava_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(code: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers everything with *body*; yield its URL and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers['Authorization']}")
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - its signature
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def configured(project: Path, *, env: str = "", base: str = "{}", overlay: str = "") -> Session:
    """Return a session on *project* with an engine that is configured so."""
    (project / "config" / "ai-agent.yaml").write_text(base, encoding="utf-8")
    if overlay:
        (project / "config" / "ai-agent.local.yaml").write_text(overlay, encoding="utf-8")
    (project / ".env").write_text(env, encoding="utf-8")
    return Session({"project": str(project)}, Output())


def urls(port: int) -> tuple[str, ...]:
    """Return where an engine on *port* is looked for."""
    return (f"http://127.0.0.1:{port}", f"http://[::1]:{port}")


def test_project_without_its_configuration_has_no_engine(project: Path) -> None:
    """A host that only runs the daemon."""
    assert find_engine(Session({"project": str(project)}, Output())) is None


@pytest.mark.parametrize(
    ("env", "base", "overlay", "port"),
    [
        ("", "{}", "", DEFAULT_PORT),
        ("", "health: {port: 15001}", "", 15001),
        ("", "health: {port: 15001}", "health: {port: 15002}\n", 15002),
        ("HEALTH_BIND_PORT=15003\n", "health: {port: 15001}", "health: {port: 15002}\n", 15003),
        ("HEALTH_BIND_PORT=often\n", "{}", "", DEFAULT_PORT),
        ("", "health: yes", "", DEFAULT_PORT),
    ],
)
def test_port_is_found_where_the_engine_finds_it(
    project: Path, env: str, base: str, overlay: str, port: int
) -> None:
    """`.env` first, then the overlay, then the shipped YAML, then what is usual."""
    found = find_engine(configured(project, env=env, base=base, overlay=overlay))
    assert Engine(urls(port)) == found


def test_named_address_wins(project: Path) -> None:
    """The engine may be on another host."""
    found = find_engine(configured(project, env="AI_ENGINE_HEALTH_URL=http://far:1/\n"))
    assert Engine(("http://far:1",)) == found


def test_yaml_that_does_not_parse_is_named(project: Path) -> None:
    """Nobody guesses a port from half a file."""
    with pytest.raises(ConfigError, match=r"ai-agent\.yaml"):
        find_engine(configured(project, base="health: ["))


def test_token_is_sent_and_never_shown() -> None:
    """It goes with every request, and not into a repr."""
    with serving(200, b'{"active_calls": 2}') as (url, asked):
        engine = Engine((url,), "secret")
        assert engine.active_calls() == 2
    assert ["GET /sessions/stats Bearer secret"] == asked
    assert "secret" not in repr(engine)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (500, b'{"active_calls": 0}'),
        (200, b'{"active_calls": true}'),
        (200, b'{"active_calls": "0"}'),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b"{}"),
    ],
)
def test_what_is_no_count_is_unknown(code: int, body: bytes) -> None:
    """An error says 0 too."""
    with serving(code, body) as (url, _asked):
        assert Engine((url,)).active_calls() is None


def test_other_family_is_tried(port: int) -> None:
    """An engine that does not listen on the first address may on the second."""
    with serving(200, json.dumps({"status": "healthy"}).encode()) as (url, _asked):
        assert Engine((f"http://127.0.0.1:{port}", url)).health() == {"status": "healthy"}


def test_reload_is_posted() -> None:
    """The engine reads its configuration again."""
    with serving(200, b'{"status": "ok"}') as (url, asked):
        Engine((url,)).reload()
    assert ["POST /reload None"] == asked


def test_reload_that_is_refused_is_an_error() -> None:
    """Nobody believes that it runs the new configuration."""
    with serving(403, b"{}") as (url, _asked), pytest.raises(NotPossible, match="did not reload"):
        Engine((url,)).reload()
