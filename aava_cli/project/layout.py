"""Make a folder a project, and leave everything that is already there."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder
from aava_cli.output import Result
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.settings import Settings

MODEL_FOLDERS = ("stt", "tts", "llm", "kroko", "vad")

# Readers of `.env` disagree about comments behind a value, so each has its own line.
ENV_TEXT = """\
# Where the daemon listens; another address than loopback also needs LOCAL_WS_AUTH_TOKEN.
LOCAL_WS_HOST=127.0.0.1
LOCAL_WS_PORT={port}
# `full` loads a language model; `minimal` runs speech only.
LOCAL_AI_MODE=full
"""


@dataclass(frozen=True, slots=True)
class Initialised(Result):
    """A project, and which of its parts were made just now."""

    project: Path
    made: tuple[Path, ...]

    def text(self) -> Iterable[str]:
        """Yield what was made, and what to do next."""
        if not self.made:
            yield f"already a project: {self.project}"
            return
        yield f"project  {self.project}"
        for path in self.made:
            inside = path.is_relative_to(self.project)
            yield f"made     {path.relative_to(self.project) if inside else path}"
        yield "next     aava models pull starter"


def init_project(settings: Settings, *, port: int) -> Initialised:
    """Make what is missing of a project; a Compose project brings its own folders.

    Raises:
        NotPossible: a part cannot be made.
        OSError: there is no room for it.
    """
    try:
        made = tuple(_make_missing(settings, port))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"cannot make `{error.filename or settings.project}`: {error.strerror}"
        raise NotPossible(message, hint="name another folder: `aava init FOLDER`") from error
    return Initialised(settings.project, made)


def _make_missing(settings: Settings, port: int) -> Iterator[Path]:
    yield from _make_state(settings.state_dir)
    if is_compose_project(settings.project):
        # Its own installer made the rest, or will; without `.env` Compose reads none of its files.
        yield from _make_env(settings, port)
        return
    folders = (
        *(settings.models_dir / name for name in MODEL_FOLDERS),
        settings.overlay_yaml.parent,
    )
    for folder in folders:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            yield folder
    yield from _make_env(settings, port)


def example_of(settings: Settings) -> Path | None:
    """Return the file that a Compose project's `.env` begins as, if it brings one."""
    example = settings.project / ".env.example"
    return example if is_compose_project(settings.project) and example.is_file() else None


def _make_env(settings: Settings, port: int) -> Iterator[Path]:
    if not settings.env_file.exists():
        example = example_of(settings)
        text = example.read_bytes() if example else ENV_TEXT.format(port=port).encode()
        atomic_write(settings.env_file, text, mode=PRIVATE_FILE)
        yield settings.env_file


def _make_state(state_dir: Path) -> Iterator[Path]:
    if not state_dir.is_dir():
        yield private_folder(state_dir)
    ignore = state_dir / ".gitignore"
    if not ignore.exists():
        atomic_write(ignore, b"*\n")
        yield ignore
