"""The files that an audit writes: whatever makes it fail is in them, and nothing is out of date."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from aava_cli.audit.report.documents import Documents
from aava_cli.audit.report.markdown import error_as_markdown
from aava_cli.audit.report.showing import Showing
from aava_cli.errors import AavaError
from tests.audit.cases import FAILING
from tests.audit.gate_cases import appointment, edge, normal
from tests.audit.logs import Lines, Names, ending, only, opening, printed, turn, window
from tests.audit.monitor_cases import answers
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava


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
CANCEL: Lines = (("L", "❌ Failed to cancel response: gone"),)


def alarmed(times: int = 1) -> tuple[bytes, ...]:
    """Return two calls of which one could not cancel, so many *times*, and nobody knows which."""
    one, two = Names(8), Names(9)
    begin, end = (*opening(one), *opening(two)), (*ending(one), *ending(two))
    return printed((*begin, *CANCEL * times, *end))


QUIET = printed(only("OP", (*opening(NAMES), *turn(NAMES, 1, (window(),) * 3), *ending(NAMES))))
ENDINGS = {
    "passed": (logged(normal()), (), 0),
    "failed": (logged(FAILING.printed()), (), 1),
    "gate": (logged(normal(1), appointment(2)), ("--gate",), 9),
    "gate met": (logged(normal(1), appointment(2), edge(3)), ("--gate",), 0),
    "alarm": (logged(alarmed(), normal(1), edge(3)), (), 0),
    "strict and alarm": (logged(alarmed(), normal(1), edge(3)), ("--strict",), 9),
    "gate met, and alarm": (
        logged(alarmed(), normal(1), appointment(2), edge(3)),
        ("--gate",),
        9,
    ),
    "strict": (logged(QUIET), ("--strict",), 9),
    "damaged": (gzip.compress(logged(normal()) * 9, mtime=0)[:-8], (), 2),
    "unheard": (logged(normal()), ("--scenario", "CAzz=edge"), 2),
    "failed and unheard": (logged(FAILING.printed()), ("--scenario", "CAzz=edge"), 1),
    "no calls": (b"INFO: started\n", (), 10),
    "empty": (b"", (), 10),
    "binary": (bytes(5000), (), 2),
    "no pack": (logged(normal()), ("--profile", "nobody"), 2),
    "wrong pack": (logged(normal()), ("--profile", "aava"), 10),
    "no call to draw": (logged(normal()), ("--timeline", "CAzz"), 2),
    "failed and no call to draw": (logged(FAILING.printed()), ("--timeline", "CAzz"), 1),
    "gate and no call to draw": (logged(normal()), ("--gate", "--timeline", "CAzz"), 9),
    "nothing to draw": ("\n".join(answers(*[1.0] * 30)).encode(), (), 2),
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


def test_alarm_is_told_in_every_form(log: Path, aava: Aava) -> None:
    """That a call failed, and not which, keeps a release from being green, and is never quiet."""
    log.write_bytes(logged(alarmed(), normal(1), appointment(2), edge(3)))
    told = "ALARM: a line says that something went wrong, and not in which call (cancel_failed)"
    done = aava("audit", str(log))
    assert (0, True) == (done.exit_code, told in done.stdout.splitlines()[0])
    assert f"warning: {told}" in done.stderr
    assert f"**{told}**" in aava("audit", str(log), "--markdown", "-").stdout
    assert f"; {told}" in aava("audit", str(log), "--timeline", NAMES.call).stdout.splitlines()[0]
    events = aava("audit", str(log), "--events").stdout.splitlines()
    assert {"event": "log", "message": told, "level": "warning"} in list(map(json.loads, events))
    for words in (("--gate",), ("--strict",)):
        done = aava("audit", str(log), *words, "--json")
        answer = json.loads(done.stdout)
        assert (9, told) == (done.exit_code, answer["error"]["message"])
        assert {"cancel_failed": 1} == answer["result"]["coverage"]["alarms"]
        assert "UNDECIDABLE" == answer["result"]["alarms"][0]["status"]
        _, _, suites = failures(aava("audit", str(log), *words, "--junit", "-").stdout)
        (failure,) = suites["of a call that cannot be told"].iter("failure")
        assert "Failed to cancel response" in (failure.text or "")
    log.write_bytes(logged(alarmed(2), normal(1)))
    assert "ALARM: 2 lines say that" in aava("audit", str(log)).stdout


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
    data = logged(alarmed(), FAILING.printed(3))
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
    assert 2 == done.exit_code
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--junit", "OUT", "--markdown", "OUT"), "two documents would be written to one file"),
        (("--markdown", "OUT", "--svg", "OUT/../a"), "two documents would be written to one file"),
        (("--junit", "-", "--markdown", "-"), "only one document can be printed"),
        (("--junit", "-", "--json"), "not beside JSON"),
        (("--markdown", "-", "--events"), "not beside JSON"),
    ],
)
def test_no_document_takes_the_place_of_another(
    log: Path, aava: Aava, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Nor of the answer; both written to one pipe are no harm."""
    log.write_bytes(logged(normal()))
    done = aava("audit", str(log), *(each.replace("OUT", str(tmp_path / "a")) for each in words))
    assert (2, True) == (done.exit_code, told in done.stdout + done.stderr)
    assert not (tmp_path / "a").exists()
    null = ("--junit", os.devnull, "--markdown", os.devnull)
    assert 0 == aava("audit", str(log), *null).exit_code


def test_names_mean_nothing_in_a_document(aava: Aava, tmp_path: Path) -> None:
    """Whatever somebody called the file."""
    log = tmp_path / "a|b `c` <img src=x> *d* _e_ ]]> & \\| ~~~.log"
    log.write_bytes(logged(FAILING.printed()))
    shown = aava("audit", str(log), "--markdown", "-").stdout
    about = next(line for line in shown.splitlines() if line.startswith("session "))
    assert about.endswith(
        "a\\|b 'c' &lt;img src=x> \\*d\\* \\_e\\_ \\]\\]> & \\\\\\| \\~\\~\\~.log"
    )
    _, _, suites = failures(aava("audit", str(log), "--junit", "-").stdout)
    told = {
        each.attrib["name"]: each.attrib["value"] for each in suites[NAMES.call].iter("property")
    }
    assert str(log) == told["source"]


def test_only_code_in_a_sentence_keeps_its_signs() -> None:
    """What is between two backticks; one that is alone opens nothing."""
    shown = error_as_markdown(AavaError("`a < b` <c>", hint="d ` <e>"))
    assert "**`a < b` &lt;c>**" in shown
    assert "d ` &lt;e>" in shown


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


@pytest.mark.parametrize("name", ["``a<img src=x>``b", "a`[x](//b)`c", "[x](b)<img src=x>", "`"])
def test_name_of_a_damaged_log_is_no_markup(tmp_path: Path, aava: Aava, name: str) -> None:
    """Neither a picture nor a link comes of it, however many backticks are in it."""
    log = tmp_path / name.replace("//", "")
    log.write_bytes(gzip.compress(logged(normal()))[:-5])
    told = aava("audit", str(log), "--markdown", "-").stdout
    # What is between two backticks is code.
    outside = re.sub(r"(?<!`)`[^`]+`(?!`)", "", told)
    assert not re.search(r"<img|(?<!\\)\]\(", outside)


@pytest.mark.parametrize("word", ["CA--1", "CA---1", "CA-->1", "CA\ufffe1"])
def test_call_that_is_spoken_of_in_vain_breaks_no_document(
    log: Path, aava: Aava, word: str
) -> None:
    """It is told in a comment."""
    log.write_bytes(logged(normal()))
    done = aava("audit", str(log), "--scenario", f"{word}=edge", "--junit", "-")
    assert 1 == failures(done.stdout)[1]
