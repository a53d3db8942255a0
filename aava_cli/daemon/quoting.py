"""What another program said, as it can stand in a message of ours."""

from __future__ import annotations

LONGEST = 500


def quoted(said: object) -> str:
    """Return *said* on one line, so that it cannot pass for more of ours, and with an end."""
    words = " ".join(str(said).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
