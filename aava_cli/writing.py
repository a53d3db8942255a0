"""Write to the streams of this process, and spell out what would command a terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

# What others wrote may hold commands to the terminal, or turn the order of what it shows: all
# but a tab and the end of a line.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LAST_OF_TWO_DIGITS = 0xFF


def write(stream: TextIO, text: str) -> None:
    """Write *text* at once; a reader that is gone misses it, and the work goes on.

    Raises:
        OSError: it cannot be written for another reason; nothing that follows is.
    """
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Python writes again at exit what is still in its buffer; now nothing can fail there.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise


def tell(stream: TextIO, text: str) -> None:
    """Write what is told beside the work: it neither stops that nor changes how it ends."""
    with contextlib.suppress(OSError):
        write(stream, text)


def printable(text: str) -> str:
    """Return *text* with every control character spelled out, such as `\\x1b`."""
    return _CONTROL.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= _LAST_OF_TWO_DIGITS else f"\\u{code:04x}"


def printable_json(text: str) -> str:
    """Return JSON with these spelled out as well; its own rules ask for half of them."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
