"""Write to the streams of this process, whatever has become of them."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


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
