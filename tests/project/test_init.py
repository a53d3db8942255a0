"""Making a project."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from aava_cli import envfile
from aava_cli.errors import NotPossible
from aava_cli.output import Output
from aava_cli.project.cli import init
from aava_cli.project.layout import ENV_TEXT
from aava_cli.session import Session
from aava_cli.settings import find_project


def run(*arguments: str, json_form: bool = False, **flags: str) -> str:
    """Run `aava init` with *arguments* and return what it printed."""
    stdout = io.StringIO()
    output = Output("json" if json_form else "text", stdout=stdout)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(init)
    app(list(arguments), obj=Session(dict(flags), output), standalone_mode=False)
    return stdout.getvalue()


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return every path below *folder* with its bytes; folders have none."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def mode(path: Path) -> int:
    """Return the permissions of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


ENV = b"""\
# Where the daemon listens; another address than loopback also needs LOCAL_WS_AUTH_TOKEN.
LOCAL_WS_HOST=127.0.0.1
LOCAL_WS_PORT=8765
# `full` loads a language model; `minimal` runs speech only.
LOCAL_AI_MODE=full
"""


def test_a_project_has_its_folders_and_a_configuration(tmp_path: Path) -> None:
    """Nothing else is made."""
    run(str(tmp_path / "voice"))
    assert tree(tmp_path / "voice") == {
        ".aava": None,
        ".aava/.gitignore": b"*\n",
        ".env": ENV,
        "config": None,
        "models": None,
        "models/kroko": None,
        "models/llm": None,
        "models/stt": None,
        "models/tts": None,
        "models/vad": None,
    }


def test_secrets_and_state_are_for_the_owner_only(tmp_path: Path) -> None:
    """`.env` will hold the token."""
    run(str(tmp_path))
    assert (mode(tmp_path / ".aava"), mode(tmp_path / ".env")) == (0o700, 0o600)


def test_the_answer_says_what_was_made(tmp_path: Path) -> None:
    """And what to do next."""
    lines = run(str(tmp_path)).splitlines()
    assert lines[:3] == [f"project  {tmp_path}", "made     .aava", "made     .aava/.gitignore"]
    assert lines[-2:] == ["made     .env", "next     aava models pull starter"]


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    """The second run says so."""
    run(str(tmp_path))
    (tmp_path / ".env").write_text("LOCAL_WS_PORT=9000\n")
    before = tree(tmp_path)
    assert run(str(tmp_path), "--port", "1234") == f"already a project: {tmp_path}\n"
    assert tree(tmp_path) == before


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    """A folder that somebody removed comes back; the rest stays."""
    run(str(tmp_path))
    (tmp_path / "models" / "vad").rmdir()
    made = json.loads(run(str(tmp_path), json_form=True))["result"]["made"]
    assert made == [str(tmp_path / "models" / "vad")]


def test_the_port_is_written_where_the_daemon_reads_it(tmp_path: Path) -> None:
    """Two daemons on one host need two ports."""
    run(str(tmp_path), "--port", "8766")
    values = envfile.read((tmp_path / ".env").read_text())
    assert values == {
        "LOCAL_WS_HOST": "127.0.0.1",
        "LOCAL_WS_PORT": "8766",
        "LOCAL_AI_MODE": "full",
    }


def test_a_compose_project_gets_what_every_project_needs(tmp_path: Path) -> None:
    """Its state, and an `.env` where it brings none; its own installer makes the rest."""
    (tmp_path / "docker-compose.yml").write_text("services:\n  local_ai_server: {}\n")
    before = tree(tmp_path)
    run(str(tmp_path))
    env = ENV_TEXT.format(port=8765).encode()
    made = {".aava": None, ".aava/.gitignore": b"*\n", ".env": env}
    assert tree(tmp_path) == before | made


def test_a_compose_project_gets_its_env_from_its_example(tmp_path: Path) -> None:
    """Byte for byte, for the owner only; one that is there stays."""
    (tmp_path / "docker-compose.yml").write_text("services:\n  local_ai_server: {}\n")
    (tmp_path / ".env.example").write_bytes(b"LOCAL_WS_PORT=8770 # mine\r\n")
    run(str(tmp_path))
    env = tmp_path / ".env"
    assert (b"LOCAL_WS_PORT=8770 # mine\r\n", 0o600) == (env.read_bytes(), mode(env))
    env.write_bytes(b"LOCAL_WS_PORT=1\n")
    run(str(tmp_path))
    assert b"LOCAL_WS_PORT=1\n" == env.read_bytes()


def test_a_compose_file_of_something_else_is_no_compose_project(tmp_path: Path) -> None:
    """The project shares a folder with another program."""
    (tmp_path / "docker-compose.yml").write_text("services:\n  web: {}\n")
    run(str(tmp_path))
    assert (tmp_path / ".env").read_bytes() == ENV


def test_the_current_folder_becomes_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project above it is not meant."""
    run(str(tmp_path))
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    run()
    assert find_project(Path.cwd()) == inner


def test_the_project_option_names_the_folder_too(tmp_path: Path) -> None:
    """`--project` means the same everywhere."""
    assert run(project=str(tmp_path / "voice")).startswith(f"project  {tmp_path / 'voice'}\n")


def test_models_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big disk holds them, and they are named by their full path."""
    monkeypatch.setenv("AAVA_MODELS", str(tmp_path / "disk"))
    answer: dict[str, Any] = json.loads(run(str(tmp_path / "voice"), json_form=True))
    assert str(tmp_path / "disk" / "stt") in answer["result"]["made"]
    assert f"made     {tmp_path / 'disk' / 'llm'}" in run_again_without(tmp_path / "disk" / "llm")


def run_again_without(folder: Path) -> str:
    """Remove *folder* and make it again."""
    folder.rmdir()
    return run(str(folder.parent.parent / "voice"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file is in the way."""
    (tmp_path / "voice").write_text("a file")
    with pytest.raises(NotPossible, match=r"cannot make `.*voice"):
        run(str(tmp_path / "voice"))


_FULL = """
mount -t tmpfs -o nr_inodes=4 none "$1" && exec "$2" -m aava_cli init "$1"
"""


def test_full_disk_is_no_room(tmp_path: Path) -> None:
    """Another folder on the same disk would help nobody."""
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", _FULL, "sh", tmp_path, sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (8, True) == (done.returncode, done.stderr.startswith("error: no space left"))
