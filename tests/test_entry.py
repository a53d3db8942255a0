"""How the program leaves."""

from __future__ import annotations

import subprocess
import sys

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
