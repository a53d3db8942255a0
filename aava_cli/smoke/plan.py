"""What is said, through which models, how often, and how much of it may be misheard."""

from __future__ import annotations

import math
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
# No voice takes a whole book, and the models are not to be blamed for it.
LONGEST_SENTENCE = 1000

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
        UsageError: there is no word to say, or too many, or nothing makes the audio to transcribe.
    """
    if not _is_text(sentence):
        raise UsageError("`--text` is not UTF-8", hint="try `--text 'Good morning'`")
    if len(sentence) > LONGEST_SENTENCE:
        given = f"{len(sentence):,} characters were given"
        message = f"`--text` may have {LONGEST_SENTENCE:,} characters; {given}"
        raise UsageError(message, hint="one sentence is enough: try `--text 'Good morning'`")
    if math.isnan(max_word_error_rate):
        message = "`--max-word-error-rate` must be a number"
        raise UsageError(message, hint="try `--max-word-error-rate 0.5`")
    if not words_of(sentence):
        raise UsageError("`--text` has no word to say", hint="try `--text 'Good morning'`")
    if "stt" in roles and "tts" not in roles:
        raise UsageError("`stt` hears what `tts` says", hint="try `--roles tts,stt`")
    return SmokePlan(sentence, roles, save, max_word_error_rate, repeat)


def _is_text(sentence: str) -> bool:
    # What is no UTF-8 on a command line comes as halves of characters.
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return False
    return True
