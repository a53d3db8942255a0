"""`aava jobs`: commands that were sent to the background with `--detach`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

HELP = """Follow and end commands that run in the background.

\b
  aava models pull starter --detach
  aava jobs logs pull-1 -f
"""

jobs = typer.Typer(help=HELP, no_args_is_help=True)

JobArgument = Annotated[str, typer.Argument(help="A job, as `aava jobs list` names it.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Seconds to wait at most.", min=0)
]
PatienceOption = Annotated[
    float, typer.Option("--timeout", help="Seconds that it has to clean up.", min=0)
]


@jobs.command("list")
def list_(ctx: typer.Context) -> None:
    """List the jobs of the project.

    \b
      aava jobs list
    """
    from aava_cli.jobs.report import Jobs, report
    from aava_cli.jobs.store import all_jobs

    session: Session = ctx.obj
    session.output.result(Jobs(tuple(map(report, all_jobs(session.settings)))))


@jobs.command()
def show(ctx: typer.Context, job: JobArgument) -> None:
    """Show how a job is.

    \b
      aava jobs show pull-1
    """
    from aava_cli.jobs.report import report
    from aava_cli.jobs.store import find_job

    session: Session = ctx.obj
    session.output.result(report(find_job(session.settings, job)))


@jobs.command()
def logs(ctx: typer.Context, job: JobArgument, *, follow: FollowOption = False) -> None:
    """Print what a job said; with `-f`, go on until it ends, and end as it does.

    \b
      aava jobs logs pull-1
      aava jobs logs pull-1 -f
    """
    from aava_cli.jobs.report import follow as follow_job
    from aava_cli.jobs.report import read_log, report
    from aava_cli.jobs.store import find_job

    session: Session = ctx.obj
    found = find_job(session.settings, job)
    if follow:
        follow_job(found, session.output.emit)
    session.output.result(report(found, ending=True) if follow else read_log(found))


@jobs.command()
def wait(ctx: typer.Context, job: JobArgument, timeout: TimeoutOption = None) -> None:
    """Wait until a job has ended, and exit with its exit code.

    \b
      aava jobs wait pull-1
    """
    from aava_cli.jobs.launch import wait_for
    from aava_cli.jobs.report import report
    from aava_cli.jobs.store import find_job

    session: Session = ctx.obj
    found = find_job(session.settings, job)
    wait_for(found, timeout)
    session.output.result(report(found, ending=True))


@jobs.command()
def cancel(ctx: typer.Context, job: JobArgument, timeout: PatienceOption = 30.0) -> None:
    """End a job as Ctrl-C would; what it downloaded is kept.

    \b
      aava jobs cancel pull-1
    """
    from aava_cli.jobs.launch import cancel_job
    from aava_cli.jobs.report import report

    session: Session = ctx.obj
    session.output.result(report(cancel_job(session.settings, job, timeout)))
