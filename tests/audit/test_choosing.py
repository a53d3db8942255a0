"""Which marker pack is taken by itself: the one whose calls are in the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aava_cli.audit.apply import load_profile, shipped_profiles
from aava_cli.audit.choosing import Choice
from aava_cli.audit.collectors import Collector
from aava_cli.audit.plan import plan_audit
from tests.audit.auditor import MONITOR, PIPELINE, cut_blocks
from tests.audit.cases import FAILING
from tests.audit.gate_cases import normal
from tests.audit.logs import Names
from tests.audit.monitor_cases import answers, engine, heard
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava

BAD, GOOD = logged(FAILING.printed()), logged(normal())
# What other programs than the monitored print as well.
COMMON = {
    "cache": "INFO:root:Cache backend: Redis connected to redis:6379",
    "voice": "INFO:root:STT backend: Google initialized",
    "tool": "ERROR:root:Tool execution failed: timeout call_id=call_Ab12",
    "model": "ERROR:server.x:Failed to load LLM model",
    "cleanup": "INFO:root:Call cleanup completed",
}
IDLE = b'INFO:     172.18.0.5:1 - "GET /health HTTP/1.1" 200 OK\n' * 24_000


def chosen(*chunks: bytes) -> tuple[str, list[str]]:
    """Return the pack that is taken when *chunks* come one by one, and which calls are told."""
    told: list[str] = []
    choice = Choice(
        plan_audit(["log"], ()),
        map(load_profile, shipped_profiles()),
        lambda name, _status, _checks: told.append(name),
    )
    collector = Collector()
    for block in cut_blocks(part for chunk in chunks for part in (chunk, b"")):
        choice.feed("log", "log", collector, collector.unwrap(block))
        choice.pause()
    likeliest = choice.likeliest()
    likeliest.auditor.finish()
    return likeliest.auditor.profile_name, told


@pytest.mark.parametrize("line", COMMON.values(), ids=COMMON)
def test_line_that_others_print_too_chooses_nothing(tmp_path: Path, aava: Aava, line: str) -> None:
    """However much comes between it and the first call."""
    log = tmp_path / "calls.log"
    log.write_bytes(line.encode() + b"\n" + IDLE + BAD)
    done = aava("audit", str(log), "--json")
    assert (1, PIPELINE) == (done.exit_code, json.loads(done.stdout)["result"]["profile"])


@pytest.mark.parametrize("line", COMMON.values(), ids=COMMON)
def test_log_that_grows_is_taken_for_what_it_is_as_a_whole(line: str) -> None:
    """Who follows it sees the first line long before the first call."""
    first = line.encode() + b"\n"
    assert (PIPELINE, PIPELINE) == (chosen(first, GOOD)[0], chosen(first + GOOD)[0])


def test_pack_of_most_lines_is_taken_where_several_have_calls() -> None:
    """Also where the other's call came long before; those of the pack that is taken are told."""
    other = (engine("StasisStart event received", "17.1") + "\n").encode()
    assert (PIPELINE, PIPELINE) == (chosen(other, GOOD)[0], chosen(other + GOOD)[0])
    assert PIPELINE == chosen(other, IDLE, BAD)[0] == chosen(other + IDLE + BAD)[0]
    assert Names(1).call in chosen(other, GOOD, logged(normal(2)))[1]


def test_choice_is_kept_once_it_has_many_lines() -> None:
    """Later lines of another pack are looked at no more, however many they are."""
    lines = "".join(f"{heard('hello', f'17.{number}')}\n" for number in range(500)).encode()
    calls = [logged(normal(number)) for number in range(40)]
    assert MONITOR == chosen(lines, *calls)[0]
    assert PIPELINE == chosen(lines[: len(lines) // 2], *calls)[0]


@pytest.mark.parametrize(
    ("lines", "pack"),
    [(answers(1.0, 2.0), MONITOR), ((heard("hello"),), MONITOR), (("[F2 VIOLATION] x",), PIPELINE)],
)
def test_log_without_the_beginning_of_a_call_is_taken_by_its_lines(
    lines: tuple[str, ...], pack: str
) -> None:
    """Such as one of the daemon alone, or the end of one that was rotated."""
    assert pack == chosen("\n".join((*lines, "")).encode())[0]
