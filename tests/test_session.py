"""What a command sees of the project."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import Busy, ConfigError, NotFound
from aava_cli.output import Output
from aava_cli.session import Session, read_text, shipped_catalog, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def session(project: Path) -> Session:
    """Return a session on the project."""
    return Session({"project": str(project)}, Output(stdout=io.StringIO(), stderr=io.StringIO()))


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    """A session of a project that is not there is no failure yet."""
    session = Session({"project": str(tmp_path / "none")}, Output())
    assert tmp_path / "none" == session.settings.project


def test_settings_are_found_once(session: Session) -> None:
    """A command does not change its places halfway."""
    assert session.settings is session.settings


def test_chosen_project_replaces_the_named_one(session: Session, tmp_path: Path) -> None:
    """`init` works on the folder that it sets up."""
    chosen = session.choose_project(tmp_path / "other")
    assert (tmp_path / "other", tmp_path / "other" / "models") == (
        chosen.project,
        chosen.models_dir,
    )
    assert chosen is session.settings


def test_env_is_what_the_file_says(session: Session, port: int) -> None:
    """Values come from `.env` alone."""
    assert session.env() == {"LOCAL_WS_HOST": "127.0.0.1", "LOCAL_WS_PORT": str(port)}


def test_project_without_env_has_no_values(session: Session, project: Path) -> None:
    """An empty project answers with nothing."""
    (project / ".env").unlink()
    assert session.env() == {}


def test_project_that_was_not_set_up_is_not_found(session: Session, project: Path) -> None:
    """The message says how to set one up."""
    assert project == session.require_project().project
    (project / ".env").unlink()
    with pytest.raises(NotFound) as caught:
        session.require_project()
    assert str(project) in caught.value.message
    assert "aava init" in caught.value.hint


def test_catalog_of_the_project_is_merged_once(session: Session, project: Path) -> None:
    """Everything shipped is there, and it is read one time."""
    (project / "config" / "catalog.local.toml").write_text("")
    shipped = Session(session.flags, session.output).catalog()
    assert session.catalog() is session.catalog()
    assert shipped == session.catalog()


def test_broken_project_catalog_is_named(session: Session, project: Path) -> None:
    """The right file of several is blamed."""
    path = project / "config" / "catalog.local.toml"
    path.write_text("[models\n")
    with pytest.raises(ConfigError, match=str(path)):
        session.catalog()


def test_lock_keeps_another_command_out(session: Session, project: Path) -> None:
    """Two changes of one project never overlap."""
    other = Session({"project": str(project)}, session.output)
    with session.lock(), pytest.raises(Busy), other.lock():
        pass
    with other.lock():
        pass


def test_shipped_catalog_exists() -> None:
    """In a source tree as in an installed package."""
    assert shipped_catalog().is_file()


def test_read_text_keeps_line_ends(tmp_path: Path) -> None:
    """A file with Windows line ends stays one."""
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\n")
    assert read_text(path) == "a\r\nb\n"


def test_read_text_names_the_line_that_is_no_text(tmp_path: Path) -> None:
    """Binary rubbish in the third line is found there."""
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n\xff\n")
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    assert caught.value.message == f"{path}:3: expected UTF-8 text"


@pytest.mark.parametrize(
    ("make", "kind"), [(Path.mkdir, "a folder"), (os.mkfifo, "a pipe or a device")]
)
def test_read_text_reads_files_only(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    """A folder or a pipe in the file's place is said to be one, and nobody waits for it."""
    path = tmp_path / ".env"
    make(path)
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    assert caught.value.message.endswith(f"it is {kind}, and should be a text file")
    assert caught.value.hint == f"move `{path}` away, and put a text file in its place"


@contextlib.contextmanager
def ordinary_user() -> Iterator[str]:
    """Be a user who may not read everything for the block, and give its name or number."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(12_345)
    try:
        yield pwd.getpwuid(own).pw_name if own else "12345"
    finally:
        os.seteuid(own)


def test_file_that_the_user_may_not_read(tmp_path: Path) -> None:
    """The message says who cannot read what; not every user has a name."""
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0)
    with ordinary_user() as name, pytest.raises(ConfigError) as caught:
        read_text(path)
    assert caught.value.message == f"`{path}` cannot be read by `{name}`: Permission denied"


def test_file_that_is_gone_is_no_matter_of_rights(tmp_path: Path) -> None:
    """Nobody is told to change its owner."""
    with pytest.raises(ConfigError, match="No such file") as caught:
        read_text(tmp_path / "none")
    assert "preflight" in caught.value.hint


def test_missing_right_comes_with_the_command_that_gives_it(tmp_path: Path) -> None:
    """The file's owner decides, not the reader."""
    path = tmp_path / ".env"
    denied = unreadable(path, PermissionError(errno.EACCES, "Permission denied"))
    assert denied.message.endswith(": Permission denied")
    assert denied.hint.endswith(f" {path}`")
    assert "sudo chown" in denied.hint
