"""What is handed on: nobody's number in any form, and whatever makes the audit fail."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from xml.etree import ElementTree as ET

import pytest

from aava_cli.audit.redaction import shown_name
from aava_cli.audit.report.documents import Documents
from aava_cli.audit.report.showing import Showing
from aava_cli.events import Event, Finding, Item, Log, Progress
from tests.audit.cases import CASES, Case
from tests.audit.gate_cases import appointment, edge, normal
from tests.audit.logs import Lines, Names, created, ending, only, opening, printed, turn, window
from tests.audit.monitor_cases import engine, engine_json
from tests.audit.wrapping import plain

if TYPE_CHECKING:
    from tests.conftest import Aava

NUMBER = "972501234567"
FAILING = next(case for case in CASES if (case.check, case.status) == ("A1", "FAIL"))
DROPS: Lines = (("P", "[TX_METRICS] fps=50.0, max_gap_ms=22.1, frames=50, q=3/1000, drops=3"),)
HUGE: Lines = (("P", f"[TX_METRICS] fps={'9' * 400}, max_gap_ms={'9' * 400}, frames=50"),)
PACK = Path(__file__).parents[2] / "aava_cli/audit/profiles/prosaasil-2025-12-14.toml"


def logged(*calls: tuple[bytes, ...]) -> bytes:
    """Return a log of *calls*."""
    return plain(("", line) for call in calls for line in call)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where the log is."""
    return tmp_path / "calls.log"


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
    drawn = aava(*words, "--timeline", NUMBER, "--svg", str(svg))
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


def failures(junit: str) -> tuple[int, int, dict[str, ET.Element]]:
    """Return how many cases of *junit* failed or erred, and its suites; its sums must be right."""
    root = ET.fromstring(junit)  # noqa: S314 - the document is ours
    suites = {each.attrib["name"]: each for each in root}
    for each in (root, *root):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert len(list(each.iter(tag))) == int(each.attrib[name])
        assert len(list(each.iter("skipped"))) == int(each.attrib["skipped"])
    return int(root.attrib["failures"]), int(root.attrib["errors"]), suites


NAMES = Names(1)
QUIET = printed(only("OP", (*opening(NAMES), *turn(NAMES, 1, (window(),) * 3), *ending(NAMES))))
MANY = tuple(Case("E2", FAILING.status, "", lambda _names: ()).printed(n) for n in range(1, 202))
ENDINGS = {
    "passed": (logged(normal()), (), 0),
    "failed": (logged(FAILING.printed()), (), 1),
    "gate": (logged(normal(1), appointment(2)), ("--gate",), 9),
    "gate met": (logged(normal(1), appointment(2), edge(3)), ("--gate",), 0),
    "strict": (logged(QUIET), ("--strict",), 9),
    "damaged": (gzip.compress(logged(normal()) * 9, mtime=0)[:-8], (), 2),
    "unheard": (logged(normal()), ("--scenario", "CAzz=edge"), 10),
    "no calls": (b"INFO: started\n", (), 10),
    "empty": (b"", (), 10),
    "binary": (bytes(5000), (), 2),
    "no pack": (logged(normal()), ("--profile", "nobody"), 2),
    "wrong pack": (logged(normal()), ("--profile", "aava"), 10),
    "no call to draw": (logged(normal()), ("--timeline", "CAzz"), 10),
    "twice": (logged(normal()), ("--scenario", "edge"), 2),
}


@pytest.mark.parametrize("ending_of", ENDINGS)
def test_documents_tell_how_it_ended(log: Path, aava: Aava, tmp_path: Path, ending_of: str) -> None:
    """A build server sees a failure exactly where the exit code is one, never an older report."""
    content, words, code = ENDINGS[ending_of]
    log.write_bytes(content)
    junit, markdown, svg = (tmp_path / name for name in ("a.xml", "a.md", "a.svg"))
    for each in (junit, markdown, svg):
        each.write_text("OLD AND GREEN")
    files = ("--junit", str(junit), "--markdown", str(markdown), "--svg", str(svg))
    done = aava("audit", str(log), *words, *files)
    assert code == done.exit_code, done.stderr
    failed, erred, _ = failures(junit.read_text())
    assert bool(code) == bool(failed + erred)
    assert "OLD" not in markdown.read_text()
    assert bool(code) == (f"(exit code {code}; " in markdown.read_text())
    assert not svg.exists() or svg.read_text().startswith("<svg ")


def test_calls_that_are_left_out_fail_the_document(log: Path, aava: Aava, tmp_path: Path) -> None:
    """A failure that is counted and not shown is told in a suite of its own."""
    failing = tuple(FAILING.printed(number) for number in range(1, 202))
    log.write_bytes(logged(*failing))
    junit, markdown = tmp_path / "a.xml", tmp_path / "a.md"
    aava("audit", str(log), "--junit", str(junit), "--markdown", str(markdown), "--context", "0")
    failed, erred, suites = failures(junit.read_text())
    assert (200, 1) == (failed, erred)
    assert "audit" in suites
    for each in (junit, markdown):
        assert "1 more calls are counted and not shown" in each.read_text()


def test_junit_knows_streams_gate_alarms_and_damage(log: Path, aava: Aava, tmp_path: Path) -> None:
    """And Markdown does; a build server and a ticket are all that some ever see."""
    one, two = Names(1), Names(2)
    middle: Lines = (("L", "❌ Failed to cancel response: gone"),)
    both = printed((*opening(one), *opening(two), *middle, *ending(one), *ending(two)))
    data = logged(both, FAILING.printed(3))
    log.write_bytes(gzip.compress(data + logged(normal(4)) * 9, mtime=0)[:-8])
    junit, markdown = tmp_path / "a.xml", tmp_path / "a.md"
    words = ("--gate", "--junit", str(junit), "--markdown", str(markdown))
    assert 2 == aava("audit", str(log), *words).exit_code
    _, erred, suites = failures(junit.read_text())
    assert 1 == erred
    call = suites[Names(3).call]
    told = {each.attrib["name"]: each.attrib["value"] for each in call.iter("property")}
    assert (Names(3).stream, Names(3).session) == (told["stream"], told["session"])
    (failure,) = call.iter("failure")
    assert f"stream {Names(3).stream}" in (failure.text or "")
    alarm = suites["of a call that cannot be told"]
    assert "Failed to cancel response" in "".join(alarm.itertext())
    assert 2 == len(list(suites["gate"].iter("failure")))
    assert "ends too early" in next(iter(suites["log"].iter("error"))).attrib["message"]
    shown = markdown.read_text()
    for each in (f"stream {Names(3).stream}", "## Gate", "Failed to cancel response", "Damaged: "):
        assert each in shown


def test_scenario_of_a_call_is_in_the_documents(log: Path, aava: Aava) -> None:
    """With what else is known of it."""
    log.write_bytes(logged(normal(1)[:-1]))
    words = ("audit", str(log), "--scenario", f"{Names(1).call}=normal")
    assert '<property name="scenario" value="normal"/>' in aava(*words, "--junit", "-").stdout
    assert "placed as normal" in aava(*words, "--markdown", "-").stdout
    log.write_bytes(logged(normal(1)[3:]))
    assert '<property name="note" value="its beginning' in aava(*words, "--junit", "-").stdout


def test_scenario_of_no_call_is_told(log: Path, aava: Aava) -> None:
    """As a call that was placed and is not in the log: nothing is shown by silence."""
    log.write_bytes(logged(normal()))
    done = aava("audit", str(log), "--scenario", "CAzz=edge", "--scenario", "CA=normal")
    assert 10 == done.exit_code
    assert "no call is `CAzz`" in done.stdout.splitlines()[0]
    assert "`CAzz`" in done.stderr


def test_whoever_is_killed_leaves_no_old_report(tmp_path: Path) -> None:
    """From the beginning it says that there is no answer."""
    documents = Documents(tmp_path / "a.xml", tmp_path / "a.md", tmp_path / "a.svg")
    for each in (documents.junit, documents.markdown, documents.svg):
        assert each is not None
        each.write_text("OLD AND GREEN")
    with pytest.raises(KeyboardInterrupt), documents.open((), Showing(redact=True)):
        raise KeyboardInterrupt
    assert (0, 1) == failures((tmp_path / "a.xml").read_text())[:2]
    assert "did not come to an end" in (tmp_path / "a.md").read_text()
    assert not (tmp_path / "a.svg").exists()


def test_log_is_not_written_over(log: Path, aava: Aava) -> None:
    """Not even where it is named as a report by mistake."""
    log.write_bytes(logged(normal()))
    for option in ("--junit", "--markdown", "--svg"):
        done = aava("audit", str(log), option, f"{log.parent}/./{log.name}")
        assert 2 == done.exit_code
        assert "is a log" in done.stderr
    assert logged(normal()) == log.read_bytes()


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--svg"])
def test_report_that_cannot_be_written_is_2(
    log: Path, aava: Aava, tmp_path: Path, option: str
) -> None:
    """Before anything is read: that is no failed check."""
    log.write_bytes(logged(FAILING.printed()))
    for path in (tmp_path / "gone" / "a", tmp_path, tmp_path / ("x" * 300), tmp_path / ("x" * 250)):
        done = aava("audit", str(log), option, str(path))
        assert (2, True) == (done.exit_code, f"cannot write `{path}`" in done.stderr)


def test_pipe_is_written_to(log: Path, aava: Aava, tmp_path: Path) -> None:
    """And stays a pipe: nothing takes the place of what is no file."""
    log.write_bytes(logged(normal()))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert 0 == aava("audit", str(log), "--junit", str(pipe)).exit_code
    reader.join()
    assert pipe.is_fifo()
    assert failures(read[0])[2].keys() == {Names(1).call}
