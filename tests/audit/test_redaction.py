"""Callers stay out of reports, and the log stays readable."""

from __future__ import annotations

import pytest

from aava_cli.audit.redaction import without_people, without_secrets


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("WS_START sid=MZ1 from=+972541234567 to=+97233763805 mode=AI",
         "WS_START sid=MZ1 from=*** to=*** mode=AI"),
        ("call me at 054-123-4567 please", "call me at *** please"),
        ("AI said: see you on Monday", "AI said: ***"),
        ("[BARGE-IN] CONFIRMED: word_count=2 text='wait a second...'",
         "[BARGE-IN] CONFIRMED: word_count=2 text=***"),
        ("{'customer_name': 'Dana Cohen', 'slots': 3}", "{'customer_name': ***, 'slots': 3}"),
        ("drop reason=echo text=תודה רבה value=1", "drop reason=echo text=*** value=1"),
        ("STT FINAL - Emitting transcript call_id=17.1 preview=my name is Dana",
         "STT FINAL - Emitting transcript call_id=17.1 preview=***"),
        ("[TX_METRICS] fps=50.0, max_gap_ms=22.1, frames=50, q=3/1000",
         "[TX_METRICS] fps=50.0, max_gap_ms=22.1, frames=50, q=3/1000"),
        ("2025-12-14T23:12:05.123456789Z call_id=1783366240.102 duration_ms=12000",
         "2025-12-14T23:12:05.123456789Z call_id=1783366240.102 duration_ms=12000"),
    ],
)  # fmt: skip
def test_people_are_taken_out(line: str, shown: str) -> None:
    """Numbers, names and words; figures stay."""
    assert shown == without_people(line)


@pytest.mark.parametrize(
    "line",
    [
        "connecting with api_key=abcdef123456",
        "Authorization: Bearer abcdef123456",
        "openai sk-proj-abcdef123456abcdef",
        "postgres://user:abcdef123456@db/x",
    ],
)
def test_secrets_are_never_shown(line: str) -> None:
    """Whatever else is shown."""
    assert "abcdef123456" not in without_secrets(line)
    assert "***" in without_secrets(line)
