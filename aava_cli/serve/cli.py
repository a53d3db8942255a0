"""The command `aava serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from aava_cli.session import Session

_SERVER_PACKAGES = ("starlette", "uvicorn")


def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen here instead of LOCAL_WS_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Listen here instead of LOCAL_WS_PORT.")
    ] = None,
) -> None:
    """Run the voice daemon on this host, without Docker.

    \b
      aava serve
      aava serve --port 9000

    Reads `.env` for the models, the address and the token. The port answers while models load.
    Beyond loopback a token (`LOCAL_WS_AUTH_TOKEN`) is required. Ctrl-C or SIGTERM stops it.
    """
    session: Session = ctx.obj
    settings = session.require_project()
    require_server()
    from aava_cli.events import Log
    from aava_cli.files import command_line, exclusive_lock
    from aava_cli.serve.app import run
    from aava_cli.serve.config import serve_config

    named = {"LOCAL_WS_HOST": host, "LOCAL_WS_PORT": port and str(port)}
    env = session.env() | {key: value for key, value in named.items() if value}
    config = serve_config(
        settings, env, on_ready=lambda: session.output.emit(Log("the daemon is listening"))
    )
    with exclusive_lock(settings.state_dir / "serve.lock", command=command_line()):
        run(config)


def require_server() -> None:
    """Raise `NotPossible` if the packages that the daemon is made of are not installed."""
    from importlib.util import find_spec

    missing = [name for name in _SERVER_PACKAGES if find_spec(name) is None]
    if missing:
        message = f"the daemon's packages are not installed: {', '.join(missing)}"
        raise NotPossible(message, hint=f"run `python -m pip install {' '.join(missing)}`")
