"""Where a value ends: by its quotes where they can be trusted, else where figures begin again.

Quotes around what was said are no bounds, because people say `it's`. What a program wrote as
JSON, or as Python writes a dictionary, has its inner quotes escaped.
"""

from __future__ import annotations

import re

_STRINGS = {
    "'": re.compile(r"'(?:[^'\\]|\\.)*+'"),
    '"': re.compile(r'"(?:[^"\\]|\\.)*+"'),
}
_BEHIND_STRING = re.compile(r"\s*(?:[,}\])]|$)")
_STRUCTURE = re.compile(r"[\[{(\]})]|['\"]")
# To the end of the text, nothing but `key=value` with values of one word.
_FIGURES = re.compile(r"(?:[\s,|;]+[A-Za-z_][\w.]*=[^\s,'\"|;]+)+[\s)\]}]*$")
_BEHIND_FIELD = re.compile(r"[\s,|;]+[A-Za-z_][\w.]*=|\s\|\s|$")
_BEHIND_NAME = re.compile(r"\s+[A-Za-z_][\w.-]*\s?[=:]|\s*[,;|}\])]|\s+-\s|\s*$")
_BEHIND_QUOTE = re.compile(r"(?=\s+[A-Za-z_][\w.-]*=)|[,;|}\])]|\s*$|\s+\|")
_NEXT_FIELD = re.compile(r"\s\w+=|\s\|\s|['\"][\w.-]+['\"]\s*:")


def end_of_string(text: str, begin: int) -> int:
    """Return where the string that opens at *begin* ends; at the end of *text* if nowhere."""
    found = _STRINGS[text[begin]].match(text, begin)
    while found is not None:
        if _BEHIND_STRING.match(text, found.end()):
            return found.end()
        # A quote that ends nothing: whoever wrote this did not escape it.
        found = _STRINGS[text[begin]].match(text, found.end() - 1)
    return len(text)


def end_of_structure(text: str, begin: int) -> int:
    """Return where the list or the mapping that opens at *begin* ends; strings in it count."""
    depth, position = 0, begin
    while (found := _STRUCTURE.search(text, position)) is not None:
        position = found.end()
        if found[0] in _STRINGS:
            string = _STRINGS[found[0]].match(text, found.start())
            if string is None:
                break
            position = string.end()
        else:
            depth += 1 if found[0] in "[{(" else -1
            if depth <= 0:
                return position
    return len(text)


def end_of_words(text: str, begin: int) -> int:
    """Return where what somebody said ends: at the figures that end the line, if any do."""
    return _start_of(_FIGURES, text, begin)


def end_of_field(text: str, begin: int) -> int:
    """Return where the next `key=value` begins; at the end of *text* if nowhere."""
    return _start_of(_BEHIND_FIELD, text, begin)


def end_of_name(text: str, begin: int) -> int:
    """Return where the name, the number or the address that begins at *begin* ends."""
    quote = text[begin : begin + 1]
    if quote in ("'", '"'):
        position = begin
        while (position := text.find(quote, position + 1)) >= 0:
            if _BEHIND_QUOTE.match(text, position + 1):
                return position + 1
        return len(text)
    return _start_of(_BEHIND_NAME, text, begin)


def end_of_quote(text: str, begin: int) -> int | None:
    """Return where a quotation within prose ends, or None if nothing closes it.

    It goes as far as it can before the next field begins.
    """
    quote = text[begin]
    for end in (_start_of(_NEXT_FIELD, text, begin + 1) + 1, len(text)):
        position = text.rfind(quote, begin + 1, end)
        while position > begin:
            if not text[position + 1 : position + 2].isalnum():
                return position + 1
            position = text.rfind(quote, begin + 1, position)
    return None


def _start_of(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.search(text, begin)
    return len(text) if found is None else found.start()
