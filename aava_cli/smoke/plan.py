"""What is said, through which models, how often, and how much of it may be misheard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import UsageError
from aava_cli.roles import ROLES
from aava_cli.smoke.words import words_of

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.roles import Role

SENTENCE = "Hello, can you tell me what a telephone is?"
MAX_WORD_ERROR_RATE = 0.5

IN_ORDER: tuple[Role, ...] = ("tts", "stt", "llm")
"""The roles as they work: what one makes is what the next gets."""


@dataclass(frozen=True, slots=True)
class SmokePlan:
    """One trial; *repeat* is how often the sentence goes round."""

    sentence: str
    roles: tuple[Role, ...]
    save: Path
    max_word_error_rate: float = MAX_WORD_ERROR_RATE
    repeat: int = 1


def parse_roles(names: str) -> tuple[Role, ...]:
    """Return the roles that *names*, separated by commas, stand for, in the order they work.

    Raises:
        UsageError: a name is no role, or there is none.
    """
    named = {name.strip().lower() for name in names.split(",")} - {""}
    if not named or named - set(ROLES):
        message = f"`--roles {names}` must name some of {', '.join(IN_ORDER)}"
        raise UsageError(message, hint="try `--roles tts,stt`")
    return tuple(role for role in IN_ORDER if role in named)


def plan_smoke(
    sentence: str,
    roles: tuple[Role, ...],
    *,
    save: Path,
    max_word_error_rate: float = MAX_WORD_ERROR_RATE,
    repeat: int = 1,
) -> SmokePlan:
    """Decide what to say and to whom.

    Raises:
        UsageError: there is no word to say, or nothing makes the audio to transcribe.
    """
    if not words_of(sentence):
        raise UsageError("`--text` has no word to say", hint="try `--text 'Good morning'`")
    if "stt" in roles and "tts" not in roles:
        raise UsageError("`stt` hears what `tts` says", hint="try `--roles tts,stt`")
    return SmokePlan(sentence, roles, save, max_word_error_rate, repeat)
