"""Read the text of a request, however large, in little time.

JSON is read while nothing else is done, and a text of brackets takes a second for five
megabytes. Only one string of a request may be long, its sound or its text; it is taken out first.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, NoReturn

from aava_cli.serve.engines import EngineError
from aava_cli.serve.limits import KIB, MIB
from aava_cli.serve.message import Message

# What may be read as JSON at once: some 30 ms at worst.
_PLAIN = 256 * KIB
_LONG_FIELD = re.compile(r'"(data|text)"\s{0,9}:\s{0,9}"')
_LONGEST_ESCAPED = MIB
_QUOTES = 10_000
_BACKSLASHES = 100


def parse(text: str) -> Message:
    """Return the request in *text*; case and dashes of its type do not matter.

    Raises:
        EngineError: it is not a JSON object with a `type`, or has too much in it.
    """
    fields = _loads(text) if len(text) <= _PLAIN else _large(text)
    kind = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or not kind.strip():
        raise EngineError("expected an object with a `type`")
    return Message(kind.strip().lower().replace("-", "_"), fields)


def _loads(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise EngineError("not JSON") from error


def _no_json(name: str) -> NoReturn:
    raise ValueError(name)


def _large(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the object in *text*, whose field `data` or `text` is most of it."""
    found = _LONG_FIELD.search(text, 0, _PLAIN)
    end = _end_of_string(text, found.end()) if found else 0
    if found is None or len(text) - (end - found.end()) > _PLAIN:
        raise EngineError(f"a request may have {_PLAIN:,} characters beside its `data` or `text`")
    # Whatever stands for the string can stand nowhere else.
    stand_in = secrets.token_hex()
    fields = _loads(f"{text[: found.end()]}{stand_in}{text[end:]}")
    name = found[1]
    if isinstance(fields, dict) and fields.get(name) == stand_in:
        return fields | {name: _unescaped(text[found.end() : end])}
    raise EngineError(f"the long `{name}` is not a field of the request")


def _end_of_string(text: str, start: int) -> int:
    """Return where the string that begins at *start* ends."""
    end = start
    for _ in range(_QUOTES):
        end = text.find('"', end)
        before = text[max(start, end - _BACKSLASHES) : max(start, end)]
        backslashes = len(before) - len(before.rstrip("\\"))
        if end < 0 or backslashes == _BACKSLASHES:
            break
        if not backslashes % 2:
            return end
        end += 1
    raise EngineError("not JSON")


def _unescaped(string: str) -> str:
    if "\\" not in string:
        return string
    if len(string) <= _LONGEST_ESCAPED:
        return str(_loads(f'"{string}"'))
    # Some write base64 with its slashes escaped; what else is escaped is no base64.
    return string.replace("\\/", "/")
