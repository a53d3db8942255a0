"""Whether what a model made is what a model makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.smoke.words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the original daemon answers when it has no language model.
CANNED_REPLIES = ("I'm here to help you. How can I assist you today?",)


def error_in(reply: Mapping[str, Any]) -> str | None:
    """Return what *reply* says went wrong, in the daemon's words."""
    error = reply.get("error")
    return str(reply.get("message") or error) if error else None


def problem_with_reply(reply: str, prompt: str) -> str | None:
    """Return why *reply* is no model's answer to *prompt*."""
    said = words_of(reply)
    if not said:
        return "the reply is empty"
    if said in map(words_of, CANNED_REPLIES):
        return "the reply is the one the daemon gives without a language model"
    if said == words_of(prompt):
        return "the reply is the prompt itself"
    return None
