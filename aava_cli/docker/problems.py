"""What can go wrong between here and a running container, told by what `docker` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import AavaError

if TYPE_CHECKING:
    from aava_cli.docker.argv import Argv


class EngineUnreachable(AavaError):
    """No engine answers, or it is not let near, or it is not Docker's."""

    code = "engine-unreachable"


class EngineFailed(AavaError):
    """The engine or Compose was asked, and said no."""

    code = "engine-failed"


class ImageMissing(EngineFailed):
    """The image that a service names was never built here."""

    code = "image-missing"


_NO_ENGINE = ("cannot connect to the docker daemon", "error during connect", "failed to connect")
_NO_COMPOSE = ("'compose' is not a docker command", "unknown command: docker compose")
_NO_IMAGE = ("no such image", "pull access denied", "not found: manifest unknown")


def problem_of(argv: Argv, stderr: str) -> AavaError:
    """Return what *stderr* of the failed command *argv* says, and what to do about it."""
    text = stderr.lower()
    if "permission denied" in text and ("socket" in text or "dial unix" in text):
        return EngineUnreachable(
            "this user may not talk to the Docker engine",
            hint="run `sudo usermod -aG docker $USER` and log in again, or use `sudo`",
        )
    if any(words in text for words in _NO_ENGINE):
        return EngineUnreachable(
            f"the Docker engine does not answer: {_last_line(stderr)}",
            hint="run `sudo systemctl start docker`; `docker context ls` shows which one is asked",
        )
    # Without the plugin, `docker` takes Compose's options for its own.
    if any(words in text for words in _NO_COMPOSE) or "unknown flag: --ansi" in text:
        return no_compose()
    if any(words in text for words in _NO_IMAGE):
        return ImageMissing(_last_line(stderr), hint="build it: `aava rebuild`")
    message = f"`{_shown(argv)}` failed: {_last_line(stderr) or 'no reason given'}"
    return EngineFailed(message, hint="run `aava preflight` to see why")


def no_docker() -> AavaError:
    """Return that there is no `docker` program."""
    return EngineUnreachable(
        "there is no `docker` program on the PATH",
        hint="install Docker, or use the native daemon, which needs none: `aava serve`",
    )


def no_compose() -> AavaError:
    """Return that `docker` lacks Compose."""
    return EngineUnreachable(
        "`docker` has no Compose of version 2 or later",
        hint="install the plugin: `sudo apt-get install docker-compose-plugin`",
    )


def is_podman() -> AavaError:
    """Return that Podman answers where Docker is needed."""
    return EngineUnreachable(
        "Podman answers here, and drops a Compose file's GPU without a word",
        hint="install Docker Engine, or name one with `DOCKER_HOST` or `docker context use`",
    )


def no_answer(argv: Argv, timeout_s: float) -> AavaError:
    """Return that *argv* was ended because it took too long."""
    message = f"`{_shown(argv)}` did not finish in {timeout_s:g} s"
    return EngineFailed(message, hint="see whether `docker ps` answers; then run `aava recover`")


def _shown(argv: Argv) -> str:
    return " ".join(word for word in argv if not word.startswith("-"))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
