"""Send a pull to the background, as the command that a person would have typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.jobs.launch import start_job
from aava_cli.jobs.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aava_cli.jobs.report import JobReport
    from aava_cli.settings import Settings


def detach_pull(
    settings: Settings, names: Sequence[str], options: Mapping[str, str | None], *, locked: bool
) -> JobReport:
    """Start a job that pulls *names* with those of *options* that are given.

    Raises:
        As `start_job` does.
    """
    words = ("models", "pull", *names, *_option_words(options, locked=locked))
    return report(start_job(settings, "pull", words))


def _option_words(options: Mapping[str, str | None], *, locked: bool) -> Iterator[str]:
    """Yield *options* as they are written on a command line."""
    for name, value in options.items():
        if value is not None:
            yield f"--{name}={value}"
    if locked:
        yield "--locked"
