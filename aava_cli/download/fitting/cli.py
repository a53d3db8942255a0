"""`aava models fit`: will these models fit on this host, before a byte is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

models = typer.Typer()

NamesArgument = Annotated[
    list[str], typer.Argument(metavar="MODEL...", help="Ids, files, `hf:` names or addresses.")
]
ContextOption = Annotated[
    int | None, typer.Option("--context", min=16, help="Tokens for each caller.")
]
ParallelOption = Annotated[
    int, typer.Option("--parallel", min=1, max=64, help="Callers at the same time.")
]
CacheOption = Annotated[
    str, typer.Option("--cache-type", metavar="T", help="What the cache is packed as: `q8_0`.")
]
GpusOption = Annotated[
    str, typer.Option("--gpus", metavar="SIZES", help="`24GB,24GB`, `none`, or this host's.")
]
MemoryOption = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help="`32GB`, else this host's.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Layers off the GPU, or a cut context, are a failure.")
]

_THIS_HOST = "auto"


@models.command()
def fit(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    names: NamesArgument,
    *,
    context: ContextOption = None,
    parallel: ParallelOption = 1,
    cache_type: CacheOption = "f16",
    gpus: GpusOption = _THIS_HOST,
    memory: MemoryOption = None,
    strict: StrictOption = False,
) -> None:
    """Say whether models fit on this host together; nothing is downloaded but headers.

    \b
      aava models fit qwen25-7b
      aava models fit llama31-8b whisper-cpp-base-en piper-en-us-joe-medium --context 8192
      aava models fit hf:ORG/REPO/FILE.gguf --gpus 24GB,24GB --memory 64GB
      aava models fit ./models/llm/a.gguf --cache-type q8_0 --parallel 4 --json

    Each figure is what is likely, with a range. Exit code 9: the set does not fit.
    """
    from aava_cli.download.fitting.asking import Question, answer_fit
    from aava_cli.memory.cache import cache_type as known_type
    from aava_cli.memory.host import parse_gpus, parse_size

    session: Session = ctx.obj
    asked = Question(
        tuple(names),
        context,
        parallel,
        known_type(cache_type),
        None if gpus == _THIS_HOST else parse_gpus(gpus),
        None if memory is None else parse_size(memory),
        strict,
    )
    session.output.result(answer_fit(session, asked))
