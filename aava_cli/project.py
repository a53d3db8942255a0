"""`aava init`: make a folder a project, and leave everything that is already there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import NotPossible
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder
from aava_cli.output import Result
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.session import Session
    from aava_cli.settings import Settings

PORT = 8765
MODEL_FOLDERS = ("stt", "tts", "llm", "kroko", "vad")

_LAST_PORT = 65_535

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


FolderArgument = Annotated[
    Path | None, typer.Argument(help="The project, else the current folder.")
]
PortOption = Annotated[
    int, typer.Option("--port", min=1, max=_LAST_PORT, help="Where the daemon is to listen.")
]


def init(ctx: typer.Context, folder: FolderArgument = None, port: PortOption = PORT) -> None:
    """Make a folder a project; what is already there stays as it is.

    \b
      aava init                    the current folder
      aava init voice              another one, made if need be
      aava init --port 8766        for a daemon beside another
    """  # noqa: D301 - the help formatter needs the control character itself
    session: Session = ctx.obj
    named = folder or session.flags.get("project") or Path.cwd()
    settings = session.choose_project(Path(named).expanduser().absolute())
    session.output.result(init_project(settings, port=port))


def init_project(settings: Settings, *, port: int = PORT) -> Initialised:
    """Make what is missing of a project; a compose project only lacks its state folder.

    Raises:
        NotPossible: a part cannot be made.
    """
    try:
        made = tuple(_make_missing(settings, port))
    except OSError as error:
        message = f"cannot make `{error.filename or settings.project}`: {error.strerror}"
        raise NotPossible(message, hint="name another folder: `aava init FOLDER`") from error
    return Initialised(settings.project, made)


def _make_missing(settings: Settings, port: int) -> Iterator[Path]:
    yield from _make_state(settings.state_dir)
    if is_compose_project(settings.project):
        # Its own installer made the rest, or will.
        return
    folders = (
        *(settings.models_dir / name for name in MODEL_FOLDERS),
        settings.overlay_yaml.parent,
    )
    for folder in folders:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            yield folder
    if not settings.env_file.exists():
        text = ENV_TEXT.format(port=port)
        atomic_write(settings.env_file, text.encode(), mode=PRIVATE_FILE)
        yield settings.env_file


def _make_state(state_dir: Path) -> Iterator[Path]:
    if not state_dir.is_dir():
        yield private_folder(state_dir)
    ignore = state_dir / ".gitignore"
    if not ignore.exists():
        atomic_write(ignore, b"*\n")
        yield ignore
