"""What a command imports before it does anything: nothing heavy that it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"httpx", "huggingface_hub", "docker", "gguf", "numpy", "pydantic"}
NOT_FOR_HELP = HEAVY | {"rich", "websockets", "yaml", "psutil", "pynvml", "starlette", "uvicorn"}


def modules_imported(*words: str) -> set[str]:
    """Return the top-level names of everything that `aava` imports to carry out *words*."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "aava_cli", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--version"], {*NOT_FOR_HELP, "typer"}),
        (["--help"], NOT_FOR_HELP),
        (["switch", "--help"], NOT_FOR_HELP),
        (["models", "--help"], NOT_FOR_HELP),
        (["models", "list", "--json"], HEAVY),
    ],
)
def test_command_starts_without(words: list[str], unwanted: set[str]) -> None:
    """A command that answers from what is at hand answers at once."""
    imported = modules_imported(*words)
    assert "aava_cli" in imported
    assert set() == imported & unwanted


def test_imports_are_seen() -> None:
    """The measurement would notice: Typer is there when there is something to parse."""
    assert {"typer", "argparse"} & modules_imported("--help") == {"typer"}
