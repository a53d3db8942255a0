"""Names of models, from the command line and from lists."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.names import named
from aava_cli.errors import UsageError
from tests.download.conftest import CatalogFile, known

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.server import Server


def test_list_takes_the_place_of_the_dash() -> None:
    """Comments and empty lines are passed over, and nothing is named twice."""
    lines = ["# what we use\n", "a b # both\n", "\n", "c\n", "a\n"]
    assert named(["x", "-", "y"], lines) == ("x", "a", "b", "c", "y")


def test_without_a_dash_nothing_is_read() -> None:
    """A command in a script leaves the script's input alone."""
    lines = iter(["a\n"])
    assert named(["x"], lines) == ("x",)
    assert next(lines) == "a\n"


def test_empty_list_is_no_pull() -> None:
    """A list that was to be written by something that failed is noticed."""
    with pytest.raises(UsageError):
        named(["-"], ["# nothing\n"])


def test_pull_reads_names_from_stdin(server: Server, project: Path, catalog: CatalogFile) -> None:
    """`-` stands for the names on stdin."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(b"x", server.serve("/a", b"x")))
    words = ["-m", "aava_cli", "--project", str(project), "models", "pull", "-"]
    done = subprocess.run([sys.executable, *words], input="mine\n", text=True, check=True)
    assert done.returncode == 0
    assert (project / "models/kroko/mine.onnx").read_bytes() == b"x"
