"""The entry point; answers `--version` before anything heavy is imported."""

from __future__ import annotations

import contextlib
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_ALLOCATIONS_PER_COLLECTION = 50_000
# That of `aava_cli.errors`.
_INTERRUPTED = 130


def run() -> None:
    """Run the command line of this process and exit with its code."""
    _open_closed_streams()
    if sys.argv[1:] == ["--version"]:
        from aava_cli import __version__

        sys.stdout.write(f"aava {__version__}\n")
        return
    import gc

    # Start-up allocates much that lives until the end; looking for garbage in it finds none.
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    try:
        from aava_cli.app import main
    except KeyboardInterrupt:
        # What tells of it otherwise is not there yet.
        sys.stderr.write("error: interrupted\nhint:  run the same command again\n")
        leave(_INTERRUPTED)
    code = main(sys.argv[1:])
    # What is left goes with the process; the interpreter need not look through it once more.
    gc.freeze()
    leave(code)


def leave(code: int) -> NoReturn:
    """Exit with *code*, at once where a thread hangs that nobody waits for, in a driver perhaps.

    It would run into what the interpreter and its libraries take down, and crash the exit.
    """
    import threading

    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    for thread in others:
        if not thread.daemon:
            thread.join()
    if any(thread.daemon and thread.is_alive() for thread in others):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Give a stream that the caller closed (`>&-`) a place where nothing is read or kept.

    Otherwise the next file that is opened would take its number, and output would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.RawIOBase):
            # With PYTHONUNBUFFERED, what the system takes only in part would be cut without a word.
            encoding = sys.stdout.encoding
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.detach()), encoding)
        # Not every terminal can show every letter, and not every file's name has letters.
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    run()
