"""Run the native daemon: `python -m tests.serve.run_daemon PROJECT MODELS [LIMITS]`.

LIMITS is a JSON object with some fields of `Limits`.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from aava_cli import envfile
from aava_cli.serve.app import run
from aava_cli.serve.config import serve_config
from aava_cli.serve.limits import Limits
from aava_cli.settings import Settings


def main(project: Path, models_dir: Path, limits: Limits) -> None:
    """Serve until a signal ends it."""
    env = envfile.read((project / ".env").read_text(encoding="utf-8"))
    run(replace(serve_config(Settings(project, models_dir), env), limits=limits))


def end_with_the_tests() -> None:
    """Stop when the process that runs the tests is gone, even if it was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


if __name__ == "__main__":
    end_with_the_tests()
    chosen = json.loads(sys.argv[3]) if sys.argv[3:] else {}
    main(Path(sys.argv[1]), Path(sys.argv[2]), Limits(**chosen))
