"""Tell a line that quotes a marker from one that the pipeline printed.

Logs also hold the lines of code that print markers, in tracebacks, and guides and prompts that
show them; neither says that anything happened.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CODE = re.compile(
    rb"(?:^|[|:Z\]])\s*#+ "
    rb"|\b(?:log|logger|logging)\.\w+\(|\b(?:print|_orig_print)\(|\braise [\w.]+\("
    rb"|\b[fFrRbB]{1,2}[\"'][^\"']{0,8}$|`$"
)
_SPEECH = re.compile(rb"\b(?:AI|User) said: |\b(?:text_)?preview=")


# Most lines begin alike.
@lru_cache(maxsize=256)
def is_quoted(before: bytes) -> bool:
    """Return whether a marker behind *before* is a line of code, or a comment."""
    return _CODE.search(before) is not None


def quotes(line: bytes) -> bool:
    """Return whether *line* is code or a comment as far as its first tag."""
    return is_quoted(line.partition(b"[")[0])


def is_speech(before: bytes) -> bool:
    """Return whether a marker behind *before* may be what somebody said.

    Two lines that were printed at once may also be on one.
    """
    return _SPEECH.search(before) is not None
