"""What a key says of its value: somebody's words, who somebody is, or a line of the log.

`said` is what was spoken, even where it is a number; `words` may be a figure as well, and what
is `free` somebody's words or one word of the program's. `why` is what an exception says, to the
end of the line, and a `fault` is told in a line, which repeats what a tool was given.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["said", "words", "free", "person", "line", "fault", "why", "other"]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Wherever one of these stands in a key, the value was said: `text_preview`, `final_transcript`.
_SAID = _words(
    """digits dtmf phrase preview speech text texts transcript transcription transcriptions
    transcripts utterance utterances"""
)
# A key that ends in one of these is about it.
_SAID_LAST = _words(
    """answer args arguments body caption comment comments content contents current description
    digit final goodbye greeting heard hypothesis input inputs instructions kwargs message
    messages normalized note notes parameters params partial phrases previous prompt query
    question raw recognized remark remarks reply response said saying sentence speaking spoken
    subject summary synthesizing title transcribed words"""
)
_PERSON_LAST = _words(
    """address addresses ani attendee birthdate birthday callee caller callerid cell cli client
    contact customer dnis dob email emails firstname from fullname guest lastname lead mail
    mobile msisdn nickname participant passport patient person phone phones recipient sender sms
    speaker ssn street surname tel telephone to user username whatsapp"""
)
# What is known of a text or a person, and is neither.
_ABOUT = _words(
    """at bytes chars confidence count counts duration empty enabled engine format hash id ids
    idx index is lang language len length level limit max min mode model ms ok path percent rate
    ratio score sec seconds short sid size state status threshold time timeout timestamp tokens
    total ts type us version"""
)
# Things that have a name or a number as well.
_THINGS = _words(
    """app attempt backend build chunk class codec component container context event field file
    frame func function host image job key line logger method model module node package page
    path pipeline plugin policy port process profile provider queue release retry room seq
    sequence server service session stage step stream table task thread tool turn unit version
    voice worker zone"""
)
_PERSONS = frozenset(("caller", "callerid", "national", "passport"))
_FREE = _words(
    "complaint intent outcome output reason reasons request result results symptom symptoms topic"
)
_LINES = _words("event hint log msg warning")
_FAULTS = _words("cause detail details err error exc exception stack traceback")
_LAST: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("words", _SAID_LAST),
    ("free", _FREE),
    ("person", _PERSON_LAST),
    ("line", _LINES),
    ("fault", _FAULTS),
)
_JOINED = re.compile(r"(?:file|host|path|func|thread|process|module|class|task)name")

_EXCEPTION = re.compile(r"(?:^|\.)(?P<name>\w*[a-zA-Z](?:Error|Exception))$")
_WARNING = re.compile(r"[a-z]Warning$")
# Exceptions that speak of the program, of the host and of where a text is broken; any other may
# repeat what a caller said: `KeyError: 'Dana'`.
_OF_PROGRAM = re.compile(
    r"(?:Attribute|Import|ModuleNotFound|Name|UnboundLocal|Type|Index|Recursion|(?:OutOf)?Memory"
    r"|ZeroDivision|Overflow|OS|IO|FileNotFound|Permission|BrokenPipe|Connection\w*|Timeout"
    r"|(?:JSON|Unicode)Decode|Syntax|NotImplemented)Error"
)


@lru_cache(maxsize=4096)
def kind_of(key: str, before: str = "") -> Kind:
    """Return what the value of *key* is; *before* is the word in front of it, if there is one."""
    words = [each.lower() for each in _WORDS.findall(key)]
    last = words[-1] if words else ""
    if last in ("id", "num") and _PERSONS & set(words):
        return "person"
    if last in _ABOUT or _JOINED.fullmatch(key.lower()) or _WARNING.search(key):
        return "other"
    if raised := _EXCEPTION.search(key):
        return "other" if _OF_PROGRAM.fullmatch(raised["name"]) else "why"
    if _SAID & set(words):
        return "said"
    if last in ("name", "names", "number", "numbers"):
        return "other" if (words[-2] if len(words) > 1 else before.lower()) in _THINGS else "person"
    return next((kind for kind, known in _LAST if last in known), "other")
