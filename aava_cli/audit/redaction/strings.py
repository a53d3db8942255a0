"""Strings of JSON and of Python, and what they spell out."""

from __future__ import annotations

import json
import re

_ESCAPE = re.compile(r"\\u(?P<code>[0-9a-fA-F]{4})|\\.")


def decoded(content: str, quote: str) -> str:
    """Return what the *content* of a string in *quote* says; it may be cut off."""
    if "\\" not in content:
        return content
    if quote == '"':
        try:
            return str(json.loads(f'"{content}"'))
        except ValueError:
            pass
    return _ESCAPE.sub(_letter, content)


def _letter(found: re.Match[str]) -> str:
    if found["code"]:
        return chr(int(found["code"], 16))
    return {"n": "\n", "r": "\r", "t": "\t"}.get(found[0][1], found[0][1])


def encoded(content: str, quote: str) -> str:
    """Return *content* as it stands in a string; what cannot be printed stays spelled out."""
    return "".join(
        f"\\{letter}"
        if letter in (quote, "\\")
        else letter
        if letter.isprintable()
        else json.dumps(letter)[1:-1]
        for letter in content
    )
