"""`aava rebuild`: backends compiled into the daemon's image, and taken out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.session import Session

HELP = """Build backends into the daemon's image, or change nothing.

\b
  aava rebuild faster_whisper
  aava rebuild whisper_cpp --without melotts --drain 10m
  aava rebuild whisper_cpp --detach
  aava rebuild list
  aava rebuild rollback

The old image serves until the new one is built. Then tag, `.env` and container change
together; after any failure all three are as before. `aava rebuild build --help` has the options.
"""

_DEFAULT = "build"

BackendsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="BACKEND...", help="What the image is to hold.")
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="BACKEND", help="What it is not to hold any more."),
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Build every step anew; takes much longer.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="In the background, as a job.")]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="Seconds to start; else as past starts say."),
]
DrainOption = Annotated[
    str | None,
    typer.Option("--drain", metavar="SPAN", help="Wait so long for calls to end: `10m`."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Go on even if it cuts live calls.")]


class _WithDefault(TyperGroup):
    """A group whose own words may stand where a command's name would: no backend is called so."""

    # The context's class is one that Typer keeps to itself.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - see above
        """Read *args* as those of the default command, unless they name one."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


rebuild = typer.Typer(cls=_WithDefault, help=HELP, no_args_is_help=True)


@rebuild.command(_DEFAULT)
def build(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    backends: BackendsArgument = None,
    *,
    without: WithoutOption = None,
    no_cache: NoCacheOption = False,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: ForceOption = False,
    detach: DetachOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Build backends into the image; the word `build` may be left out.

    \b
      aava rebuild build faster_whisper
      aava rebuild faster_whisper whisper_cpp --without melotts
      aava rebuild whisper_cpp --dry-run
      aava rebuild whisper_cpp --detach, then: aava jobs logs rebuild-1 -f

    What the image holds besides stays in it. Where it already is as wished, nothing is built.
    """
    from aava_cli.daemon.step import terms_of
    from aava_cli.rebuild.apply import apply_rebuild, make_plan, require_no_rebuild
    from aava_cli.rebuild.plan import Wish

    session: Session = ctx.obj
    wish = Wish.of(backends or (), without or ())
    if dry_run:
        session.output.result(make_plan(session, wish)[1])
        return
    terms = terms_of(session, timeout_s, drain, force=force)
    if detach:
        require_no_rebuild(session)
        flags = {"--no-cache": no_cache, "--force": force}
        values = {"--timeout": timeout_s, "--drain": drain}
        words = (*(backends or ()), *(f"--without={name}" for name in without or ()))
        _detach(session, (*words, *_option_words(flags, values)))
        return
    session.output.result(apply_rebuild(session, wish, terms, use_cache=not no_cache))


@rebuild.command("list")
def list_(ctx: typer.Context) -> None:
    """List the images that can be gone back to.

    \b
      aava rebuild list
      aava rebuild list --json
    """
    from aava_cli.rebuild.generations import tell_generations

    session: Session = ctx.obj
    session.output.result(tell_generations(session.require_project().state_dir))


@rebuild.command()
def rollback(
    ctx: typer.Context,
    number: Annotated[
        int, typer.Argument(min=1, help="The image, as `aava rebuild list` numbers it.")
    ] = 1,
    *,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Have the daemon run an earlier image again, with the values of `.env` that belong to it.

    \b
      aava rebuild rollback
      aava rebuild rollback 2 --drain 10m
      aava rebuild rollback --dry-run

    Nothing is built. It is all or nothing too, and the image that goes can be gone back to.
    """
    from aava_cli.daemon.step import terms_of
    from aava_cli.rebuild.apply import apply_rollback, preview_rollback

    session: Session = ctx.obj
    if dry_run:
        session.output.result(preview_rollback(session, number))
        return
    terms = terms_of(session, timeout_s, drain, force=force)
    session.output.result(apply_rollback(session, number, terms))


def _detach(session: Session, words: Iterable[str]) -> None:
    from aava_cli.jobs.launch import start_job
    from aava_cli.jobs.report import report

    job = start_job(session.settings, "rebuild", ("rebuild", _DEFAULT, *words))
    session.output.result(report(job))


def _option_words(flags: dict[str, bool], values: Mapping[str, object]) -> Iterator[str]:
    """Yield the options that are set, as they are written on a command line."""
    yield from (name for name, is_set in flags.items() if is_set)
    yield from (f"{name}={value}" for name, value in values.items() if value is not None)
