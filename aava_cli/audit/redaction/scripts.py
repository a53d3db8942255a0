"""Words in letters of another script than the log's, also where they are spelled out."""

from __future__ import annotations

import re

from aava_cli.audit.redaction.strings import decoded
from aava_cli.redact import HIDDEN

# Logs are written in ASCII: what is in letters of another script was said by somebody.
_LETTER = r"[^\W\d_a-zA-Z\u00b5\u03bc]"
_SCRIPT = re.compile(
    rf"(?<![A-Za-z])[A-Za-z]*{_LETTER}[\w'\u0591-\u05c7-]*"
    rf"(?:[ .,?!\"'\u05f3\u05f4-]{{1,2}}[A-Za-z]*{_LETTER}[\w'\u0591-\u05c7-]*)*"
)
_ESCAPED = re.compile(r"(?:\\u(?!00[0-7])[0-9a-fA-F]{4}[ '-]?|\\x[89a-fA-F][0-9a-fA-F][ '-]?)+")


def without_scripts(text: str) -> str:
    """Return *text* without words in letters that are not ASCII."""
    return _ESCAPED.sub(_without_letters, _SCRIPT.sub(HIDDEN, text))


def _without_letters(found: re.Match[str]) -> str:
    """Return what is spelled out if it is only signs; letters that are not ASCII are hidden."""
    said = decoded(found[0], "'")
    return HIDDEN if "\\x" in found[0] or _SCRIPT.search(said) else found[0]
