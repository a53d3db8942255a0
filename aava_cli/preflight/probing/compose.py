"""What Compose makes of the project's files; it needs no engine for that."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from aava_cli.docker.problems import no_answer, problem_of
from aava_cli.gpu.programs import run
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
        ConfigError: `.env` does not parse.
    """
    folder = session.settings.project
    if shutil.which("docker") is None or not is_compose_project(folder):
        return None
    ran = run(_ARGV, timeout_s=timeout_s, folder=folder)
    if ran is None:
        return ComposeConfig(problem=no_answer(_ARGV, timeout_s).message)
    stderr = scrub(ran.stderr, secrets_in(session.env(), os.environ))
    if ran.exit_code:
        return ComposeConfig(problem=problem_of(_ARGV, stderr).message)
    said = (found.replace('\\"', '"') for found in _WARNING.findall(stderr))
    return ComposeConfig(warnings=tuple(dict.fromkeys(said)))
