"""No caller's number is shown in any form, and what is shown can be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from aava_cli.audit.redaction import shown_name
from aava_cli.audit.report.showing import Showing
from aava_cli.events import Event, Finding, Item, Log, Progress
from tests.audit.auditor import PACK
from tests.audit.cases import FAILING
from tests.audit.logs import Lines, Names, created, ending, opening, printed
from tests.audit.monitor_cases import engine, engine_json
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from tests.conftest import Aava

NUMBER = "972501234567"
DROPS: Lines = (("P", "[TX_METRICS] fps=50.0, max_gap_ms=22.1, frames=50, q=3/1000, drops=3"),)
HUGE: Lines = (("P", f"[TX_METRICS] fps={'9' * 400}, max_gap_ms={'9' * 400}, frames=50"),)


@pytest.fixture
def numbered(tmp_path: Path) -> tuple[str, ...]:
    """Return words that audit a call that is named by a number, in a file that is so as well."""
    lines = FAILING.printed(1)
    log = tmp_path / f"{NUMBER}.log"
    log.write_bytes(
        logged(tuple(each.replace(Names(1).call.encode(), NUMBER.encode()) for each in lines))
    )
    pack = tmp_path / "own.toml"
    own = PACK.read_text().replace("(?P<call>CA\\w+)", "(?P<call>\\w+)")
    pack.write_text(own.replace('"CA[0-9a-f]{32}"', '"[0-9]+"'))
    return ("audit", str(log), "--profile", str(pack))


def forms(aava: Aava, words: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Return what *words* answer, in every form that there is."""
    junit, markdown, svg = (folder / name for name in ("a.xml", "a.md", "a.svg"))
    files = ("--junit", str(junit), "--markdown", str(markdown))
    text, as_json, events = aava(*words, *files), aava(*words, "--json"), aava(*words, "--events")
    drawn = aava(*words, "--timeline", "", "--svg", str(svg))
    told = {"text": text, "json": as_json, "events": events, "timeline": drawn}
    shown = {name: done.stdout + done.stderr for name, done in told.items()}
    files_shown = {path.suffix: path.read_text() for path in (junit, markdown, svg)}
    return shown | files_shown


def test_number_that_names_a_call_is_in_no_form(
    aava: Aava, numbered: tuple[str, ...], tmp_path: Path
) -> None:
    """The same pseudonym is, in each of them; with `--no-redact` the number."""
    for name, shown in forms(aava, numbered, tmp_path).items():
        assert NUMBER not in shown, name
        assert shown_name(NUMBER) in shown, name
    for name, shown in forms(aava, (*numbered, "--no-redact"), tmp_path).items():
        assert NUMBER in shown, name


@pytest.mark.parametrize("wanted", [NUMBER, f"+{NUMBER}", "050-1234567", NUMBER[:7], "pseudonym"])
def test_call_is_found_by_its_number(aava: Aava, numbered: tuple[str, ...], wanted: str) -> None:
    """By the operator's own way to write it, and by what a report shows."""
    wanted = shown_name(NUMBER) if wanted == "pseudonym" else wanted
    drawn = aava(*numbered, "--timeline", wanted)
    assert f"{shown_name(NUMBER)}: " in drawn.stdout
    judged = json.loads(aava(*numbered, "--scenario", f"{wanted}=edge", "--json").stdout)
    assert "edge" == judged["result"]["calls"][0]["scenario"]
    assert [] == judged["result"]["coverage"]["unheard"]


@pytest.mark.parametrize("call", [NUMBER, f"+{NUMBER}", f"PJSIP/{NUMBER}-00000001", f"{NUMBER}@gw"])
def test_number_that_names_a_call_of_the_monitor_is_not_shown(
    log: Path, aava: Aava, call: str
) -> None:
    """The whole name is the call's, also with a slash in it."""
    failed = engine(f"Local tool execution failed: no route to {NUMBER}", call)
    log.write_text(f"{failed}\n{engine_json('Call cleanup completed', call)}\n")
    done = aava("audit", str(log), "--json")
    assert NUMBER not in done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["result"]["calls"]
    assert shown_name(call) == found["call"]
    assert "caller-" in found["call"]


def test_number_is_not_shown_when_nothing_can_be_read(aava: Aava, tmp_path: Path) -> None:
    """Neither in what is said of the file, nor in how far it is."""
    empty = tmp_path / f"{NUMBER}.log"
    empty.touch()
    for words in (("audit", str(empty)), ("audit", str(empty.with_suffix(".gone")))):
        done = aava(*words)
        assert NUMBER not in done.stderr
        assert shown_name(NUMBER) in done.stderr
        assert NUMBER in aava(*words, "--no-redact").stderr
    told: list[Event] = []
    emit = Showing(redact=True).emit(told.append)
    item = Item("x", "y", "pass", NUMBER)
    for name in (NUMBER, shown_name(NUMBER)):
        for event in (Progress(name, 1, None), Log(name), Finding(name, "PASS"), item):
            emit(event)
    assert told[:4] == told[4:]
    assert [item] == [each for each in told[:4] if NUMBER in str(each)]


@pytest.mark.parametrize("longest", [256, 1024])
def test_number_where_a_line_around_is_cut_is_not_shown(
    log: Path, aava: Aava, longest: int
) -> None:
    """Wherever in it, not even the first half of it."""
    around = tuple(
        b"z" * (longest - 12 + index % 14) + f" +{NUMBER} ".encode() + b"z" * 1500
        for index in range(80)
    )
    log.write_bytes(logged(around, FAILING.printed(), around))
    (call,) = json.loads(aava("audit", str(log), "--json").stdout)["result"]["calls"]
    check = next(each for each in call["checks"] if each["check"] == "A1")
    lines = [each for context in check["contexts"] for each in context["lines"]]
    assert 50 < sum(each.startswith("z") for each in lines)
    assert not [each for each in lines if each.startswith("z") and "972" in each]


SAYS = "Dana Levi wants Tuesday"
TOLD: Lines = (
    ("L", f"[D5 APPT_TOOL_FAILED] Exception in book_appointment: {SAYS}"),
    ("P", f"❌ [BOOK_APPT] APPT_TOOL_FAILED: {SAYS}"),
    ("P", f"❌ [CHECK_AVAIL] APPT_TOOL_FAILED: {SAYS!r} is no time, ask 050-1234567"),
    ("P", f'📅 [BOOK_APPT] Request from AI: {{"customer_name": "{SAYS}"}}'),
    ("L", f"ValueError: {SAYS}"),
    ("L", f"[D5 FALLBACK_LEAD_CREATED] Could not verify lead {SAYS}"),
    ("L", f"[BARGE-IN] ✅ CONFIRMED: word_count=4 text={SAYS}"),
    ("L", "❌ Failed to cancel response: דנה לוי"),
)


def test_what_failed_tells_nothing_of_a_caller(log: Path, aava: Aava, tmp_path: Path) -> None:
    """Neither of one call nor of two that cannot be told from each other, in no form."""
    one, two = Names(1), Names(2)
    alone = printed((*opening(one), *TOLD, *ending(one)))
    both = (*opening(one), *opening(two), *TOLD, *ending(one), *ending(two))
    for lines in (printed(both), alone):
        log.write_bytes(logged(lines))
        for name, shown in forms(aava, ("audit", str(log)), tmp_path).items():
            for word in ("Dana", "Levi", "Tuesday", "050", "דנה"):
                assert word not in shown, name
    assert "Exception in book_appointment: ***" in aava("audit", str(log), "--json").stdout
    assert SAYS in aava("audit", str(log), "--json", "--no-redact").stdout


def strictly(text: str) -> dict[str, object]:
    """Return *text* as a parser reads it that knows the numbers of RFC 8259 alone."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    found: dict[str, object] = json.loads(text, parse_constant=refuse)
    return found


@pytest.mark.parametrize("seconds", [DROPS, (*HUGE, *HUGE), (*DROPS, *HUGE, *DROPS)])
def test_json_is_valid(log: Path, aava: Aava, tmp_path: Path, seconds: Lines) -> None:
    """Where nothing was measured, and where what was printed is no number of anything."""
    names = Names(1)
    log.write_bytes(logged(printed((*opening(names), created(names, 1), *seconds, *ending(names)))))
    for words in ((), ("--timeline", names.call), ("--svg", str(tmp_path / "a.svg"))):
        done = aava("audit", str(log), *words, "--json")
        assert 1 == done.exit_code
        assert "result" in strictly(done.stdout)
    assert 1 == aava("audit", str(log), "--timeline", names.call).exit_code


def test_name_that_is_no_text_is_shown_as_such(aava: Aava, tmp_path: Path) -> None:
    """In every form; files may be called anything."""
    log = os.fsencode(tmp_path) + b"/\xff\n.log"
    Path(os.fsdecode(log)).write_bytes(logged(FAILING.printed()))
    markdown = tmp_path / "a.md"
    word = os.fsdecode(log)
    assert 1 == aava("audit", word, "--json", "--markdown", str(markdown)).exit_code
    assert "\ufffd\ufffd.log" in markdown.read_text()
