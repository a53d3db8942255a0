"""One setting of an engine: where it is named, and which values it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias

from aava_cli.errors import UsageError, with_nearest

Values: TypeAlias = Mapping[str, str]
Condition: TypeAlias = tuple[str, str]
"""An option and the value that it must have."""

Kind: TypeAlias = Literal["text", "path", "language", "url", "integer", "number", "flag"]

_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_FEW = 12  # so many choices are told one by one
_PATTERNS: Mapping[Kind, str] = {
    "text": r"[^\x00-\x1f\x7f]+",
    "path": r"/[^\x00-\x1f\x7f]*",
    "language": r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*",
    # Whoever is named before an `@` is a secret, which has no place in an address.
    "url": r"(wss?|https?)://[^\s@/]+(/[^\s@]*)?",
    "integer": r"-?[0-9]{1,18}",
    "number": r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e[-+]?[0-9]{1,3})?",
}
_EXPECTED: Mapping[Kind, str] = {
    "text": "text on one line",
    "path": "a path as the daemon sees it, such as `/app/models/...`",
    "language": "a language, such as `de` or `en-US`",
    "url": "an address without a secret in it, such as `wss://host/path`",
    "integer": "a whole number",
    "number": "a number",
    "flag": "`1` or `0`",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a backend, the four places where it is named, and its range.

    *request* and *status* are dotted paths into the JSON messages. A setting without a
    *request* takes effect only when the daemon is started again; of one without a *status*
    only `.env` can tell what it is. *default* is what the daemon takes where nobody says
    anything. *reset* is the value that undoes what an earlier model asked for. *when* is the
    option, and its value, without which this one means nothing; *required* says that there is
    no running without it then.
    """

    option: str
    env: str
    yaml: str | None = None
    request: str | None = None
    status: str | None = None
    kind: Kind = "text"
    about: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    default: str | None = None
    reset: str | None = None
    when: Condition | None = None
    required: bool = False

    @property
    def accepts(self) -> str:
        """What a value has to be, in words."""
        if self.choices and len(self.choices) <= _FEW:
            return " or ".join(f"`{each}`" for each in self.choices)
        if self.choices:
            return f"one of {len(self.choices)}, such as `{'`, `'.join(self.choices[:3])}`"
        if self.least is not None and self.most is not None:
            return f"{_EXPECTED[self.kind]} from {self.least:,.10g} to {self.most:,.10g}"
        return _EXPECTED[self.kind]

    def parse(self, text: str) -> str:
        """Return the value that *text* names, as it is written everywhere.

        Raises:
            UsageError: it is out of range; the range is named.
        """
        value = self.plain(text)
        if self._takes(value):
            return value
        raise self._refusal(text)

    def plain(self, text: str) -> str:
        """Return *text* with one spelling for each value, where that is known."""
        lowered = text.strip().lower()
        if self.kind == "flag" and lowered in _ON | _OFF:
            return "1" if lowered in _ON else "0"
        if self.kind == "integer" and re.fullmatch(_PATTERNS["integer"], lowered):
            return str(int(lowered))
        return text

    def typed(self, value: str) -> str | int | float | bool:
        """Return *value* in the type that the daemon's messages have for it.

        Raises:
            UsageError: it is none of this kind.
        """
        match self.kind:
            case "integer" | "number" | "flag" if not self._has_form(value):
                raise self._refusal(value)
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "flag":
                return value == "1"
            case _:
                return value

    def told(self, value: Any) -> str | None:  # noqa: ANN401 - any JSON value
        """Return what a message means by *value*, or None where that is no value of this kind."""
        match value:
            case bool():
                return str(int(value)) if self.kind == "flag" else None
            case int() if self.kind in ("integer", "number"):
                return str(value)
            case float() if self.kind == "number" and isfinite(value):
                return str(value)
            case str() if value and self.kind not in ("integer", "number", "flag"):
                return value
            case _:
                return None

    def _refusal(self, text: str) -> UsageError:
        message = f"`{self.option}` takes {self.accepts}, not `{text}`"
        if self.choices:
            message = with_nearest(message, text, self.choices)
        hint = "run `aava backends` to see the engines; with a name it shows their ranges"
        return UsageError(message, hint=hint)

    def _takes(self, value: str) -> bool:
        if self.choices:
            return value in self.choices
        if not self._has_form(value):
            return False
        if self.least is None or self.most is None:
            return True
        return self.least <= float(value) <= self.most

    def _has_form(self, value: str) -> bool:
        if self.kind == "flag":
            return value in ("0", "1")
        return re.fullmatch(_PATTERNS[self.kind], value) is not None
