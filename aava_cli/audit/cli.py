"""`aava audit`: the command line."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from aava_cli.audit.report.results import Audited
    from aava_cli.output import Result
    from aava_cli.session import Session

_STDOUT = Path("-")
_WRITABLE = "name a file in a folder that is there and yours"

LogArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="LOG...",
        help="Files (plain, gzip, zstd), `-` for standard input, docker:CONTAINER, journal:UNIT.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str, typer.Option(metavar="auto|NAME|FILE", help="The marker pack: which lines count.")
]
GateOption = Annotated[bool, typer.Option("--gate", help="Ask for the three calls of a release.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Take undecidable for not met.")]
PeopleOption = Annotated[
    bool, typer.Option("--no-redact", help="Show telephone numbers, names and what was said.")
]
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on as the log grows; Ctrl-C reports.")
]
ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="CALL=SCENARIO",
        help="What the caller did: normal, appointment, edge.",
    ),
]
TimelineOption = Annotated[
    str | None, typer.Option(metavar="CALL", help="Draw one call, by the beginning of a name.")
]
SvgOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it as SVG.")]
JunitOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write JUnit XML, or `-` to print it.")
]
MarkdownOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write Markdown, or `-` to print it.")
]
ContextOption = Annotated[
    int, typer.Option(min=0, max=200, help="Lines before and after what failed.")
]


def audit(  # noqa: PLR0913 - one parameter for each option
    ctx: typer.Context,
    log: LogArgument,
    *,
    profile: ProfileOption = "auto",
    gate: GateOption = False,
    strict: StrictOption = False,
    no_redact: PeopleOption = False,
    follow: FollowOption = False,
    scenario: ScenarioOption = None,
    timeline: TimelineOption = None,
    svg: SvgOption = None,
    junit: JunitOption = None,
    markdown: MarkdownOption = None,
    context: ContextOption = 40,
) -> None:
    """Decide from the logs of calls whether the voice pipeline is fit to release.

    \b
      aava audit calls.log --gate             the three calls of a release
      aava audit docker:prosaas-backend       a container's log
      aava audit journal:aava --follow        each call as it ends
      aava audit old.log.gz --junit out.xml   for a build server
      aava audit calls.log --timeline CA12    one call, second by second

    \b
    Exit codes: 0 nothing failed, 1 a check failed, 2 a log cannot be read,
    9 the gate is not met or too little is decidable, 10 no calls found.
    """
    from aava_cli.audit.apply import apply_audit
    from aava_cli.audit.plan import plan_audit

    session: Session = ctx.obj
    _require_writable(svg, junit, markdown)
    plan = plan_audit(
        log,
        scenario or (),
        profile=profile,
        gate=gate,
        strict=strict,
        redact=not no_redact,
        follow=follow,
        timeline=timeline if timeline or svg is None else "",
        context_lines=context,
    )
    output = session.output
    audited = apply_audit(plan, output.emit, tell_calls=follow or output.form == "events")
    output.result(_written(audited, svg=svg, junit=junit, markdown=markdown, form=output.form))


def _require_writable(*paths: Path | None) -> None:
    """Refuse a document that cannot be written, before hours of logs are read for it."""
    for path in paths:
        if path is None or path == _STDOUT:
            continue
        # A name that is too long raises when it is looked at.
        with suppress(OSError):
            if not path.is_dir() and os.access(path.resolve().parent, os.W_OK | os.X_OK):
                continue
        raise UsageError(f"cannot write `{path}`", hint=_WRITABLE)


def _written(
    audited: Audited, *, svg: Path | None, junit: Path | None, markdown: Path | None, form: str
) -> Result:
    """Write the documents that were asked for, and return what is printed."""
    from aava_cli.audit.report.junit import as_junit
    from aava_cli.audit.report.markdown import as_markdown
    from aava_cli.audit.report.results import Document
    from aava_cli.audit.timeline import drawing_of
    from aava_cli.files import atomic_write

    shown: Result = audited
    for path, write in ((svg, drawing_of), (junit, as_junit), (markdown, as_markdown)):
        if path == _STDOUT and form == "text":
            shown = Document(write(audited), audited)
        elif path is not None and path != _STDOUT:
            try:
                atomic_write(path, write(audited).encode())
            except OSError as error:
                message = f"cannot write `{path}`: {error.strerror}"
                raise UsageError(message, hint=_WRITABLE) from error
    return shown
