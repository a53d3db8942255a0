"""Where in a line somebody may begin: behind a key, behind words of the pipeline, in quotes."""

from __future__ import annotations

import re

# Up to the name of whoever left it.
_LEAD = (
    r"(?i:(?:lead\ saved(?:\ successfully)?+|could\ not\ verify\ lead"
    r"|created\ lead(?:\ [#]?\d+(?!\S))?+)(?!\ for\ ))"
)
POINT = re.compile(
    r"""
      (?P<said>(?:(?<![\w-])(?i:AI|User|Caller|Agent|Bot|Assistant|Human|Customer)
               (?:\ said\b(?:\ goodbye\b(?:,\ AI\ responded\ politely\ -\ disconnecting)?
                           |\ closing\ phrase\b)?
                 |(?:\ (?:reply|input|says|asked|answered|question))?(?=:\s))
             |Request\ from\ AI|\[GOODBYE\ CHECK\]|\[AI_INPUT_BLOCKED\]\ kind=\w+
             |\b(?:STT|ASR|LLM|TTS)\ (?:result|response|text|input|output)(?=:\s)
             |\b(?i:name\ is)\b)(?P<behind>:?\s*))
    | (?P<heard>\bCONFIRMED:\ (?:\w*number|confirmation|whitelist_match)=)
    | (?P<failed>\[(?:BOOK_APPT|CHECK_AVAIL)\][^\w\[]{0,12}Failed:\s*
               |\b(?:APPT_TOOL|CHECK_AVAIL|BOOK_APPT)_FAILED\b\]?+:?+\s*+(?!Exception\ in\ )
               |\b(?:Exception\ in\ [\w.]+|[Tt]ool\ execution\ failed):\s*)
    | (?P<raised>\b[A-Z]\w*(?:Error|Exception)(?=\([bru]?['"]))
    | (?P<whom>(?:\[(?:LEAD|D5\ FALLBACK_LEAD_CREATED)\][^\[\]:=]{0,64}?(?:\ for|:|{LEAD})
                 |\[(?:BOOK_APPT|D5\ (?!FALLBACK_LEAD_CREATED)\w+)\][^\[\]:=]{0,64}?\ for
                 |\b(?:Lead\ saved\ successfully|Already\ created)\ for|\b{LEAD})[ ])
               (?!(?:call\ CA|session\ SES-)\w*\s*$)
    | (?P<quoted>"(?P<double>(?:[^"\\]|\\.){1,64}+)"\s*:\s*|'(?P<single>[^'\\]{1,64}+)'\s*:\s*)
    | (?<!\w)(?P<key>[A-Za-z](?:[\w.-]*\w)?)\)?\s?(?:=(?!=)|:(?![/:])|->|=>|→)\s*
    | (?<!\w)(?P<quote>["'])(?=\S)
    """.replace("{LEAD}", _LEAD),
    re.VERBOSE,
)
"""Every place that is to be looked at; the name of its group says what begins behind it."""

_WORD_BEFORE = re.compile(r"(\w+) $")
_NEAR = 32


def word_before(text: str, begin: int) -> str:
    """Return the word in front of *begin*, or nothing."""
    found = _WORD_BEFORE.search(text[max(0, begin - _NEAR) : begin])
    return found[1] if found else ""
