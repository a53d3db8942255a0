"""`aava audit`: the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

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
    Exit codes: 0 nothing failed, 1 a check failed, 2 a log cannot be read or wrong usage,
    9 the gate is not met or too little is decidable, 10 no calls found.
    """
    from aava_cli.audit.apply import apply_audit
    from aava_cli.audit.plan import plan_audit
    from aava_cli.audit.report.documents import Documents
    from aava_cli.audit.report.showing import Showing

    session: Session = ctx.obj
    output = session.output
    documents, showing = Documents(junit, markdown, svg), Showing(redact=not no_redact)
    with documents.open(log, showing, output.form):
        plan = plan_audit(
            log,
            scenario or (),
            profile=profile,
            gate=gate,
            strict=strict,
            redact=showing.redact,
            follow=follow,
            timeline=timeline if timeline or svg is None else "",
            context_lines=context,
        )
        emit, tell_calls = showing.emit(output.emit), follow or output.form == "events"
        audited = showing.audited(apply_audit(plan, emit, tell_calls=tell_calls))
        documents.write(audited)
    output.result(documents.printed(audited, output.form))
