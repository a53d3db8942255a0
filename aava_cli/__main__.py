"""The entry point; answers `--version` before anything heavy is imported."""

from __future__ import annotations

import sys

_ALLOCATIONS_PER_COLLECTION = 50_000


def run() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from aava_cli import __version__

        sys.stdout.write(f"aava {__version__}\n")
        return
    import gc

    # Start-up allocates much that lives until the end; looking for garbage in it finds none.
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    from aava_cli.app import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
