"""Another program that builds the same image while the container is being replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.engine import find_image
from tests.rebuild.conftest import run, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker_fixture import ComposeProject

# The real program, with somebody else's build at one moment of what is asked of it.
DOCKER = """\
#!/bin/sh
move() {{ [ -e {once} ] || {{ touch {once}; {real} tag {theirs} {image}; }}; }}
case " $* " in
    *" up "*)
        [ {when} = before ] && move
        {real} "$@"
        code=$?
        [ {when} = after ] && move
        exit $code ;;
    *)
        exec {real} "$@" ;;
esac
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_tag_moved_while_the_container_is_replaced_goes_back(
    serving: ComposeProject, tmp_path: Path, when: str
) -> None:
    """All is as before, and their image keeps a name by which they find it."""
    before, real = state_of(serving), shutil.which("docker")
    commit = ["docker", "commit", "--change=LABEL theirs=1", serving.container().id]
    theirs = subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    words = {"once": tmp_path / "once", "theirs": theirs, "image": serving.image, "when": when}
    script.write_text(DOCKER.format(real=real, **words), encoding="utf-8")
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    failed = run(serving, "rebuild", "whisper_cpp", PATH=path)
    assert (3, before) == (failed.code, state_of(serving)), failed.stderr
    assert f"another program moved `{serving.image}`" in failed.stderr
    found = find_image(theirs)
    assert found is not None
    kept = f"{serving.image.partition(':')[0]}:aava-found-{theirs.rpartition(':')[2][:12]}"
    assert (kept,) == found.tags
