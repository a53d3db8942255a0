"""The command: exit codes, forms, and what is kept out of them."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest

from aava_cli.audit.apply import load_profile, shipped_profiles
from aava_cli.audit.profile import parse_profile
from aava_cli.errors import ConfigError, UsageError
from tests.audit.auditor import MONITOR, PACK, PIPELINE
from tests.audit.cases import (
    BOOK,
    BYPASS,
    CHECK,
    DROP_ECHO,
    EXCEPTION,
    FAILING,
    FALLBACK,
    FOUND,
    GOODBYE,
    SAVED,
    Case,
    enabled,
)
from tests.audit.gate_cases import appointment, edge, normal
from tests.audit.logs import (
    Lines,
    Names,
    ai_said,
    barge_in,
    call_metrics,
    ending,
    only,
    opening,
    printed,
    turn,
    window,
)
from tests.audit.monitor_cases import GATEWAY, answers
from tests.audit.wrapping import compose, logged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava


def written(path: Path, *calls: tuple[bytes, ...]) -> str:
    """Write a log of *calls*, and return its path as a word."""
    path.write_bytes(compose(("web-1", line) for call in calls for line in call))
    return str(path)


def test_nothing_failed_is_0(log: Path, aava: Aava) -> None:
    """The first line says how much was decided."""
    done = aava("audit", written(log, normal()))
    assert 0 == done.exit_code
    assert done.stdout.startswith("coverage: 1 call, ")


def test_failed_is_1_with_the_lines_around(log: Path, aava: Aava) -> None:
    """Requirement, names, time, line, offset and up to forty lines on both sides."""
    before = [b'INFO:     172.18.0.5:1 - "GET /%d" 200' % number for number in range(60)]
    done = aava("audit", written(log, tuple(before), FAILING.printed(), tuple(before)), "--json")
    assert 1 == done.exit_code
    answer = json.loads(done.stdout)
    assert "audit-failed" == answer["error"]["code"]
    (call,) = answer["result"]["calls"]
    check = next(each for each in call["checks"] if each["check"] == "A1")
    (seen,), (context,) = check["seen"], check["contexts"]
    lines = log.read_bytes().splitlines(keepends=True)
    assert seen["text"].encode() == lines[seen["line"] - 1].rstrip()
    assert len(b"".join(lines[: seen["line"] - 1])) == seen["offset"]
    assert (seen["line"] - 40, 81) == (context["line"], len(context["lines"]))
    assert Names(1).call == call["ids"]["call"][0]
    assert Names(1).stream == call["ids"]["stream"][0]


def test_lines_around_are_merged_where_they_overlap(log: Path, aava: Aava) -> None:
    """Three bad seconds in a row have one excerpt."""
    names = Names(1)
    bad = (*opening(names), *turn(names, 1, (window(), *(window(40),) * 3)), *ending(names))
    answer = json.loads(aava("audit", written(log, printed(bad)), "--json").stdout)
    check = next(each for each in answer["result"]["calls"][0]["checks"] if each["check"] == "A1")
    assert (3, 3, 1) == (check["times"], len(check["seen"]), len(check["contexts"]))
    assert len(bad) == len(check["contexts"][0]["lines"])


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", 10, "is empty"),
        (bytes(5000), 2, "binary"),
        (gzip.compress(logged(normal()) * 9)[:-20], 2, "ends too early"),
        (b"INFO: started\nINFO: stopped\n", 10, "no calls found in 2 lines"),
    ],
    ids=["empty", "binary", "truncated", "no calls"],
)
def test_bad_input_has_its_message_and_code(
    log: Path, aava: Aava, content: bytes, code: int, words: str
) -> None:
    """Each kind of it."""
    log.write_bytes(content)
    done = aava("audit", str(log))
    assert (code, True) == (done.exit_code, words in done.stderr)


def test_truncated_log_is_judged_as_far_as_it_goes(log: Path, aava: Aava) -> None:
    """The report is there beside the error."""
    packed = gzip.compress(logged(FAILING.printed()) * 2, mtime=0)
    log.write_bytes(packed[:-8])
    done = aava("audit", str(log), "--json")
    assert 2 == done.exit_code
    assert json.loads(done.stdout)["result"]["coverage"]["calls"] >= 1


def test_wrong_marker_pack_is_told(log: Path, aava: Aava) -> None:
    """With the one that the log looks like."""
    done = aava("audit", written(log, normal()), "--profile", "aava")
    assert 10 == done.exit_code
    assert "--profile prosaasil-2025-12-14" in done.stderr
    assert 2 == aava("audit", str(log), "--profile", "prosaas").exit_code


def test_nothing_decided_is_9(log: Path, aava: Aava) -> None:
    """A run in which everything is open does not look green."""
    names = Names(1)
    log.write_bytes(logged(printed(opening(names)[:1])))
    done = aava("audit", str(log))
    assert 9 == done.exit_code
    assert "nothing could be decided" in done.stderr


def test_undecidable_is_9_only_when_strict(log: Path, aava: Aava) -> None:
    """Without the logger half of the checks are open, and what makes it print is said."""
    names = Names(1)
    quiet = only("OP", (*opening(names), *turn(names, 1, (window(), window())), *ending(names)))
    word = written(log, printed(quiet))
    assert 0 == aava("audit", word).exit_code
    strict = aava("audit", word, "--strict")
    assert 9 == strict.exit_code
    assert "ASYNC_LOG_QUEUE=0" in strict.stdout.splitlines()[0]


def test_call_with_anything_open_is_not_green(log: Path, aava: Aava) -> None:
    """One that passed in one check, and is open in twenty, reads so in every form."""
    names = Names(1)
    quiet = only("O", (*opening(names), *turn(names, 1, ()), *ending(names)))
    word = written(log, printed(quiet))
    assert f"{names.call}: UNDECIDABLE" in aava("audit", word).stdout
    assert f"## {names.call}: UNDECIDABLE" in aava("audit", word, "--markdown", "-").stdout
    told = json.loads(aava("audit", word, "--events").stdout.splitlines()[0])
    (call,) = json.loads(aava("audit", word, "--json").stdout)["result"]["calls"]
    assert ("UNDECIDABLE", "UNDECIDABLE") == (told["status"], call["status"])


def test_default_channels_alone_show_nothing(log: Path, aava: Aava) -> None:
    """Of a call with its beginning and its end alone, not even its closing passes."""
    names = Names(1)
    done = aava("audit", written(log, printed(only("O", (*opening(names), *ending(names))))))
    assert (9, True) == (done.exit_code, "0 of 24 checks decided" in done.stdout)


def test_gate_wants_three_calls(log: Path, aava: Aava) -> None:
    """Each of its own; two steady seconds are one too few."""
    assert 0 == aava("audit", written(log, normal(1), appointment(2), edge(3)), "--gate").exit_code
    missing = aava("audit", written(log, normal(1), edge(3)), "--gate")
    assert 9 == missing.exit_code
    assert "D2 is NOT_TRIGGERED" in missing.stdout
    unsteady = aava("audit", written(log, normal(1, good=2), appointment(2), edge(3)), "--gate")
    assert (9, True) == (unsteady.exit_code, "2 good seconds in a row of 3" in unsteady.stdout)


@pytest.mark.parametrize(("barge_ins", "dropped"), [(0, 0), (1, 120), (0, 120)])
def test_gate_takes_what_the_pipeline_counts_wrongly(
    log: Path, aava: Aava, barge_ins: int, dropped: int
) -> None:
    """A barge-in that was found here is not counted, and held back is not lost."""
    names = Names(1)
    windows = (window(13, 5120.4), *(window() for _ in range(3)))
    counted = call_metrics(barge_in_events=barge_ins, dropped=dropped)
    end: Lines = (*ending(names)[:1], ("L", counted), *ending(names)[2:])
    first = printed((*opening(names), *turn(names, 1, windows), *barge_in(names, 1), *end))
    assert 0 == aava("audit", written(log, first, appointment(2), edge(3)), "--gate").exit_code


@pytest.mark.parametrize("left_out", ["CONFIRMED:", "Cancelled", "FLUSH", "CANDIDATE"])
def test_gate_wants_a_whole_barge_in(log: Path, aava: Aava, left_out: str) -> None:
    """Each link of the chain."""
    first = tuple(line for line in normal(1) if left_out.encode() not in line)
    first = tuple(line for line in first if left_out != "FLUSH" or b"CONFIRMED flush" not in line)
    done = aava("audit", written(log, first, appointment(2), edge(3)), "--gate")
    assert done.exit_code in {1, 9}
    assert "B1 is " in done.stdout


def test_gate_takes_no_seconds_that_may_be_anothers(log: Path, aava: Aava) -> None:
    """Two calls at once: three good seconds of one are not known to be in a row."""
    one, two = Names(1), Names(4)
    begin = (*opening(one), *turn(one, 1, (window(), *(window() for _ in range(3)))))
    beside = (*opening(two), window(), ending(two)[0], ending(two)[-1])
    lines = (*begin, *barge_in(one, 1), *beside, *ending(one))
    done = aava("audit", written(log, printed(lines), appointment(2), edge(3)), "--gate")
    assert 9 == done.exit_code
    assert "A1 is UNDECIDABLE" in done.stdout


def test_gate_takes_a_fallback_for_an_appointment(log: Path, aava: Aava) -> None:
    """A booking that fails well is as good."""
    names = Names(2)
    middle = (*turn(names, 1, (window(), window())), CHECK, FOUND, EXCEPTION, FALLBACK, SAVED)
    fallback = printed((*opening(names), *middle, *ending(names)))
    assert 0 == aava("audit", written(log, normal(1), fallback, edge(3)), "--gate").exit_code


def test_ghost_session_is_no_call_of_the_gate(log: Path, aava: Aava) -> None:
    """Nothing was ever sent in it, and the report says so."""
    sent, none = b"tx=1400, is_ghost=False", b"tx=0, is_ghost=True"
    ghost = tuple(line.replace(sent, none) for line in normal(1))
    done = aava("audit", written(log, ghost, appointment(2), edge(3)), "--gate")
    assert (9, True) == (done.exit_code, "a ghost session: nothing was sent" in done.stdout)


def test_gate_counts_a_call_once(log: Path, aava: Aava) -> None:
    """A call that shows two scenarios does not stand for both."""
    names = Names(1)
    both = (*normal(1)[:-8], *printed((BYPASS, GOODBYE)), *normal(1)[-8:])
    done = aava("audit", written(log, both, appointment(2)), "--gate")
    assert 9 == done.exit_code
    assert names.call in done.stdout
    only_normal = aava("audit", str(log), "--gate", "--scenario", f"{names.call[:12]}=normal")
    assert "fast answer" in only_normal.stderr


def test_gate_needs_the_pipelines_marker_pack(log: Path, aava: Aava) -> None:
    """The monitor has no scenarios: nothing was audited, so that nothing failed."""
    log.write_text(GATEWAY + "\n")
    done = aava("audit", str(log), "--gate", "--profile", "aava")
    assert 2 == done.exit_code
    assert "has no gate" in done.stderr


def test_scenario_makes_an_echo_a_failure(log: Path, aava: Aava) -> None:
    """The operator knows that it was an answer."""
    names = Names(1)
    word = written(log, printed((*opening(names), DROP_ECHO, *ending(names))))
    assert 0 == aava("audit", word).exit_code
    assert 1 == aava("audit", word, "--scenario", f"{names.call}=edge").exit_code
    assert 2 == aava("audit", word, "--scenario", "edge").exit_code


def test_callers_are_kept_out(log: Path, aava: Aava, tmp_path: Path) -> None:
    """Telephone numbers, names and words are in no form, unless they are asked for."""
    names = Names(1)
    lines = (*opening(names), BOOK, *ending(names))
    word = written(log, printed(lines))
    junit, markdown = tmp_path / "out.xml", tmp_path / "out.md"
    done = aava("audit", word, "--json", "--junit", str(junit), "--markdown", str(markdown))
    assert 1 == done.exit_code
    for shown in (done.stdout, junit.read_text(), markdown.read_text()):
        assert not re.search("[\u0590-\u05ff]|0541234567|972541234567", shown)
        assert "[BOOK_APPT] Request from AI: ***" in shown
    assert "0541234567" in aava("audit", word, "--json", "--no-redact").stdout


def test_junit_has_a_suite_for_each_call(log: Path, aava: Aava) -> None:
    """Undecidable and not triggered are skipped, with the reason."""
    done = aava("audit", written(log, normal(1), FAILING.printed(2)), "--junit", "-")
    assert 1 == done.exit_code
    assert 2 == done.stdout.count("<testsuite ")
    assert 'tests="48" failures="1"' in done.stdout
    assert '<skipped message="UNDECIDABLE: which tools were on' in done.stdout
    assert '<failure message="FAIL: ' in done.stdout


def test_markdown_has_a_table_for_each_call(log: Path, aava: Aava) -> None:
    """With what failed below it."""
    done = aava("audit", written(log, FAILING.printed()), "--markdown", "-", "--gate")
    assert f"## {Names(1).call}: FAIL" in done.stdout
    assert "### A1: " in done.stdout
    assert "| normal call with a barge-in | missing" in done.stdout


def test_timeline_draws_one_call(log: Path, aava: Aava, tmp_path: Path) -> None:
    """In the terminal, and as SVG."""
    word = written(log, normal(1), normal(2))
    drawn = aava("audit", word, "--timeline", Names(2).call[:10])
    assert f"{Names(2).call}: 4 seconds of sound" in drawn.stdout
    svg = tmp_path / "call.svg"
    assert 0 == aava("audit", word, "--timeline", Names(2).session, "--svg", str(svg)).exit_code
    assert svg.read_text().startswith("<svg ")


@pytest.mark.parametrize("words", [("--timeline", "CAffff"), ("--scenario", "CAffff=edge")])
def test_call_that_is_not_there_takes_no_verdict_away(
    log: Path, aava: Aava, words: tuple[str, str]
) -> None:
    """It is told beside them; alone it is a matter of usage."""
    good, bad = written(log, normal()), ("--json", *words)
    done = aava("audit", good, *words)
    assert (2, True) == (done.exit_code, "no call is `CAffff`" in done.stderr)
    assert f"{Names(1).call}: " in done.stdout
    answer = json.loads(aava("audit", good, *bad).stdout)
    assert ("usage", ["CAffff"]) == (
        answer["error"]["code"],
        answer["result"]["coverage"]["unheard"],
    )
    done = aava("audit", written(log, FAILING.printed()), *words)
    assert (1, True) == (done.exit_code, "no call is `CAffff`" in done.stdout)
    assert f"{Names(1).call}: FAIL" in done.stdout


def test_events_tell_each_call(log: Path, aava: Aava) -> None:
    """As it ends, before the answer."""
    names = Names(1)
    middle = (enabled(), ai_said("שלום"), *turn(names, 1, (window(), window())))
    whole = printed((*opening(names), *middle, *ending(names)))
    done = aava("audit", written(log, whole, FAILING.printed(2)), "--events")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    findings = [each for each in events if each["event"] == "finding"]
    assert ["PASS", "FAIL"] == [each["status"] for each in findings]
    assert ["A1"] == findings[1]["reasons"]
    assert "error" == events[-1]["event"]


def test_monitor_reports_the_run(log: Path, aava: Aava) -> None:
    """The marker pack is found out, and lines of no call are judged as well."""
    log.write_text("\n".join((GATEWAY, *answers(*(6000.0,) * 30))) + "\n")
    done = aava("audit", str(log))
    assert 1 == done.exit_code
    assert "the whole run" in done.stdout
    assert "p95_ms=" in done.stdout


def test_own_marker_pack_is_read(log: Path, aava: Aava, tmp_path: Path) -> None:
    """A file of one's own, with a limit of one's own."""
    word = written(log, FAILING.printed())
    own = tmp_path / "own.toml"
    own.write_text(PACK.read_text().replace("fps_least = 47", "fps_least = 30"))
    assert 0 == aava("audit", word, "--profile", str(own)).exit_code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("version = 1", "version = 2"), "its version is 2"),
        (("version = 1", 'version = "1"'), "its version is '1'"),
        (("version = 1", "version = true"), "its version is True"),
        (('tag = "[F3]"', 'tag = ["[F3]"]'), r"`ws_closed`: 'list' object"),
        (('tag = "[F3]"', ""), r"`ws_closed`: 'tag' is missing"),
        (('tag = "[F3]"', 'tag = "F"'), "short"),
        (('tag = "[F3]"', 'tag = "<F3>"'), "otherwise"),
        (('channel = "stdout"', 'channel = "telegraph"'), "telegraph"),
        (("[limits]", "[limit]"), "`limit` of the pack is unknown"),
        (("then = ' start\\b'", "then = ' (start)'"), "no name"),
        (("then = ' start\\b'", "then = ' (start'"), "unterminated"),
        (("version = 1", "version ="), "no TOML"),
        (("version = 1\n", ""), "version' is missing"),
        (("version = 1", "version = 1\nlevel = 2"), "`level` of the pack is unknown"),
        (('name = "prosaasil-2025-12-14"', "name = 5"), "`name` is no text"),
        (('"A1", "A1+"', '"ZZ", "A1+"'), "no check is called `ZZ`"),
        (('"A1", "A1+"', '"A1+", "A1+"'), "different"),
        (("checks = [", 'checks = "A1"\nother = ['), "other"),
        (("fps_least = 47\n", ""), "limit `fps_least` is missing, which check `A1` needs"),
        (("good_windows = 3\n", ""), "limit `good_windows` is missing, which the gate needs"),
        (("fps_least = 47", 'fps_least = "47"'), "no number"),
        (("fps_least = 47", "fps_least = nan"), "no number"),
        (("fillers = [", "filers = ["), "list of words `fillers` is missing"),
        (("whitelist = [", 'whitelist = "no"\nother = ['), "no list"),
        (("[channels.logger]", "[channels.lodger]"), "`logger` of"),
        (('role = "open"', 'role = "opne"'), "`opne` of"),
        (('phase = "end"', 'phase = "ennd"'), "`ennd` of"),
        (('tag = "[F3]"', 'tag = "[F3]"\nthenn = "a"'), "`thenn` of"),
        (("alarm = true", "alarm = 1"), "neither true nor false"),
        (('tag = "[F3]"', 'tag = "[\u05d6\u05d6\u05d6]"'), "otherwise"),
        (('stream = "MZ[0-9a-f]{32}"\n', ""), "`stream` of"),
        (("[identity.full]\n", "[identity.full]\ncaller = '.+'\n"), "`caller` of"),
        (("[identity]\n", "[identity]\nanywhere = 'CA'\n"), "one group"),
        (("[identity]\n", "[identity]\neverywhere = 'CA'\n"), "`everywhere` of"),
        (("pattern = '\\[(?P<session>", "pattern = '(?P<session>"), "begin with its tag"),
        (("then = ' start\\b'", "then = '(?i) start'"), "flags"),
        (("then = ' start\\b'", "then = '(?P<a> start)(?P=a)'"), "refers to"),
        (("then = ' start\\b'", "then = '(?P<a> )\\1'"), "refers to"),
        (("then = ' start\\b'", "then = '(?P<a> )?(?(a)x|y)'"), "refers to"),
        (("then = ' start\\b'", "then = '(?:.*.*)*.*.*Q'"), "side by side"),
        (("then = ' start\\b'", "then = '.*x.*x.*xQ'"), "marker `tx_start`: .* too many repeats"),
        (
            ("[identity]\n", "[identity]\nanywhere = '[a-z]+=([a-z]+)'\n"),
            "`anywhere` of .* repeats",
        ),
        (('call = "CA[0-9a-f]{32}"', "call = '.*a.*b'"), "`call` of .* repeats"),
        (('tag = "[TX_METRICS]"', 'tag = "[TX_METRICS]"\nthen = ".*x"'), "fields behind them"),
        (("then = ' start\\b'", "then = '(?: |[^x]|\\w| \\w)*Q'"), "alternatives"),
        (("then = ' start\\b'", "then = '(?:a+)+Q'"), "repeats what has repeats"),
        (('fps = "number", ', ""), "field `fps` is missing, which check `A1` reads"),
        (('fps = "number", ', 'fps = "word", '), "cannot read the fields of `tx_metrics`"),
        (('fps = "number", ', 'fps = "digit", '), "no form of a field"),
    ],
)
def test_broken_marker_pack_is_refused(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    """With what is wrong in it."""
    own = tmp_path / "own.toml"
    text = PACK.read_text()
    assert change[0] in text
    own.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=words) as caught:
        load_profile(str(own))
    # A check that failed is 1.
    assert 2 == caught.value.exit_code


@pytest.mark.parametrize(
    ("limits", "markers"),
    [("echoes = 3", ""), ("", "[markers.other]\ntag='OTHER'\nchannel='a'")],
    ids=["none", "another"],
)
def test_marker_pack_lacks_what_its_check_needs(limits: str, markers: str) -> None:
    """There is nothing to be found, or nothing that the check looks at."""
    head = "version = 1\nname = 'x'\ntitle = 'y'\nchecks = ['echo']\n"
    channels = (
        "[channels.a]\ntitle = 'a'\nremedy = 'b'\n[channels.daemon]\ntitle = 'a'\nremedy = 'b'"
    )
    text = f"{head}{channels}\n[identity.full]\n[limits]\n{limits}\n[markers]\n{markers}\n"
    with pytest.raises(ConfigError, match="no marker"):
        parse_profile(text, name="own.toml")


def test_marker_packs_come_with_the_program() -> None:
    """Both of them, under their names."""
    assert (MONITOR, PIPELINE) == shipped_profiles()
    with pytest.raises(UsageError, match="nearest"):
        load_profile("aavaa")


def test_failed_call_is_told_among_very_many(log: Path, aava: Aava) -> None:
    """All are counted; one that failed takes the place of one that did not."""
    calls = [Case("E2", FAILING.status, "", lambda _names: ()).printed(n) for n in range(1, 203)]
    done = aava("audit", written(log, *calls, FAILING.printed(900)), "--json")
    result = json.loads(done.stdout)["result"]
    assert (203, 200, 3) == (
        result["coverage"]["calls"],
        len(result["calls"]),
        result["calls_left_out"],
    )
    assert Names(900).call in [each["call"] for each in result["calls"]]
    assert "3 more calls are counted" in aava("audit", str(log)).stdout


def test_what_went_wrong_in_one_of_two_calls_is_told(log: Path, aava: Aava) -> None:
    """It fails neither, and is not lost."""
    one, two = Names(1), Names(2)
    middle: Lines = (("L", "❌ Failed to cancel response: gone"),)
    lines = (*opening(one), *opening(two), *middle, *ending(one), *ending(two))
    word = written(log, printed(lines))
    done = aava("audit", word)
    assert "of a call that cannot be told" in done.stdout
    assert "cancel_failed" in done.stdout
    assert "Of a call that cannot be told" in aava("audit", word, "--markdown", "-").stdout


def test_run_is_in_every_form(log: Path, aava: Aava) -> None:
    """As a suite, and as a section."""
    log.write_text("\n".join((GATEWAY, *answers(*(900.0,) * 30))) + "\n")
    assert '<testsuite name="run"' in aava("audit", str(log), "--junit", "-").stdout
    assert "## The whole run" in aava("audit", str(log), "--markdown", "-").stdout


def test_marker_pack_that_cannot_be_read_is_told(log: Path, aava: Aava, tmp_path: Path) -> None:
    """A file that is not there, and one that is no text."""
    word = written(log, normal())
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for pack in (str(tmp_path / "gone.toml"), str(binary)):
        done = aava("audit", word, "--profile", pack)
        assert (2, True) == (done.exit_code, "cannot read the marker pack" in done.stderr)
    done = aava("audit", word, "--profile", "/dev/zero")
    assert (2, True) == (done.exit_code, "has more than 1 MiB" in done.stderr)
