"""How the program leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

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
