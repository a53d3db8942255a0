"""An engine of a test's own, on a small disk of its own: it can be stopped, and filled."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_START_S = 60.0
_DRIVERS = ("overlay2", "vfs")
_ATTEMPTS = 2


@dataclass(slots=True)
class OwnEngine:
    """A `dockerd` with all its files in *folder*."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What `DOCKER_HOST` is to say."""
        return f"unix://{self.folder}/socket"

    def start(self) -> bool:
        """Start it, and return whether it answers."""
        # Where the host is busy, containerd may be too slow for what `dockerd` waits for it.
        return any(self._starts_with(driver) for driver in _DRIVERS * _ATTEMPTS)

    def _starts_with(self, driver: str) -> bool:
        words = {
            "host": self.address,
            "data-root": f"{self.folder}/root",
            "exec-root": f"{self.folder}/run",
            "pidfile": f"{self.folder}/pid",
            "storage-driver": driver,
            "bridge": "none",
            "iptables": "false",
        }
        options = [f"--{name}={value}" for name, value in words.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["dockerd", *options], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.1)
        self.stop()
        return False

    def _answers(self) -> bool:
        environ = {**os.environ, "DOCKER_HOST": self.address}
        asked = subprocess.run(["docker", "info"], env=environ, capture_output=True, check=False)
        return asked.returncode == 0

    def stop(self) -> None:
        """Stop it as the host does when it goes down."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(_START_S)
            self.process = None


def mount_disk(file: Path, folder: Path, size_bytes: int) -> None:
    """Mount an empty file system of *size_bytes* over *folder*; it takes no room in *file*."""
    with file.open("wb") as disk:
        disk.truncate(size_bytes)
    make = ["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    for words in ([*make, str(file)], ["mount", "-o", "loop", str(file), str(folder)]):
        subprocess.run(words, check=True, capture_output=True)


def unmount_disk(folder: Path) -> None:
    """Take the file system at *folder* away, and all that is mounted in it."""
    subprocess.run(
        ["umount", "--recursive", "--lazy", str(folder)], check=True, capture_output=True
    )
