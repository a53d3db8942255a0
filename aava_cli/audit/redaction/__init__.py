"""Keep callers out of reports: telephone numbers, names, and what was said."""

from __future__ import annotations

import re

from aava_cli.audit.redaction.lines import without_people
from aava_cli.audit.redaction.naming import answers_to, shown_name
from aava_cli.redact import HIDDEN, is_secret, scrub

__all__ = ("answers_to", "shown_name", "without_people", "without_secrets")

_KEYED = re.compile(r"(?<![\w-])([\w-]++)(\"?'?\s*[=:]\s*'?\"?)([^\s'\",}]+)")
_BEARER = re.compile(r"\b(Bearer\s+)\S+|\b((?:sk|pk|rk)-)[\w-]{12,}")


def without_secrets(line: str) -> str:
    """Return *line* without what must never be shown."""
    hidden = _BEARER.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", scrub(line, ()))
    return _KEYED.sub(_hide_secret, hidden)


def _hide_secret(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    return f"{name}{between}{HIDDEN}" if is_secret(name) else f"{name}{between}{value}"
