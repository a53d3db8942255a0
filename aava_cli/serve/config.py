"""How the daemon is configured: `.env` first, then the process environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.daemon.address import is_loopback, is_port
from aava_cli.errors import ConfigError, NotPossible, UsageError
from aava_cli.serve.defaults import DEFAULTS
from aava_cli.serve.engines import EngineError
from aava_cli.serve.limits import Limits
from aava_cli.serve.values import check_values, with_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aava_cli.backends import Values
    from aava_cli.settings import Settings

_SERVER_PACKAGES = ("starlette", "uvicorn", "python_multipart")


def _nothing() -> None:
    """Do nothing, when nobody waits for the daemon."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Where the daemon listens, who may speak to it, and what it loads.

    `env` holds only what was set, without the defaults. `on_ready` is called once the port
    is bound, which is before any model is loaded; `ready_fd` is written to once they are.
    """

    settings: Settings
    env: Values
    host: str = "127.0.0.1"
    port: int = 8765
    token: str = field(default="", repr=False)
    on_ready: Callable[[], None] = _nothing
    limits: Limits = field(default_factory=Limits)
    pid_file: Path | None = None
    ready_fd: int | None = None


def serve_config(
    settings: Settings, env: Values, *, environ: Mapping[str, str] = os.environ
) -> ServeConfig:
    """Return the configuration that *env*, the values of `.env`, asks for.

    Raises:
        ConfigError: a number is none.
        UsageError: others could connect, and no token keeps them out.
    """
    asked = {key: environ[key] for key in DEFAULTS if key in environ} | dict(env)
    values = with_defaults(asked)
    try:
        check_values(values)
    except EngineError as error:
        raise ConfigError(str(error), hint=f"correct it in `{settings.env_file}`") from error
    host, token = values["LOCAL_WS_HOST"].strip(), values["LOCAL_WS_AUTH_TOKEN"].strip()
    if not token and not is_loopback(host):
        raise UsageError(
            f"anybody could reach the daemon on `{host}`: no token is set",
            hint="set `LOCAL_WS_AUTH_TOKEN` in `.env`, or listen on 127.0.0.1",
        )
    return ServeConfig(settings, asked, host, _port(values, settings), token)


def _port(values: Values, settings: Settings) -> int:
    text = values["LOCAL_WS_PORT"].strip()
    if is_port(text):
        return int(text)
    message = f"`LOCAL_WS_PORT` must be a port number, not `{text}`"
    raise ConfigError(message, hint=f"correct it in `{settings.env_file}`")


def require_server() -> None:
    """Raise `NotPossible` if the packages that the daemon is made of are not installed."""
    from importlib.util import find_spec

    missing = [each.replace("_", "-") for each in _SERVER_PACKAGES if find_spec(each) is None]
    if missing:
        message = f"the daemon's packages are not installed: {', '.join(missing)}"
        raise NotPossible(message, hint=f"run `python -m pip install {' '.join(missing)}`")
