"""Run `aava models` in a process of its own: `python -m tests.download.run_models pull x`."""

from __future__ import annotations

import sys

import typer

from aava_cli.app import find_command, main


def build() -> typer.Typer:
    """Return a command tree of the commands for models and catalogs alone."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    for name in ("models", "catalog"):
        group = find_command(name)
        assert isinstance(group, typer.Typer)
        app.add_typer(group, name=name)
    return app


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], build=build))
