"""What Compose makes of the project's files; it needs no engine for that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from aava_cli.docker.problems import problem_of
from aava_cli.preflight.facts import ComposeConfig
from aava_cli.redact import scrub, secrets_in
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from aava_cli.session import Session

TIMEOUT_S = 4.0
_ARGV = ("docker", "compose", "--ansi=never", "config", "--quiet")
_WARNING = re.compile(r'level=warning msg="((?:\\.|[^"\\])*)"')


def ask_compose(session: Session, *, timeout_s: float = TIMEOUT_S) -> ComposeConfig | None:
    """Have Compose read the project's files; None without `docker`, or without such files.

    Raises:
        subprocess.TimeoutExpired: it did not end in *timeout_s*.
        ConfigError: `.env` does not parse.
    """
    folder = session.settings.project
    if shutil.which("docker") is None or not is_compose_project(folder):
        return None
    ran = subprocess.run(
        _ARGV,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    stderr = scrub(ran.stderr, secrets_in(session.env(), os.environ))
    if ran.returncode:
        return ComposeConfig(problem=problem_of(_ARGV, stderr).message)
    said = (found.replace('\\"', '"') for found in _WARNING.findall(stderr))
    return ComposeConfig(warnings=tuple(dict.fromkeys(said)))
