"""Keep callers out of reports: telephone numbers, names, and what was said."""

from __future__ import annotations

import re

from aava_cli.redact import HIDDEN, is_secret, scrub

# With a country's prefix, or a trunk's zero, or as many digits as an E.164 number has.
_TELEPHONE = re.compile(
    r"\+\d[\d\-() ]{5,17}\d|(?<![\w.:+-])0\d{1,2}[- ]?\d{3}[- ]?\d{4}(?![\w.:])"
    r"|(?<![\w.:+-])[1-9]\d{9,14}(?![\w.:-])"
)
_PERSON_KEYS = "name|customer_name|caller_name|full_name|customer_phone|phone|email|from|to|notes"
_PERSON = re.compile(
    rf"(?<![\w.])(['\"]?(?:{_PERSON_KEYS})['\"]?\s*[=:]\s*)"
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s,}\]]+)",
    re.IGNORECASE,
)
# Behind these, a line is what somebody said.
_SAID = re.compile(r"((?:AI|User) said: |preview=|text_preview=|Request from AI: )(?=\S).*")
_QUOTED = re.compile(
    r"(?<!\w)((?:text|Current|Previous|transcript(?:ion)?|phrase|goodbye|said)[:=]? ?)"
    r"('(?:[^'\n]*'?)|\"(?:[^\"\n]*\"?))",
    re.IGNORECASE,
)
_OTHER_SCRIPT = re.compile(
    r"[^\W\d_a-zA-Z](?:[^\W_a-zA-Z]|[ '\"\u05f3\u05f4,.?!-](?=[^\W\d_a-zA-Z]))*"
)
_KEYED = re.compile(r"([\w-]+)(\"?'?\s*[=:]\s*'?\"?)([^\s'\",}]+)")
_BEARER = re.compile(r"\b(Bearer\s+)\S+|\b((?:sk|pk|rk)-)[\w-]{12,}")


def without_secrets(line: str) -> str:
    """Return *line* without what must never be shown."""
    hidden = _BEARER.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", scrub(line, ()))
    return _KEYED.sub(_hide_secret, hidden)


def without_people(line: str) -> str:
    """Return *line* without telephone numbers, names and words of callers.

    Logs are written in ASCII: what is in letters of another script was said by somebody.
    """
    for pattern in (_SAID, _QUOTED, _PERSON):
        line = pattern.sub(rf"\g<1>{HIDDEN}", line)
    line = _OTHER_SCRIPT.sub(HIDDEN, line)
    return _TELEPHONE.sub(HIDDEN, line)


def _hide_secret(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    return f"{name}{between}{HIDDEN}" if is_secret(name) else f"{name}{between}{value}"
