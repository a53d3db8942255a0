"""A wrong command line, told with the names that come nearest to what was typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aava_cli.errors import UsageError, with_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNKNOWN_COMMAND = re.compile(r"^No such command '(.+?)'")
_QUOTED = re.compile(r"'([^']*)'")


def usage_error(problem: Exception, command: str, *, everywhere: Iterable[str]) -> UsageError:
    """Return what is wrong with the command line, and which help to read.

    *everywhere* are the options that every command takes.
    """
    context: Any = getattr(problem, "ctx", None)
    path = context.command_path if context else f"aava {command}".strip()
    return UsageError(_message(problem, context, everywhere), hint=f"run `{path} --help`")


def _message(problem: Any, context: Any, everywhere: Iterable[str]) -> str:  # noqa: ANN401 - Typer exports no type for these
    text = str(problem.format_message())
    unknown_command = _UNKNOWN_COMMAND.match(text)
    if unknown_command and context:
        name = unknown_command[1]
        known = context.command.list_commands(context)
        return with_nearest(f"no command named `{name}`", name, known)
    if hasattr(problem, "possibilities") and context:
        name = problem.option_name
        known = [*_options(context.command.params), *everywhere]
        return with_nearest(f"no option named `{name}`", name, known)
    if text.startswith("Usage: "):
        # A group that shows its help when nothing follows; here the help is only pointed to.
        return "missing command"
    return text[:1].lower() + _QUOTED.sub(r"`\1`", text[1:].rstrip("."))


def _options(parameters: Iterable[Any]) -> Iterable[str]:
    for parameter in parameters:
        if parameter.param_type_name == "option":
            yield from parameter.opts
