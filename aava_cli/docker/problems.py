"""What can go wrong between here and a running container, told by what `docker` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import AavaError, NoSpace

if TYPE_CHECKING:
    from aava_cli.docker.argv import Argv


class EngineUnreachable(AavaError):
    """No engine answers, or it is not let near, or it is not Docker's."""

    code = "engine-unreachable"


class EngineFailed(AavaError):
    """The engine or Compose was asked, and said no."""

    code = "engine-failed"


class ImageMissing(EngineFailed):
    """The image that was named is not here."""

    code = "image-missing"


class ContainerMissing(EngineFailed):
    """The container that was named is gone."""

    code = "container-missing"


@dataclass(frozen=True, slots=True)
class _Known:
    """A cause: all of *words* are in what was printed; the message may quote its last line."""

    words: tuple[str, ...]
    kind: type[AavaError]
    message: str
    hint: str

    def error(self, line: str) -> AavaError:
        return self.kind(self.message.format(line=line), hint=self.hint)


# Docker 28 says it below its reason, Docker 27 and older in other words.
_HELP_ENDS = ("--help' for more information", "--help'.")
_START = "see which one is asked: `docker context ls`; on this host: `sudo systemctl start docker`"
# Behind these words stands what `.env` says, which may be a secret.
_QUOTING = re.compile(r"(?i)^.*?(?:invalid interpolation format for \S+|invalid template)")
_COMPOSE_MESSAGE = "`docker` has no Compose of version 2 or later"
_COMPOSE_HINT = "install the plugin: `sudo apt-get install docker-compose-plugin`"

_KNOWN = (
    _Known(
        ("permission denied", "connect to the docker daemon"),
        EngineUnreachable,
        "this user may not talk to the Docker engine",
        "run `sudo usermod -aG docker $USER` and log in again, or use `sudo`",
    ),
    *(
        _Known((words,), EngineUnreachable, "the Docker engine does not answer: {line}", _START)
        for words in (
            "cannot connect to the docker daemon",
            "error during connect",
            "unable to resolve docker endpoint",
        )
    ),
    # Without the plugin, `docker` takes Compose's options for its own.
    *(
        _Known((words,), EngineUnreachable, _COMPOSE_MESSAGE, _COMPOSE_HINT)
        for words in (
            "'compose' is not a docker command",
            "unknown command: docker compose",
            "unknown flag: --ansi",
        )
    ),
    _Known(
        ("no such image",),
        ImageMissing,
        "{line}",
        "build it: `docker compose build`, or `aava rebuild BACKEND`",
    ),
    _Known(
        ("no such container",), ContainerMissing, "{line}", "run `docker ps --all` to see what runs"
    ),
    _Known(
        ("could not select device driver",),
        EngineFailed,
        "the engine cannot give a container the GPU: {line}",
        "run `sudo nvidia-ctk runtime configure --runtime=docker`, then restart Docker",
    ),
    _Known(
        ("no space left on device",),
        NoSpace,
        "the engine has no room: {line}",
        "run `docker system df` to see what takes it; `docker image prune` frees some",
    ),
)


def problem_of(argv: Argv, stderr: str) -> AavaError:
    """Return what *stderr* of the failed command *argv* says, and what to do about it."""
    text, line = stderr.lower(), _telling_line(stderr)
    for known in _KNOWN:
        if all(words in text for words in known.words):
            return known.error(line)
    message = f"`{shown(argv)}` failed: {line or 'no reason given'}"
    return EngineFailed(message, hint="run `aava preflight` to see why")


def no_docker() -> AavaError:
    """Return that there is no `docker` program."""
    return EngineUnreachable(
        "there is no `docker` program on the PATH",
        hint="install Docker, or use the native daemon, which needs none: `aava serve`",
    )


def is_podman() -> AavaError:
    """Return that Podman answers where Docker is needed."""
    return EngineUnreachable(
        "Podman answers here, and drops a Compose file's GPU without a word",
        hint="install Docker Engine, or name one with `DOCKER_HOST` or `docker context use`",
    )


def no_answer(argv: Argv, timeout_s: float) -> AavaError:
    """Return that *argv* was ended because it took too long."""
    message = f"`{shown(argv)}` did not finish in {timeout_s:g} s"
    return EngineFailed(message, hint="see whether `docker ps` answers, and try again")


def shown(argv: Argv) -> str:
    """Return the words of *argv* that say what was asked, without its options."""
    return " ".join(word for word in argv if not word.startswith("-"))


def _telling_line(text: str) -> str:
    """Return the line of *text* that says what went wrong, without a value that it quotes.

    Where help is to be had is no reason.
    """
    lines = (line.strip() for line in text.splitlines())
    said = [line for line in lines if line and not line.endswith(_HELP_ENDS)]
    quoting = [found[0].rstrip(" :.") for found in map(_QUOTING.search, said) if found]
    return (quoting or said[-1:] or [""])[0]
