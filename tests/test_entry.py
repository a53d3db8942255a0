"""How the program leaves."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import NotFound, NotPossible

if TYPE_CHECKING:
    from pathlib import Path

HANGING = """
import sys, threading, time
from aava_cli.__main__ import leave
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
threading.Thread(target=lambda: (time.sleep(0.2), print("done"))).start()
print("told")
leave(9)
"""


def test_thread_that_hangs_neither_holds_up_the_exit_nor_spoils_it() -> None:
    """What was printed arrives, what is at work comes to its end, and the code is the command's."""
    ran = subprocess.run(
        [sys.executable, "-c", HANGING], check=False, capture_output=True, text=True, timeout=120
    )
    assert (9, "told\ndone\n", "") == (ran.returncode, ran.stdout, ran.stderr)


INTERRUPTED = """
import os, signal, sys
class Interrupts:
    def find_spec(name, path, target=None):
        if name == "aava_cli.app":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts)
from aava_cli.__main__ import run
run()
"""


def test_interrupt_while_the_program_starts_is_told_like_any_other() -> None:
    """In two lines, with the code of an interruption."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "status"], check=False, capture_output=True, text=True
    )
    assert 130 == ran.returncode
    assert ["error: interrupted", "hint:  run the same command again"] == ran.stderr.splitlines()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_what_a_terminal_cannot_show_is_spelled_out(tmp_path: Path, encoding: str) -> None:
    """As text and as JSON, which stays JSON: names of files are any bytes."""
    name = "é🎯שלום"
    (tmp_path / ".env").write_text(
        f"LOCAL_LLM_MODEL_PATH=models/llm/{name}.gguf\n", encoding="utf-8"
    )
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    for form in ("--json", "--quiet"):
        ran = subprocess.run(
            [sys.executable, "-m", "aava_cli", "status", "--project", str(tmp_path), form],
            check=False,
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )
        assert 70 != ran.returncode, ran.stderr
        if form == "--json":
            assert name in str(json.loads(ran.stdout.decode(encoding)))


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("models", "list", "--json"), ("models", "list", "--events")])
def test_answer_that_the_disk_takes_only_a_part_of_is_no_answer(
    tmp_path: Path, unbuffered: str, words: tuple[str, ...]
) -> None:
    """However Python was told to buffer; containers often tell it not to."""
    ran = _with_small_files(tmp_path, words, {"PYTHONUNBUFFERED": unbuffered})
    assert 100 == (tmp_path / "answer").stat().st_size
    assert NotPossible.exit_code == ran.returncode
    assert "the answer could not be written: File too large" in ran.stderr


@pytest.mark.parametrize("form", ["--json", "--events"])
def test_failure_that_cannot_be_written_keeps_its_code(tmp_path: Path, form: str) -> None:
    """And is told where it can."""
    ran = _with_small_files(tmp_path, ("models", "show", "no-such-model", form), {})
    assert NotFound.exit_code == ran.returncode
    assert ran.stderr.startswith("error: ")
    assert "no-such-model" in ran.stderr
    assert "hint:  " in ran.stderr


def _with_small_files(
    folder: Path, words: tuple[str, ...], variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    with (folder / "answer").open("wb") as answer:
        return subprocess.run(
            [sys.executable, "-m", "aava_cli", *words],
            check=False,
            cwd=folder,
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        )
