"""A rebuild that is killed, or fails, at any of its system calls ends all old or all new."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.health import wait_until_well
from tests.crashes import CALLS, CHILDREN, SEED, Command, sampled, spoils_only_words
from tests.rebuild.conftest import COMMAND_S, State, state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.crashes import Point
    from tests.docker_fixture import ComposeProject

# `make rebuild-sweep` asks for all points; elsewhere a sample is as much as there is time for.
POINTS = int(os.environ.get("AAVA_REBUILD_POINTS", "4"))
RECOVERY_DUE = 4
DOCUMENTED = (0, 1, 3, RECOVERY_DUE, 8, 11)

pytestmark = [
    pytest.mark.timeout(7200),
    pytest.mark.skipif(shutil.which("strace") is None and "CI" not in os.environ, reason="strace"),
]


@dataclass(slots=True)
class Sweep:
    """A project that serves, the rebuild that is spoiled, and what its two good states are."""

    project: ComposeProject
    trace: Path
    old: State
    new: State | None = None

    def command(self, *words: str, calls: tuple[str, ...] = CALLS) -> Command:
        """Return `aava` *words* on the project; what Docker does for it is not spoiled."""
        return Command(words, self.project.folder, calls, follows=False)

    def measure(self, calls: tuple[str, ...]) -> list[Point]:
        """Run the whole rebuild once; return its points, with the old state back in place."""
        points = self.command("rebuild", "whisper_cpp", calls=calls).points(self.trace)
        self.new = state_of(self.project)
        assert self.state() == "new"
        self.bring_back()
        return points

    def spoiled(self, point: Point, fault: str) -> subprocess.CompletedProcess[str]:
        """Run the rebuild with *fault* at *point*."""
        return self.command("rebuild", "whisper_cpp").spoiled(point, fault, self.trace)

    def recover(self) -> subprocess.CompletedProcess[str]:
        """Run `aava recover`."""
        return self.command("recover").run()

    def state(self) -> str:
        """Return whether tag, `.env`, container and daemon are all old or all new."""
        found, able = state_of(self.project), self.project.capabilities()["whisper_cpp"]
        if (found, able) == (self.old, False):
            return "old"
        return "new" if (found, able) == (self.new, True) else f"mixed: {able} {found}"

    def bring_back(self) -> None:
        """Make the old state the present one, by other ways than the program's."""
        tag = ["docker", "tag", str(self.old.image), self.project.image]
        subprocess.run(tag, check=True, capture_output=True)
        self.project.env_file.write_bytes(self.old.env)
        self.project.compose("up", "--detach", "--no-build", "--force-recreate", SERVICE)
        wait_until_well(self.project.name, SERVICE, timeout_s=COMMAND_S)
        assert self.state() == "old"


@pytest.fixture
def sweep(serving: ComposeProject, tmp_path: Path) -> Sweep:
    """Return a sweep of a rebuild that adds a backend; its layers are there already."""
    made = Sweep(serving, tmp_path / "trace", state_of(serving))
    # The first run fills the cache of layers, and writes those that later runs find.
    assert made.command("rebuild", "whisper_cpp").run().returncode == 0
    made.bring_back()
    return made


def test_killed_at_any_call_it_ends_all_old_or_all_new(
    sweep: Sweep, told: Callable[[str], None]
) -> None:
    """SIGKILL at each point; then `aava recover`, then a look at engine, files and daemon."""
    points, ends = sweep.measure((*CALLS, *CHILDREN)), Counter[str]()
    for point in sampled(points, POINTS):
        sweep.spoiled(point, "signal=SIGKILL")
        recovered = sweep.recover()
        state = sweep.state()
        assert (0, True) == (recovered.returncode, state in ("old", "new")), (
            f"{point}, seed {SEED}: {state}\n{recovered.stderr}"
        )
        ends[state] += 1
        if state == "new":
            sweep.bring_back()
    told(f"killed: {sum(ends.values())} of {len(points)} points, {dict(ends)}, seed {SEED}")


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_failing_at_any_call_it_ends_all_old_or_all_new(
    sweep: Sweep, error: str, told: Callable[[str], None]
) -> None:
    """One call fails; the exit code says which state there is, and it is that one."""
    points, ends = sweep.measure(CALLS), Counter[str]()
    for point in sampled(points, POINTS // 2):
        ran = sweep.spoiled(point, f"error={error}")
        code = ran.returncode
        if code == RECOVERY_DUE:
            recovered = sweep.recover()
            assert recovered.returncode == 0, f"{point}, seed {SEED}: {recovered.stderr}"
        state = sweep.state()
        # What is printed is told after the fact, and may be lost without changing it.
        expected = "new" if code == 0 or spoils_only_words(sweep.trace) else "old"
        assert code in DOCUMENTED, f"{point}, seed {SEED}: exit {code}\n{ran.stderr}"
        assert expected == state, f"{point}, seed {SEED}: exit {code}, {state}\n{ran.stderr}"
        ends[f"exit {code}, {state}"] += 1
        if state == "new":
            sweep.bring_back()
    told(f"{error}: {sum(ends.values())} of {len(points)} points, {dict(ends)}, seed {SEED}")
