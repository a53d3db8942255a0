"""Uploads that find no room for themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.daemon_fixture import DEADLINE_S, REPOSITORY
from tests.serve.over_http import wav_of
from tests.serve.processes import wait_for
from tests.serve.sockets import is_open
from tests.serve.sounds import silence
from tests.test_bind_mount import in_namespace

if TYPE_CHECKING:
    from pathlib import Path


def test_upload_without_room_is_told(project: Path, port: int) -> None:
    """With the folder that has to be made larger; that is no failure of ours."""
    small = project / "small"
    small.mkdir()
    serve = f"{sys.executable} -m aava_cli --project {project} serve"
    script = f"mount -t tmpfs -o size=1m none {small} && exec {serve}"
    inside = in_namespace(("sh", "-c", script))
    if inside is None:
        pytest.skip("`unshare -m` is not permitted here, so nothing can be mounted")
    environ = os.environ | {"TMPDIR": str(small)}
    with subprocess.Popen(inside, stderr=subprocess.PIPE, cwd=REPOSITORY, env=environ) as process:
        wait_for(lambda: is_open(port))
        answer = httpx.post(
            f"http://127.0.0.1:{port}/stt",
            files={"audio": ("a.wav", wav_of(silence(120_000)), "audio/wav")},
            timeout=DEADLINE_S,
            trust_env=False,
        )
        process.terminate()
        assert 0 == process.wait(DEADLINE_S)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    detail = f"no space left for an upload in `{small}`"
    assert (507, {"detail": detail}) == (answer.status_code, answer.json())
