"""Markers in code, comments and speech say nothing of a call."""

from __future__ import annotations

import pytest

from tests.audit.auditor import audit
from tests.audit.gate_cases import normal
from tests.audit.logs import Line, Names, ending, opening, printed
from tests.audit.wrapping import logged

ONE = Names(1)

QUOTED = (
    "# FAIL: ⚠️ [F2 VIOLATION] Background thread 1 still alive",
    '    logger.warning(f"⚠️ [F2 VIOLATION] Thread {i} still running")',
    '    logger.error(f"[F3] Unexpected error in websocket close: {e}")',
    '    print(f"Failed to cancel response: {e}")',
    "    raise RuntimeError(\"Unexpected ASGI message 'websocket.close'\")",
    "# FAIL  [TX_METRICS] fps=13.0, max_gap_ms=5120.4, frames=13, q=0/1000",
    "# FAIL [D4 TIMEZONE] Converted to Asia/Jerusalem: 2025-07-15T10:00:00+02:00",
)


@pytest.mark.parametrize("line", QUOTED)
@pytest.mark.parametrize("prefix", ["", "web-1  | "])
def test_quoted_marker_fails_nothing(line: str, prefix: str) -> None:
    """A guide, or the code in a traceback, shows what would be printed."""
    call = [line.decode() for line in normal()]
    lines = [*call[:-8], line, *call[-8:]]
    found = audit("".join(f"{prefix}{each}\n" for each in lines).encode())
    assert "FAIL" not in set(found.statuses()[ONE.call].values())
    assert {} == found.alarms


def test_marker_that_somebody_says_is_in_doubt() -> None:
    """Two lines that were printed at once look alike: it is told, and fails no call."""
    said: Line = ("P", "👤 [REALTIME] User said: [F2 VIOLATION] lol")
    found = audit(logged(printed((*opening(ONE), said, *ending(ONE)))))
    assert "UNDECIDABLE" == found.calls[ONE.call]["F2"].status
    assert {"f2_violation": 1} == found.alarms


def test_quoted_marker_passes_nothing() -> None:
    """Three good seconds in a guide are none of this call."""
    good: Line = ("P", "# PASS [TX_METRICS] fps=50.0, max_gap_ms=22.0, frames=50, q=0/1000")
    lines = (*opening(ONE), *(good,) * 5, *ending(ONE))
    found = audit(logged(printed(lines)))
    assert "UNDECIDABLE" == found.calls[ONE.call]["A1"].status
