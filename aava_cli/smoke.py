"""`aava smoke`: the command; `aava_cli.trial` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.backends import ROLES, Role
from aava_cli.errors import UsageError
from aava_cli.trial import MAX_WORD_ERROR_RATE, SENTENCE, STAGES, SmokePlan, run_smoke
from aava_cli.words import words_of

if TYPE_CHECKING:
    from aava_cli.session import Session

TextOption = Annotated[str, typer.Option("--text", help="The sentence to say.")]
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
    text: TextOption = SENTENCE,
    save: SaveOption = None,
    roles: RolesOption = "tts,stt,llm",
    max_word_error_rate: ErrorRateOption = MAX_WORD_ERROR_RATE,
) -> None:
    """Prove with one sentence that the running models work.

    \b
      aava smoke                            speech, transcript, reply
      aava smoke --roles tts,stt            without the language model
      aava smoke --text "Good morning"      another sentence
      aava smoke --save call.wav --json     keep the audio, answer a script
    """  # noqa: D301 - the help formatter needs the control character itself
    from aava_cli.daemon.client import connect

    session: Session = ctx.obj
    plan = plan_smoke(
        text,
        parse_roles(roles),
        save=save or session.settings.state_dir / "smoke.wav",
        max_word_error_rate=max_word_error_rate,
    )
    session.output.result(run_smoke(plan, lambda: connect(session)))


def parse_roles(names: str) -> tuple[Role, ...]:
    """Return the roles that *names*, separated by commas, stand for, in the order they work.

    Raises:
        UsageError: a name is no role, or there is none.
    """
    named = {name.strip().lower() for name in names.split(",")} - {""}
    if not named or named - set(ROLES):
        message = f"`--roles {names}` must name some of {', '.join(STAGES)}"
        raise UsageError(message, hint="try `--roles tts,stt`")
    return tuple(role for role in STAGES if role in named)


def plan_smoke(
    sentence: str,
    roles: tuple[Role, ...],
    *,
    save: Path,
    max_word_error_rate: float = MAX_WORD_ERROR_RATE,
) -> SmokePlan:
    """Decide what to say and to whom.

    Raises:
        UsageError: there is no word to say, or nothing makes the audio to transcribe.
    """
    if not words_of(sentence):
        raise UsageError("`--text` has no word to say", hint="try `--text 'Good morning'`")
    if "stt" in roles and "tts" not in roles:
        raise UsageError("`stt` hears what `tts` says", hint="try `--roles tts,stt`")
    return SmokePlan(sentence, roles, save, max_word_error_rate)
