"""Run `aava models` in a process of its own: `python -m tests.download.run_models pull x`."""

from __future__ import annotations

import sys

import typer

from aava_cli.app import main


def build() -> typer.Typer:
    """Return a command tree of the commands for models and catalogs alone."""
    from aava_cli.download.cli import catalog, models

    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.add_typer(models, name="models")
    app.add_typer(catalog, name="catalog")
    return app


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], build=build))
