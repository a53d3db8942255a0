"""The command `aava smoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session
    from aava_cli.smoke.line import Line

Way: TypeAlias = Literal["ws", "http"]

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
ViaOption = Annotated[
    Way, typer.Option("--via", help="Over the WebSocket, as a call; or over HTTP.")
]
RepeatOption = Annotated[
    int, typer.Option("--repeat", min=1, max=10_000, help="How often; then p50 and p95 are told.")
]


def smoke(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    *,
    text: TextOption = None,
    save: SaveOption = None,
    roles: RolesOption = "tts,stt,llm",
    max_word_error_rate: ErrorRateOption = 0.5,
    via: ViaOption = "ws",
    repeat: RepeatOption = 1,
) -> None:
    """Prove with one sentence that the running models work.

    \b
      aava smoke                            speech, transcript, reply
      aava smoke --roles tts,stt            without the language model
      aava smoke --text "Good morning"      another sentence
      aava smoke --save call.wav --json     keep the audio, answer a script
      aava smoke --repeat 20                how long each stage takes
      aava smoke --via http                 as clients of the HTTP model server ask
    """
    from aava_cli.smoke.plan import SENTENCE, parse_roles, plan_smoke
    from aava_cli.smoke.trial import run_trial

    session: Session = ctx.obj
    plan = plan_smoke(
        SENTENCE if text is None else text,
        parse_roles(roles),
        save=save or session.settings.state_dir / "smoke.wav",
        max_word_error_rate=max_word_error_rate,
        repeat=repeat,
    )
    session.output.result(run_trial(plan, _line(session, via)))


def _line(session: Session, via: Way) -> Line:
    from aava_cli.backends import SYSTEM_PROMPT
    from aava_cli.daemon.address import find_address
    from aava_cli.daemon.client import connect

    if via == "ws":
        from aava_cli.smoke.websocket import WebSocketLine

        instruction = session.env().get("LOCAL_LLM_SYSTEM_PROMPT") or SYSTEM_PROMPT
        return WebSocketLine(lambda: connect(session), instruction)
    from aava_cli.daemon.httpclient import HttpClient
    from aava_cli.smoke.http import HttpLine

    settings = session.settings
    address = find_address(settings.daemon_url, session.env(), env_file=settings.env_file)
    return HttpLine(HttpClient(address.urls, address.token))
