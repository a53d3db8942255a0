"""What the bodies of HTTP requests ask for, each field checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.serve.description import model_name
from aava_cli.serve.engines import Unanswerable
from aava_cli.serve.gate import Refused, invalid
from aava_cli.serve.work import LONGEST_TEXT, require_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.serve.models import Models

_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Question:
    """What `/generate` is asked; None is what `.env` says."""

    query: str
    system_prompt: str | None
    max_new_tokens: int | None


def question_in(asked: Mapping[str, Any], models: Models) -> Question:
    """Return the question in the body *asked*.

    Raises:
        Refused: a field is wrong, or another model is meant.
    """
    query, system = _text(asked, "query"), _optional_text(asked, "system_prompt")
    most_tokens = _most_tokens(asked, models)
    named = _optional_text(asked, "model_name")
    if named and named not in (model_name("llm", models), models.values["LOCAL_LLM_MODEL_PATH"]):
        raise Refused(400, "Model server was started with a different model.")
    return Question(query, system, most_tokens)


def text_in(asked: Mapping[str, Any]) -> str:
    """Return the text to be spoken in the body *asked*.

    Raises:
        Refused: there is none, or too much.
    """
    text = _text(asked, "text")
    if len(text) > LONGEST_TEXT:
        raise invalid("text", f"String should have at most {LONGEST_TEXT} characters")
    return text


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise invalid(name, "Input should be a valid string" if name in asked else "Field required")
    try:
        require_text(value, name)
    except Unanswerable as error:
        raise invalid(name, str(error)) from error
    return value


def _optional_text(asked: Mapping[str, Any], name: str) -> str | None:
    return None if asked.get(name) is None else _text(asked, name)


def _most_tokens(asked: Mapping[str, Any], models: Models) -> int | None:
    value = asked.get("max_new_tokens")
    if value is None:
        return None
    most = int(models.values["LOCAL_LLM_CONTEXT"])
    count = _whole(value)
    if count is None or not 0 < count <= most:
        raise invalid("max_new_tokens", f"Input should be a whole number from 1 to {most}")
    return count


def _whole(value: object) -> int | None:
    """Return the whole number that *value* is, or says, as the model server reads it."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if _DIGITS.fullmatch(value.strip()):
            return int(value)
        case _:
            return None
