"""What `ls --partial` shows and `gc` removes, and what `rm` leaves to the daemon."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.processes import local_process, this_process
from tests.download.conftest import CatalogFile, known

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.conftest import Models
    from tests.download.server import Server

BODY = os.urandom(200_000)
OTHER_HOST = "1-1-00000000-00000000"
LONG_AGO = 1_000_000_000


def result(stdout: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the answer of a command that was asked for JSON."""
    return json.loads(stdout)["result"]


def dead_process() -> str:
    """Return a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        process = local_process(other.pid)
    return str(process)


def age(*paths: Path) -> None:
    """Make *paths*, and all in them, look as if nobody had touched them for years."""
    for path in paths:
        for each in (*path.rglob("*"), path):
            os.utime(each, (LONG_AGO, LONG_AGO))


@pytest.fixture
def left(server: Server, project: Path, catalog: CatalogFile, models: Models) -> Path:
    """Return the folder of a download that failed half-way."""
    stalled = threading.Event()
    stalled.set()
    url = server.serve("/a", BODY, cuts=[100_000] * 9, statuses=[])
    server.files["/a"].ignores_range = True
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    server.files["/a"].cuts = [100_000]
    server.files["/a"].headers = {}

    def break_off() -> None:
        server.files["/a"].statuses = [404] * 9

    threading.Thread(target=break_off)
    server.files["/a"].cuts = [100_000] * 99
    server.files["/a"].etag = None
    assert models("pull", "mine").exit_code == 6
    (folder,) = (project / ".aava/partial").iterdir()
    return folder
