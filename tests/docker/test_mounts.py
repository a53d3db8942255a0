"""Container paths as paths of the host."""

from __future__ import annotations

from pathlib import Path

from aava_cli.docker.mounts import Mount, host_path, usual_mounts
from aava_cli.settings import Settings

MOUNTS = (
    Mount("/app/models", Path("/srv/models")),
    Mount("/app/models/llm", Path("/big/llm")),
    Mount("/app/data", Path("/srv/data")),
)


def test_path_is_found_through_its_mount() -> None:
    """What `.env` calls /app/models/... is a file of the host."""
    assert Path("/srv/models/stt/x.bin") == host_path("/app/models/stt/x.bin", MOUNTS)


def test_deepest_mount_wins() -> None:
    """A mount below another hides what the upper one has there."""
    assert Path("/big/llm/a.gguf") == host_path("/app/models/llm/a.gguf", MOUNTS)


def test_mount_itself_is_its_folder() -> None:
    """Nothing is left behind the mount's own name."""
    assert Path("/srv/data") == host_path("/app/data", MOUNTS)


def test_path_in_the_image_is_not_on_the_host() -> None:
    """A folder whose name begins alike is another folder."""
    assert (None, None) == (host_path("/opt/x", MOUNTS), host_path("/app/models2/x", MOUNTS))


def test_models_are_where_the_settings_say_without_a_container() -> None:
    """The Compose file mounts the project's models folder."""
    settings = Settings(Path("/srv/agent"), Path("/disk/models"))
    assert Path("/disk/models/tts/v.onnx") == host_path(
        "/app/models/tts/v.onnx", usual_mounts(settings)
    )
