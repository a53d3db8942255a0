"""Names of calls, logs and files that hold a telephone number, as they are shown.

The same number has the same pseudonym in every run, so that reports can be compared. It is no
secret: whoever knows a number can find out its pseudonym. Many numbers share each.
"""

from __future__ import annotations

import re
from hashlib import sha256

from aava_cli.audit.redaction.numbers import replace_numbers, telephone_in

_LETTERS = 6
_LEAST_DIGITS = 8
_NUMBER = re.compile(r"\+?[\d\s().-]+")


def shown_name(name: str) -> str:
    """Return *name* with a pseudonym for every telephone number and e-mail address."""
    return replace_numbers(name, _pseudonym)


def answers_to(name: str, wanted: str) -> bool:
    """Return whether *wanted* means the call *name*.

    It is the beginning of the name, or of what is shown for it, or the same telephone number in
    another form.
    """
    return (
        name.startswith(wanted)
        or shown_name(name).startswith(wanted)
        or _is_same_number(name, wanted)
    )


def _is_same_number(name: str, wanted: str) -> bool:
    number = telephone_in(name)
    if number is None or _NUMBER.fullmatch(wanted) is None:
        return False
    short, long = sorted((_national(number), _national(wanted)), key=len)
    return len(short) >= _LEAST_DIGITS and long.endswith(short)


def _national(number: str) -> str:
    return "".join(letter for letter in number if letter.isdigit()).lstrip("0")


def _pseudonym(number: str) -> str:
    digits = _national(number)
    known = number.lower() if "@" in number or len(digits) < _LEAST_DIGITS else digits
    return f"caller-{sha256(known.encode()).hexdigest()[:_LETTERS]}"
