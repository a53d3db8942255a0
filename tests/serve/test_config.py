"""How `.env` and the environment configure the daemon."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from aava_cli.errors import ConfigError, NotPossible, UsageError
from aava_cli.serve.app import run
from aava_cli.serve.config import ServeConfig, serve_config
from aava_cli.settings import Settings
from tests.daemon_fixture import free_port

SETTINGS = Settings(Path("/project"), Path("/models"))


def test_env_file_wins_over_the_environment() -> None:
    """What neither names has its default."""
    environ = {"LOCAL_WS_HOST": "::1", "LOCAL_WS_PORT": "1000", "UNRELATED": "x"}
    config = serve_config(SETTINGS, {"LOCAL_WS_PORT": "2000"}, environ=environ)
    assert ("::1", 2000, "") == (config.host, config.port, config.token)
    assert {"LOCAL_WS_HOST": "::1", "LOCAL_WS_PORT": "2000"} == config.env


def test_token_is_not_shown() -> None:
    """A configuration that is printed keeps its secret."""
    shown = repr(serve_config(SETTINGS, {"LOCAL_WS_AUTH_TOKEN": "secret"}, environ={}))
    assert "token" not in shown.partition("env=")[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_token(host: str) -> None:
    """Only this machine can connect."""
    assert host == serve_config(SETTINGS, {"LOCAL_WS_HOST": host}, environ={}).host


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])  # noqa: S104
def test_other_hosts_need_a_token(host: str) -> None:
    """Without one the daemon does not start."""
    with pytest.raises(UsageError, match="no token is set"):
        serve_config(SETTINGS, {"LOCAL_WS_HOST": host}, environ={})
    env = {"LOCAL_WS_HOST": host, "LOCAL_WS_AUTH_TOKEN": "t"}
    assert host == serve_config(SETTINGS, env, environ={}).host


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LOCAL_WS_PORT", "abc"),
        ("LOCAL_WS_PORT", "0"),
        ("LOCAL_WS_PORT", "70000"),
        ("LOCAL_WS_PORT", "9" * 5000),
        ("LOCAL_LLM_CONTEXT", "-5"),
        ("LOCAL_LLM_CONTEXT", "many"),
        ("LOCAL_LLM_TOP_P", "x"),
        ("LOCAL_LLM_TEMPERATURE", "-1"),
        ("LOCAL_LLM_TEMPERATURE", "inf"),
        ("LOCAL_LLM_INFER_TIMEOUT_SEC", "0"),
        ("LOCAL_STT_SEGMENT_PREROLL_MS", "9" * 26),
        ("LOCAL_AI_MODE", "banana"),
    ],
)
def test_bad_number_is_named(key: str, value: str) -> None:
    """The error says which key is wrong and where to correct it."""
    with pytest.raises(ConfigError, match=f"`{key}` .*`{value}`") as raised:
        serve_config(SETTINGS, {key: value}, environ={})
    assert "correct it in `/project/.env`" == raised.value.hint


def test_empty_value_is_the_default() -> None:
    """A key that is there but empty does not stop the daemon."""
    assert 8765 == serve_config(SETTINGS, {"LOCAL_WS_PORT": ""}, environ={}).port


def test_port_in_use_is_an_error() -> None:
    """The daemon says so instead of waiting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = ServeConfig(SETTINGS, {}, port=taken.getsockname()[1])
        with pytest.raises(NotPossible, match="another program listens there"):
            run(config)


def test_address_of_another_machine_is_an_error() -> None:
    """The reason is the system's own."""
    with pytest.raises(NotPossible, match=r"cannot listen on `192\.0\.2\.1:"):
        run(ServeConfig(SETTINGS, {}, host="192.0.2.1", port=free_port(), token="t"))  # noqa: S106


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_ready_means_bound(host: str) -> None:
    """Whoever is told that the daemon is ready can connect to it."""
    port = free_port()

    def connect_and_stop() -> None:
        socket.create_connection((host, port)).close()
        signal.raise_signal(signal.SIGTERM)

    run(ServeConfig(SETTINGS, {}, host=host, port=port, on_ready=connect_and_stop))
