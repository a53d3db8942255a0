"""Time a verified switch, less what the daemon needs to load and what any program needs to start.

A real daemon with tiny real models; each round switches the language model there and back.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.daemon_fixture import RunningDaemon, start_daemon, write_env
from tests.tiny_models import write_gguf

ROUNDS = 20
GOAL_MS = 120.0
MODELS = ("first", "second")


def wall_ms(argv: list[str]) -> float:
    """Return how long *argv* takes from start to exit."""
    # An installed program is compiled.
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    start = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, env=environ)
    return (time.perf_counter() - start) * 1000


def load_ms(daemon: RunningDaemon, model: str) -> float:
    """Return how long the daemon takes to answer the same request of a client that is there."""
    with daemon.connect() as client:
        start = time.perf_counter()
        request = {"type": "switch_model", "llm_model_path": f"/app/models/llm/{model}.gguf"}
        reply = client.ask(request)
    if reply["status"] != "success":
        raise SystemExit(f"the daemon did not load it: {reply}")
    return (time.perf_counter() - start) * 1000


def main() -> int:
    """Print the table; return 1 when the goal is missed."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        for model in MODELS:
            write_gguf(project / f"models/llm/{model}.gguf", model)
        write_env(project, {"LOCAL_LLM_MODEL_PATH": "/app/models/llm/first.gguf"})
        (project / "config").mkdir()
        (project / ".aava").mkdir()
        daemon = start_daemon(project, project / "models")
        try:
            daemon.wait_until_loaded()
            return measure(project, daemon)
        finally:
            daemon.stop()


def measure(project: Path, daemon: RunningDaemon) -> int:
    """Run the rounds and print their medians."""
    times: dict[str, list[float]] = {"switch": [], "load": [], "start": [], "rest": []}
    command = [sys.executable, "-m", "aava_cli", "--project", str(project), "switch", "--llm"]
    for number in range(-2, ROUNDS):
        model = MODELS[(number + 1) % 2]
        switch = wall_ms([*command, model])
        start = wall_ms([sys.executable, "-c", "pass"])
        # There and back, so that the next switch finds what this one left.
        load_ms(daemon, MODELS[number % 2])
        load = load_ms(daemon, model)
        if number >= 0:
            row = {"switch": switch, "load": load, "start": start, "rest": switch - load - start}
            for name, took_ms in row.items():
                times[name].append(took_ms)
    for name, about in (
        ("switch", "`aava switch --llm`, from start to exit"),
        ("load", "the daemon's answer to the same request"),
        ("start", "`python -c pass`"),
        ("rest", f"what is left; goal {GOAL_MS:.0f}"),
    ):
        print(f"{statistics.median(times[name]):8.1f} ms  {about}")
    return int(statistics.median(times["rest"]) > GOAL_MS)


if __name__ == "__main__":
    sys.exit(main())
