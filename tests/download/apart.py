"""Commands in a process of their own, and a model hub that they ask."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.download.server import Server

RUN = (sys.executable, "-m", "tests.download.run_models")
COMMIT = "c" * 40
_LARGE_BYTES = 1000


def run_apart(project: Path, *words: str, env: Mapping[str, str]) -> Ran:
    """Run `aava` with *words* on *project*, in an environment with *env* added."""
    done = subprocess.run(
        [*RUN, "--project", str(project), *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Hub:
    """Serves repositories as a hub does; files of some size are in large-file storage."""

    server: Server
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.env = {"HF_ENDPOINT": self.server.root, "HF_TOKEN": ""}

    def add(self, repository: str, files: Mapping[str, bytes]) -> None:
        """Serve *files* as *repository*, whose `main` is at `COMMIT`."""
        siblings = [self._serve(repository, path, body) for path, body in files.items()]
        info = {"id": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
        tree = [
            {"type": "file", "path": each["rfilename"], "oid": each["blobId"], **each}
            for each in siblings
        ]
        pages: dict[str, object] = {f"/tree/{COMMIT}": tree}
        pages |= dict.fromkeys(("", "/revision/main", f"/revision/{COMMIT}"), info)
        for page, answer in pages.items():
            kind = {"Content-Type": "application/json"}
            place = f"/api/models/{repository}{page}"
            self.server.serve(place, json.dumps(answer).encode(), headers=kind)

    def _serve(self, repository: str, path: str, body: bytes) -> dict[str, Any]:
        name = git_sha1(body)
        headers, lfs = {"X-Repo-Commit": COMMIT}, None
        if len(body) >= _LARGE_BYTES:
            sha256 = hashlib.sha256(body).hexdigest()
            headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(body))}
            lfs = {"sha256": sha256, "oid": sha256, "size": len(body), "pointerSize": 130}
        for revision in ("main", COMMIT):
            place = f"/{repository}/resolve/{revision}/{path}"
            self.server.serve(place, body, etag=f'"{name}"', headers=headers)
        sibling = {"rfilename": path, "size": len(body), "blobId": name}
        return sibling | ({"lfs": lfs} if lfs else {})


def git_sha1(body: bytes) -> str:
    """Return git's name of *body*."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
