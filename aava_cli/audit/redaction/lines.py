"""Lines of logs without the people in them.

A line is read from left to right. By its key or by what stands in front of it, a value is
somebody's words, or who somebody is, and is left out; a value that is a line itself is read as
one. Of what is in quotes under a key that nobody knows, only single words stay.
"""

from __future__ import annotations

import re
from functools import lru_cache

from aava_cli.audit.redaction.keys import Kind, kind_of
from aava_cli.audit.redaction.mailboxes import without_mailboxes
from aava_cli.audit.redaction.numbers import replace_numbers
from aava_cli.audit.redaction.points import POINT, word_before
from aava_cli.audit.redaction.scripts import without_scripts
from aava_cli.audit.redaction.spans import (
    end_of_field,
    end_of_name,
    end_of_quote,
    end_of_string,
    end_of_structure,
    end_of_words,
)
from aava_cli.audit.redaction.strings import decoded, encoded
from aava_cli.audit.redaction.values import (
    end_of_nobody,
    has_letters,
    is_of_house,
    is_of_program,
    is_prose,
)
from aava_cli.redact import HIDDEN

_NOTHING = re.compile(r"[\s.…]*$")
# A tag in capitals begins a line of the log, as in `"message": "🔊 [TX_METRICS] fps=50"`.
_TAGGED = re.compile(r"['\"][^\w\[]*\[[A-Z]")
_LEVEL = re.compile(r"['\"](?:level|levelname|severity)['\"]\s*:")
_REQUEST = re.compile(r"\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|WebSocket) [^\"]*\"")
_ONE_WORD = re.compile(r"(?:'[^\s'\"]*'|\"[^\s'\"]*\")(?!\w)")
# Why a barge-in counts may be what was heard.
_HEARD = re.compile(r"(?:(?!\stext=).)*", re.DOTALL)
_TOOL_FAILED = re.compile(
    r"\btool execution failed|(?:APPT_TOOL|CHECK_AVAIL|BOOK_APPT)_FAILED", re.IGNORECASE
)
_PLAIN = re.compile(r"[\w./:+-]*")
_BARE_VALUE = re.compile(r"[^\s,}\])]+")
_BEHIND_STRUCTURE = re.compile(r"\s*(?:[,;|)\]}]|\w+=|$)")
_QUOTES = ("'", '"')
_BRACKETS = ("[", "{", "(")
_BOUND = ("said", "words", "person")
_PEOPLE = (*_BOUND, "free", "why")
# Nested as deep as anybody writes JSON within JSON.
_DEEPEST = 4
_CUT_OFF = re.compile(r"(?:[+(]?\d[\d\s()./_\u00a0\u2010-\u2015\ufffd-]{0,24})?\S{0,64}$")


@lru_cache(maxsize=2048)
def without_people(line: str, *, is_cut: bool = False) -> str:
    """Return *line* without telephone numbers, names and words of callers.

    Of one that *is_cut* the last word goes as well: it may be the beginning of a number.
    """
    if is_cut:
        line = _CUT_OFF.sub(HIDDEN, line, count=1)
    return _without_people(line, 0)


def _without_people(text: str, depth: int) -> str:
    # Numbers first: what bounds a name may also stand within a number.
    text = replace_numbers(without_mailboxes(text), lambda _: HIDDEN)
    text = "".join(_Scan(text, depth).parts())
    return without_scripts(text)


class _Scan:
    """One way through a text."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._parts: list[str] = []
        self._at = 0
        self._unclosed = ""

    def parts(self) -> list[str]:
        """Return the text in parts, with nobody in them."""
        while (found := POINT.search(self._text, self._at)) is not None:
            if found["quote"]:
                self._keep(found.start())
                self._take_quote()
                continue
            self._keep(found.end())
            self._take_behind(found)
        self._keep(len(self._text))
        return self._parts

    def _take_behind(self, found: re.Match[str]) -> None:
        """Take what is behind *found*, which is none of its own."""
        text = self._text
        if found["quoted"]:
            self._take_trusted(self._kind_of(found["double"] or found["single"]))
        elif found["key"]:
            self._take(self._kind_of(found["key"], word_before(text, found.start())))
        elif found["heard"]:
            self._hide(_end(_HEARD, text, self._at))
        elif found["failed"]:
            self._take_why()
        elif found["raised"]:
            self._keep(self._at + 1)
            self._hide(end_of_structure(text, self._at - 1) - 1)
        elif found["whom"]:
            self._hide(end_of_words(text, self._at - 1))
        else:
            self._take_said()

    def _kind_of(self, key: str, before: str = "") -> Kind:
        kind = kind_of(key, before)
        if kind == "fault":
            return "free" if _TOOL_FAILED.search(self._text) else "line"
        return kind

    def _keep(self, end: int) -> None:
        if end > self._at:
            self._parts.append(self._text[self._at : end])
            self._at = end

    def _hide(self, end: int) -> None:
        if end > self._at:
            self._parts.append(HIDDEN)
            self._at = end

    def _take_said(self) -> None:
        if _NOTHING.match(self._text, self._at):
            return
        if not self._text[self._at - 1].isspace():
            # As in `User said goodbye: ...` and `AI said (partial): ...`.
            self._parts.append(" ")
        self._hide(end_of_words(self._text, self._at))

    def _take_why(self) -> None:
        """Take why something failed, to the end of the line: a program's words, or anybody's."""
        if not is_of_program(self._text, self._at):
            self._hide(len(self._text))

    def _take_trusted(self, kind: Kind) -> None:
        """Take the value of a key in quotes: its own quotes bound it."""
        text, begin = self._text, self._at
        opening = text[begin : begin + 1]
        if opening in _QUOTES and self._is_of_log(kind):
            self._take_string(end_of_string(text, begin), "line" if kind == "words" else kind)
        elif kind in _PEOPLE and not self._is_of_nobody(kind):
            if opening in _QUOTES:
                self._take_string(end_of_string(text, begin), kind)
            elif opening in _BRACKETS:
                self._hide(end_of_structure(text, begin))
            else:
                self._hide(_end(_BARE_VALUE, text, begin))

    def _take(self, kind: Kind) -> None:
        """Take the value of a bare key: quotes around it may be the speaker's own."""
        text, begin = self._text, self._at
        opening = text[begin : begin + 1]
        # Of a key without a value, what follows is the next one.
        behind_key = begin - 1 if text[begin - 1 : begin].isspace() else begin
        if kind == "line" and opening in _QUOTES:
            self._take_string(end_of_name(text, begin), kind)
        elif kind == "why":
            self._take_why()
        elif self._is_of_log(kind) or self._is_of_nobody(kind, behind_key):
            return
        elif (
            kind != "said"
            and opening in _BRACKETS
            and _BEHIND_STRUCTURE.match(text, end := end_of_structure(text, begin))
        ):
            self._hide(end)
        elif kind == "free":
            if is_prose(text[begin : end_of_field(text, behind_key)]):
                self._hide(end_of_words(text, behind_key))
        elif kind == "person":
            self._hide(self._end_of_person(begin if opening in _QUOTES else behind_key))
        else:
            self._hide(end_of_words(text, behind_key))

    def _end_of_person(self, begin: int) -> int:
        if self._text[self._at : self._at + 1] in _BRACKETS:
            begin = end_of_structure(self._text, self._at)
        return end_of_name(self._text, begin)

    def _is_of_log(self, kind: Kind) -> bool:
        return kind not in _PEOPLE or (
            kind == "words"
            and _TAGGED.match(self._text, self._at) is not None
            and _LEVEL.search(self._text) is not None
        )

    def _is_of_nobody(self, kind: Kind, behind_key: int | None = None) -> bool:
        """Return whether the value is a figure, or the name of something.

        Of words that no quotes bound, such as those *behind_key*, it must be all.
        """
        if kind == "person" and is_of_house(self._text, self._at):
            return False
        end = end_of_nobody(self._text, self._at, is_figure_too=kind != "said")
        if end is None or behind_key is None or kind == "person":
            return end is not None
        return not has_letters(self._text[end : end_of_words(self._text, behind_key)])

    def _take_string(self, end: int, kind: Kind) -> None:
        quote, content = self._text[self._at], self._text[self._at + 1 : end]
        closing = quote if content.endswith(quote) else ""
        content = content.removesuffix(closing) if closing else content
        if kind in _BOUND or (kind in ("other", "free", "why") and is_prose(content)):
            self._hide(end)
            return
        self._parts += (quote, self._inside(content, quote), closing)
        self._at = end

    def _inside(self, content: str, quote: str) -> str:
        if _PLAIN.fullmatch(content):
            return content
        if self._depth >= _DEEPEST:
            return HIDDEN
        said = decoded(content, quote)
        shown = _without_people(said, self._depth + 1)
        return content if shown == said else encoded(shown, quote)

    def _take_quote(self) -> None:
        """Take a quotation in prose."""
        text, begin = self._text, self._at
        if _REQUEST.match(text, begin):
            self._keep(begin + 1)
        elif (word := _ONE_WORD.match(text, begin)) is not None:
            self._keep(word.end())
        elif text[begin] in self._unclosed or (end := end_of_quote(text, begin)) is None:
            self._unclosed += text[begin]
            self._keep(begin + 1)
        elif is_prose(text[begin + 1 : end - 1]):
            self._hide(end)
        else:
            self._keep(end)


def _end(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return begin if found is None else found.end()
