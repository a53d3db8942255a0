"""Time whole runs of `aava preflight` on hosts of several kinds, round-robin."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 11
GOAL_S = 0.7
AAVA = Path(sys.executable).parent / "aava"
COMPOSE = "services:\n  local_ai_server:\n    image: voice:latest\n    env_file: [.env]\n"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of host: its project, and what differs in the environment."""

    name: str
    project: Path
    environ: dict[str, str]
    words: tuple[str, ...] = ()

    def took_s(self) -> tuple[float, float]:
        """Return the wall and processor seconds of a run; findings are no failure here."""
        argv = (str(AAVA), "--project", str(self.project), "preflight", "--json", *self.words)
        start = time.perf_counter()
        process = subprocess.Popen(
            argv, env={**os.environ, **self.environ}, stdout=subprocess.DEVNULL
        )
        # The usage of the program and its children, as no other call tells it.
        _pid, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 9):
            raise SystemExit(f"{self.name}: exit code {process.returncode}")
        return wall_s, usage.ru_utime + usage.ru_stime


def native(folder: Path) -> Path:
    """Return a project for `aava serve`."""
    folder.mkdir()
    subprocess.run((str(AAVA), "--quiet", "init", str(folder)), check=True, capture_output=True)
    return folder


def composed(folder: Path) -> Path:
    """Return a Compose project, whose image nobody has built."""
    native(folder)
    (folder / "docker-compose.yml").write_text(COMPOSE, encoding="utf-8")
    return folder


def without_docker(folder: Path) -> str:
    """Return a PATH that has all programs of this host but `docker`."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            if not program.name.startswith("docker"):
                (folder / program.name).unlink(missing_ok=True)
                (folder / program.name).symlink_to(program)
    return str(folder)


def cases(folder: Path, silent: str) -> tuple[Case, ...]:
    """Return what is timed; *silent* is a server that never answers."""
    plain, compose = native(folder / "native"), composed(folder / "compose")
    offline = {"HF_HUB_OFFLINE": "1"}
    dead = {"HF_ENDPOINT": silent}
    bare = {"PATH": without_docker(folder / "bin")}
    found = [
        Case("native project, no Docker, hub silent", plain, bare | dead),
        Case("native project, no Docker, offline", plain, bare | offline),
        Case(
            "`--only host,gpu`, no Docker, offline", plain, bare | offline, ("--only", "host,gpu")
        ),
    ]
    if shutil.which("docker"):
        found += [
            Case("native project, Docker, hub silent", plain, dead),
            Case("Compose project, Docker, hub silent", compose, dead),
            Case("Compose project, Docker, offline", compose, offline),
        ]
    return tuple(found)


def main() -> int:
    """Print the table; return 1 when a median misses the goal."""
    times: dict[str, list[tuple[float, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(socket.create_server(("127.0.0.1", 0))) as server,
    ):
        contenders = cases(Path(folder), f"http://127.0.0.1:{server.getsockname()[1]}")
        for _round in range(ROUNDS):
            for case in contenders:
                times.setdefault(case.name, []).append(case.took_s())
    print(f"{'host':42}{'median ms':>10}{'best ms':>9}{'CPU ms':>8}{'goal':>6}")
    missed = 0
    for name, took in times.items():
        wall_s, cpu_s = (statistics.median(each) for each in zip(*took, strict=True))
        missed += wall_s > GOAL_S
        best_s = min(took)[0]
        shown = (round(each * 1000) for each in (wall_s, best_s, cpu_s, GOAL_S))
        print(f"{name:42}{next(shown):10}{next(shown):9}{next(shown):8}{next(shown):6}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
