"""Where things are: flag, then `AAVA_*` environment, then config file, then default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.events import Log, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.events import Emit

CONTAINER_MODELS = PurePosixPath("/app/models")
STATE_FOLDER = ".aava"
_CONFIG_KEYS = ("project", "models_dir", "daemon")
# The order in which Compose itself looks.
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_COMPOSE_FILE = re.compile(r"^COMPOSE_FILE=(\S+)", re.MULTILINE)
_SERVICE = re.compile(r"^\s+local_ai_server:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """The places one command works with.

    `daemon_url` is None unless it was named: then `.env` says where the daemon listens.
    """

    project: Path
    models_dir: Path
    daemon_url: str | None = None

    @property
    def env_file(self) -> Path:
        """What selects the models and configures the daemon."""
        return self.project / ".env"

    @property
    def base_yaml(self) -> Path:
        """The engine's configuration as it is shipped; never written."""
        return self.project / "config" / "ai-agent.yaml"

    @property
    def overlay_yaml(self) -> Path:
        """The operator's part of the engine's configuration."""
        return self.project / "config" / "ai-agent.local.yaml"

    @property
    def state_dir(self) -> Path:
        """Locks, the journal, partial downloads and receipts."""
        return self.project / STATE_FOLDER

    @property
    def lock_file(self) -> Path:
        """What a command holds while it changes the project."""
        return self.state_dir / "lock"

    def host_path(self, value: str) -> Path:
        """Return the file on this host that `.env` calls *value*."""
        path = PurePosixPath(value)
        if path.is_relative_to(CONTAINER_MODELS):
            return self.models_dir / path.relative_to(CONTAINER_MODELS)
        return self.project / path

    def user_catalogs(self) -> tuple[Path, ...]:
        """Return the catalogs that may add to the shipped one, the last one winning."""
        return (
            config_folder() / "catalog.toml",
            self.project / "config" / "catalog.local.toml",
        )


def container_path(relative: PurePosixPath) -> str:
    """Return what `.env` calls the file *relative* to the models folder."""
    return str(CONTAINER_MODELS / relative)


def find_settings(flags: Mapping[str, str | None], *, emit: Emit = ignore) -> Settings:
    """Decide every place from *flags* (`project`, `models_dir`, `daemon`) and what surrounds us.

    Raises:
        ConfigError: the config file does not parse.
        UsageError: the daemon that was named is no URL, or one with a secret in it.
    """
    config = _config_file()
    _warn_of_unknown_keys(config, emit)

    def choose(flag: str, variable: str) -> str | None:
        return flags.get(flag) or os.environ.get(variable) or config.get(flag)

    named = choose("project", "AAVA_PROJECT")
    project = Path(named).expanduser().absolute() if named else find_project(Path.cwd())
    models = choose("models_dir", "AAVA_MODELS")
    models_dir = Path(models).expanduser().absolute() if models else project / "models"
    return Settings(project, models_dir, _checked(choose("daemon", "AAVA_DAEMON_URL")))


def _checked(daemon_url: str | None) -> str | None:
    if not daemon_url:
        return None
    from aava_cli.daemon.address import checked_url

    return checked_url(daemon_url)


def find_project(start: Path) -> Path:
    """Return the nearest project at or above *start*, else the user's data folder."""
    for folder in (start, *start.parents):
        if is_project(folder):
            return folder
    return default_project()


def is_project(folder: Path) -> bool:
    """Return whether *folder* was made a project, or holds the daemon's Compose file."""
    return _has_state(folder) or is_compose_project(folder)


def _has_state(folder: Path) -> bool:
    try:
        return (folder / STATE_FOLDER).is_dir()
    except OSError:
        return False


def default_project() -> Path:
    """Return the folder of the user's data, the project where there is no other."""
    from platformdirs import user_data_path

    return user_data_path("aava")


def is_compose_project(folder: Path) -> bool:
    """Return whether *folder* holds the Compose project of the daemon."""
    return any(_SERVICE.search(_text(file)) for file in compose_files(folder))


def compose_files(folder: Path) -> Iterator[Path]:
    """Yield where the Compose files of *folder* may be: by their names, and as `.env` says."""
    chosen = _COMPOSE_FILE.findall(_text(folder / ".env"))
    names = (name for each in chosen for name in each.strip("\"'").split(os.pathsep))
    yield from (folder / name for name in (*COMPOSE_FILES, *names))


def _text(file: Path) -> str:
    """Return the text of *file*; one that may not be read says nothing, and ends nothing."""
    try:
        return file.read_text("utf-8", "replace") if file.is_file() else ""
    except OSError:
        return ""


def config_folder() -> Path:
    """Return the folder of the user's own configuration."""
    from platformdirs import user_config_path

    return user_config_path("aava")


def _config_path() -> Path:
    return config_folder() / "config.toml"


def _warn_of_unknown_keys(config: Mapping[str, str], emit: Emit) -> None:
    from aava_cli.errors import with_nearest

    for key in config.keys() - set(_CONFIG_KEYS):
        message = f"`{_config_path()}` has a key `{key}` that means nothing to aava"
        emit(Log(with_nearest(message, key, _CONFIG_KEYS), "warning"))


def _config_file() -> dict[str, str]:
    path = _config_path()
    if not path.is_file():
        return {}
    import tomllib

    from aava_cli.errors import ConfigError

    try:
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = re.search(r"line (\d+)", str(error))
        raise ConfigError.at(path, int(line[1]) if line else 1, f"not TOML: {error}") from error
    return {key: str(value) for key, value in loaded.items()}
