"""The command `aava smoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

TextOption = Annotated[str | None, typer.Option("--text", help="The sentence to say.")]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Where to keep the audio, else `.aava/smoke.wav`.")
]
RolesOption = Annotated[
    str, typer.Option("--roles", help="Which models to try; `stt` hears what `tts` says.")
]
ErrorRateOption = Annotated[
    float,
    typer.Option("--max-word-error-rate", min=0.0, help="How much of it may be misheard."),
]


def smoke(
    ctx: typer.Context,
    text: TextOption = None,
    save: SaveOption = None,
    roles: RolesOption = "tts,stt,llm",
    max_word_error_rate: ErrorRateOption = 0.5,
) -> None:
    """Prove with one sentence that the running models work.

    \b
      aava smoke                            speech, transcript, reply
      aava smoke --roles tts,stt            without the language model
      aava smoke --text "Good morning"      another sentence
      aava smoke --save call.wav --json     keep the audio, answer a script
    """
    from aava_cli.daemon.client import connect
    from aava_cli.smoke.trial import SENTENCE, parse_roles, plan_smoke, run_smoke

    session: Session = ctx.obj
    plan = plan_smoke(
        SENTENCE if text is None else text,
        parse_roles(roles),
        save=save or session.settings.state_dir / "smoke.wav",
        max_word_error_rate=max_word_error_rate,
    )
    session.output.result(run_smoke(plan, lambda: connect(session)))
