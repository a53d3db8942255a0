"""What the bodies of HTTP requests ask for, each field checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.serve.description import model_name
from aava_cli.serve.gate import Refused, invalid
from aava_cli.serve.work import LONGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.serve.models import Models


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
    question = Question(
        _text(asked, "query"), _optional_text(asked, "system_prompt"), _most_tokens(asked, models)
    )
    named = _optional_text(asked, "model_name")
    if named and named not in (model_name("llm", models), models.values["LOCAL_LLM_MODEL_PATH"]):
        raise Refused(400, "Model server was started with a different model.")
    return question


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
    return value


def _optional_text(asked: Mapping[str, Any], name: str) -> str | None:
    return None if asked.get(name) is None else _text(asked, name)


def _most_tokens(asked: Mapping[str, Any], models: Models) -> int | None:
    value = asked.get("max_new_tokens")
    most = int(models.values["LOCAL_LLM_CONTEXT"])
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise invalid("max_new_tokens", f"Input should be a whole number from 1 to {most}")
    return value
