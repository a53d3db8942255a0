"""Names in front of an address or a number in brackets: `Dana Levi <dana@host>`."""

from __future__ import annotations

import re

from aava_cli.redact import HIDDEN

# As in mail (RFC 5322, 3.4) and in SIP (RFC 3261, 20.10); four words are a long name.
_NAME = re.compile(r"(?<!\w)(?:[A-Z][\w.'\u2019-]*+\s++){1,4}(?=<[^<>\s]*(?:@|\d{6})[^<>\s]*>)")


def without_mailboxes(text: str) -> str:
    """Return *text* without the names that stand in front of such an address."""
    return _NAME.sub(f"{HIDDEN} ", text) if "<" in text else text
