"""Where things are: flag, environment, config file, default."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import ConfigError
from aava_cli.events import Log
from aava_cli.settings import (
    Settings,
    config_folder,
    container_path,
    find_project,
    find_settings,
    is_compose_project,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.events import Event
    from tests.conftest import Aava

COMPOSE = "services:\n  local_ai_server:\n    image: x\n"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that belongs to no project."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write_config(text: str) -> Path:
    """Write the user's config file."""
    config_folder().mkdir(parents=True)
    path = config_folder() / "config.toml"
    path.write_text(text)
    return path


def test_every_place_is_below_the_project(tmp_path: Path) -> None:
    """One folder holds all that belongs together."""
    settings = Settings(tmp_path, tmp_path / "models")
    assert [
        ".env",
        "config/ai-agent.yaml",
        "config/ai-agent.local.yaml",
        ".aava",
        ".aava/lock",
        "config/catalog.local.toml",
    ] == [
        str(path.relative_to(tmp_path))
        for path in (
            settings.env_file,
            settings.base_yaml,
            settings.overlay_yaml,
            settings.state_dir,
            settings.lock_file,
            settings.user_catalogs()[-1],
        )
    ]


@pytest.mark.parametrize("flag", ["project", "models_dir", "daemon"])
def test_flag_wins_over_environment_over_config(
    flag: str, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer to the command, the stronger."""
    variable = {
        "project": "AAVA_PROJECT",
        "models_dir": "AAVA_MODELS",
        "daemon": "AAVA_DAEMON_URL",
    }[flag]

    def chosen(flags: Mapping[str, str | None]) -> str:
        settings = find_settings(flags)
        return str(
            {
                "project": settings.project,
                "models_dir": settings.models_dir,
                "daemon": settings.daemon_url,
            }[flag]
        )

    def place(name: str) -> str:
        return f"ws://{name}" if flag == "daemon" else str(outside / name)

    write_config(f'{flag} = "{place("config")}"\n')
    assert place("config") == chosen({})
    monkeypatch.setenv(variable, place("env"))
    assert place("env") == chosen({})
    assert place("flag") == chosen({flag: place("flag")})
    assert place("env") == chosen({flag: None})


@pytest.mark.usefixtures("outside")
def test_without_anything_the_data_folder_is_the_project(own_home: Path) -> None:
    """A bare host needs no choice."""
    expected = Settings(own_home / "data" / "aava", own_home / "data" / "aava" / "models")
    assert expected == find_settings({})


def test_relative_and_home_paths_become_absolute(outside: Path, own_home: Path) -> None:
    """A later change of folder changes no place."""
    settings = find_settings({"project": "here", "models_dir": "~/models"})
    assert (outside / "here", own_home / "models") == (settings.project, settings.models_dir)


def test_nearest_project_above_is_found(tmp_path: Path) -> None:
    """Any folder inside a project will do to stand in."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    assert tmp_path == find_project(inner)
    (tmp_path / "a" / ".aava").mkdir()
    assert tmp_path / "a" == find_project(inner)


def test_compose_file_of_another_product_is_no_project(outside: Path) -> None:
    """Only the service that we manage makes a project."""
    (outside / "docker-compose.yml").write_text("services:\n  web:\n# local_ai_server:\n")
    assert outside != find_project(outside)


def test_state_file_instead_of_a_folder_is_no_project(outside: Path) -> None:
    """A file that happens to be called `.aava` is none."""
    (outside / ".aava").touch()
    assert outside != find_project(outside)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/app/models/stt/vosk", "/srv/models/stt/vosk"),
        ("/app/models", "/srv/models"),
        ("/app/models-old/x", "/app/models-old/x"),
        ("/data/x.gguf", "/data/x.gguf"),
        ("models/x.gguf", "/home/p/models/x.gguf"),
    ],
)
def test_container_paths_become_host_paths(value: str, expected: str) -> None:
    """One `.env` serves the container and the host."""
    assert Path(expected) == Settings(Path("/home/p"), Path("/srv/models")).host_path(value)


def test_container_path_is_the_inverse() -> None:
    """What is written maps back to where the file is."""
    settings = Settings(Path("/home/p"), Path("/srv/models"))
    relative = PurePosixPath("llm/x.gguf")
    assert settings.models_dir / relative == settings.host_path(container_path(relative))


@pytest.mark.parametrize(
    ("data", "line"), [(b"project = \n", 1), (b"\n\nx = 1 y\n", 3), (b"\xff", 1)]
)
@pytest.mark.usefixtures("outside")
def test_broken_config_file_is_named_with_its_line(data: bytes, line: int) -> None:
    """A person can go and correct it."""
    path = write_config("")
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        find_settings({})
    assert caught.value.message.startswith(f"{path}:{line}: not TOML")


def test_user_catalogs_end_with_the_project(own_home: Path, tmp_path: Path) -> None:
    """The project's own catalog wins."""
    settings = Settings(tmp_path, tmp_path / "models")
    assert settings.user_catalogs() == (
        own_home / "config" / "aava" / "catalog.toml",
        tmp_path / "config" / "catalog.local.toml",
    )


@pytest.mark.usefixtures("outside")
def test_unknown_key_of_the_config_file_is_a_warning() -> None:
    """A mistyped key would otherwise be a default without a word."""
    path = write_config('deamon = "ws://there:1"\nproject = "/srv"\n')
    said: list[Event] = []
    settings = find_settings({}, emit=said.append)
    assert (Path("/srv"), None) == (settings.project, settings.daemon_url)
    message = f"`{path}` has a key `deamon` that means nothing to aava; nearest: `daemon`"
    (warning,) = said
    assert isinstance(warning, Log)
    assert (True, "warning") == (warning.message.startswith(message), warning.level)


def test_unknown_key_is_said_once_in_a_command(aava: Aava) -> None:
    """It does not end the command."""
    write_config("x = 1\n")
    ran = aava("models", "list")
    assert (0, 1) == (ran.exit_code, ran.stderr.count("warning: "))


def test_files_that_may_not_be_looked_at_are_no_project(outside: Path) -> None:
    """A name that is too long is refused as a folder without rights is: it ends nothing."""
    (outside / ".env").write_text(f"COMPOSE_FILE={'x' * 300}:mine.yml\n")
    assert not is_compose_project(outside)
    (outside / "mine.yml").write_text(COMPOSE)
    assert is_compose_project(outside)
