"""`.env` text: what it says, and edits that touch nothing else."""

from __future__ import annotations

import io
import os
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli import envfile
from aava_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

KEYS = st.sampled_from(
    ("A", "LOCAL_STT_BACKEND", "LOCAL_STT_MODEL_PATH", "LOCAL_TTS_BACKEND", "KROKO_URL", "_X9")
) | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
LINES = st.sampled_from(
    (
        "# a comment, été",
        "#KROKO_URL=wss://old",
        "# LOCAL_TTS_BACKEND = x",
        "",
        "   ",
        "A=1",
        "A=2",
        "  A=3",
        "export LOCAL_STT_BACKEND=vosk",
        "export\tB='x y' # kept",
        "LOCAL_STT_BACKEND=sherpa    # one of five",
        "LOCAL_STT_MODEL_PATH='/a b/c'#tail",
        'LOCAL_TTS_BACKEND="two words"  # said',
        "KROKO_API_KEY=      # Your key",
        "KROKO_URL = wss://host/path",
        "GREETING=Héllo nobody_here ☎",
        'AI_ROLE="say \\"hi\\" in\ntwo lines"',
        "MULTI='first\n# not a comment\nlast'",
        "HASH=abc#def",
        "PASSWORD=pa$word",
        "'QUOTED_KEY'=1",
        "EMPTY=",
        "LOCAL_BARE",
        "TAB=abc\t# c",
    )
)
# The raw material of trouble: quotes, escapes, substitutions, comments, spaces.
AWKWARD = st.text(st.sampled_from("ab'\"\\$`{}:-#=!&|~ \u00e9\u2028\u00a0"), max_size=12)
VALUES = AWKWARD | st.text(max_size=20)


@st.composite
def env_texts(draw: st.DrawFn, *, plain: bool = False) -> str:
    """Draw a file of every shape of line; a *plain* one is what `sh` can read."""
    newline = "\n" if plain else draw(st.sampled_from(("\n", "\r\n", "\r")))
    lines = draw(st.lists(LINES, max_size=12))
    end = draw(st.sampled_from((newline, "")))
    bom = "" if plain else draw(st.sampled_from(("", "\ufeff")))
    return bom + (newline.join(lines) + end).replace("\n", newline)


def spelled(value: str) -> str | None:
    """Return how a value is written, or `None` where it is refused."""
    try:
        return envfile.edit("", {"K": value})
    except UsageError:
        return None


ACCEPTED = VALUES.filter(spelled)
CHANGES = st.dictionaries(KEYS, ACCEPTED | st.none(), max_size=4)


def dotenv_reads(text: str, *, interpolate: bool = False) -> dict[str, str | None]:
    """Read *text* as python-dotenv does."""
    return dotenv_values(stream=io.StringIO(text), interpolate=interpolate)


def applied(values: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """Return *values* after *changes*, without any file."""
    merged = {**values, **changes}
    return {key: value for key, value in merged.items() if value is not None}


@given(env_texts())
def test_read_agrees_with_dotenv(text: str) -> None:
    """Every shape of line reads as python-dotenv reads it, bare keys left out."""
    expected = {key: value for key, value in dotenv_reads(text).items() if value is not None}
    assert expected == envfile.read(text)


@given(env_texts(), CHANGES)
@settings(max_examples=300)
def test_edit_reads_back(text: str, changes: dict[str, str | None]) -> None:
    """Changed keys read as meant and all others as before, here and in python-dotenv."""
    edited = envfile.edit(text, changes)
    expected = applied(envfile.read(text), changes)
    assert expected == envfile.read(edited)
    assert expected == {k: v for k, v in dotenv_reads(edited).items() if v is not None}


@given(env_texts(), CHANGES)
@settings(max_examples=200)
def test_edit_survives_interpolation(text: str, changes: dict[str, str | None]) -> None:
    """No accepted value holds anything that python-dotenv would expand."""
    loaded = dotenv_reads(envfile.edit(text, changes), interpolate=True)
    wanted = {key: value for key, value in changes.items() if value is not None}
    assert wanted == {key: loaded[key] for key in wanted}


@given(env_texts(), CHANGES)
@settings(max_examples=300)
def test_edit_touches_no_other_line(text: str, changes: dict[str, str | None]) -> None:
    """Lines without a changed key are all still there, in the same order, to the byte."""
    edited = envfile.edit(text, changes)
    untouched = [
        chunk.source.rstrip("\r\n")
        for chunk in envfile._chunks(text.lstrip("\ufeff"), ".env")
        if chunk.key not in changes
    ]
    position = 0
    for source in untouched:
        position = edited.index(source, position) + len(source)


@given(env_texts(), st.data())
def test_equal_values_change_nothing(text: str, data: st.DataObject) -> None:
    """Setting what is already there returns the same text, whatever it looks like."""
    values = envfile.read(text)
    keys = data.draw(st.sets(st.sampled_from(sorted(values)))) if values else set[str]()
    same: dict[str, str | None] = {key: values[key] for key in keys if key.isidentifier()}
    assert text == envfile.edit(text, {**same, "NOT_THERE": None})


@given(env_texts(), CHANGES)
def test_edit_is_idempotent(text: str, changes: dict[str, str | None]) -> None:
    """A second run of the same edit changes nothing."""
    once = envfile.edit(text, changes)
    assert once == envfile.edit(once, changes)


def sh_reads(path: Path, keys: list[str]) -> list[str]:
    """Source *path* in a real `sh` and return what each of *keys* holds, also in a child."""
    wanted = " ".join(f'"${key}"' for key in keys)
    script = f"set -a; . \"$0\" 2>/dev/null; printf '%s\\0' {wanted}; /usr/bin/env -0"
    done = subprocess.run(
        ["/bin/sh", "-c", script, os.fspath(path)],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    found = done.stdout.decode().split("\0")
    exported = dict(each.split("=", 1) for each in found[len(keys) :] if "=" in each)
    assert found[: len(keys)] == [exported[key] for key in keys]
    return found[: len(keys)]


@given(env_texts(plain=True), st.lists(ACCEPTED.filter(lambda v: "\ufeff" not in v), max_size=25))
@settings(max_examples=40, deadline=None)
def test_sh_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: str, values: list[str]
) -> None:
    """A real `sh` that sources the edited file holds exactly the values that were set."""
    keys = [f"LOCAL_V{index}" for index in range(len(values))]
    path = tmp_path_factory.mktemp("env") / ".env"
    edited = envfile.edit(text, dict(zip(keys, values, strict=True)))
    path.write_bytes(edited.encode())
    assert values == sh_reads(path, keys)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/app/models/stt/vosk-en_0.22", "/app/models/stt/vosk-en_0.22"),
        ("ws://127.0.0.1:8765/?a=b", "'ws://127.0.0.1:8765/?a=b'"),
        ("", ""),
        ("Hello, how are you", "'Hello, how are you'"),
        ("pa$word", "'pa$word'"),
        ("a # b", "'a # b'"),
        (r"back\slash", r"'back\slash'"),
        ('say "hi"', "'say \"hi\"'"),
        ("it's", '"it\'s"'),
        ('it\'s "so"', '"it\'s \\"so\\""'),
        (r"a\\b", r'"a\\\\b"'),
        ("${unclosed", "'${unclosed'"),
        ("${a:b}", "'${a:b}'"),
        ("été", "'été'"),
    ],
)
def test_spelling(value: str, expected: str) -> None:
    """A value is bare where it can be, then in single quotes, then in double quotes."""
    assert f"{envfile.HEADER}\nK={expected}\n" == envfile.edit("", {"K": value})


@pytest.mark.parametrize(
    "value",
    [
        "two\nlines",
        "carriage\rreturn",
        "nul\0",
        "tab\t",
        "bell\x07",
        "next line\x85",
        "surrogate\udc80",
        "${HOME}/x",
        "${X:-y}",
        "it's $5",
        "it's `x`",
        r"$a\\b",
        "ends in\\",
    ],
)
def test_values_that_readers_disagree_on_are_refused(value: str) -> None:
    """No spelling reads the same everywhere, so nothing is written, and no secret is echoed."""
    with pytest.raises(UsageError) as caught:
        envfile.edit("K=1\n", {"K": value})
    assert value not in caught.value.message
    assert "`K`" in caught.value.message


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "A=B", "É", "A\n"])
def test_keys_must_be_names(key: str) -> None:
    """A key that `sh` could not assign to is a usage error."""
    with pytest.raises(UsageError):
        envfile.edit("", {key: "v"})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nB: v\n", 2),
        ("\n\nA=1\r\n\r\n  'oops\r\n", 5),
        ("A='never closed\n", 1),
        ("\ufeffA=1\rB: v", 2),
    ],
)
def test_broken_line_is_named(text: str, line: int) -> None:
    """The error names the file and the line, for readers and for editors."""
    with pytest.raises(ConfigError) as read:
        envfile.read(text, name="x.env")
    with pytest.raises(ConfigError):
        envfile.edit(text, {"A": "2"}, name="x.env")
    assert f"x.env:{line}: expected `KEY=value`" == read.value.message


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        pytest.param("A=1\nA=2\n", {"A": "3"}, "A=1\nA=3\n", id="last duplicate"),
        pytest.param("A=1\nB=1\nA=2\n", {"A": None}, "B=1\n", id="every duplicate goes"),
        pytest.param("A=1\nB=2\t# c", {"B": None}, "A=1\n# c", id="comment of what goes"),
        pytest.param("\n\n  A=1\nB=2", {"A": None}, "\n\nB=2", id="blank lines stay"),
        pytest.param("  export  A = 1", {"A": "2"}, "  export  A=2", id="export, no line end"),
        pytest.param("A=1 # c\r\nB=2\n", {"A": "2"}, "# c\r\nA=2\r\nB=2\n", id="CRLF line"),
        pytest.param("A=1\r\nB=2", {"B": "3"}, "A=1\r\nB=3", id="no line end"),
        pytest.param("A=1\r\nB=2 # c", {"B": "3"}, "A=1\r\n# c\r\nB=3", id="comment, no line end"),
        pytest.param("A=   # c\n", {"A": "1"}, "# c\nA=1\n", id="comment for a value"),
        pytest.param("A=x#y\n", {"A": "1"}, "A=1\n", id="hash inside a value"),
        pytest.param("A='x # y'#z\n", {"A": "1"}, "#z\nA=1\n", id="comment behind quotes"),
        pytest.param('A="x # y"\n', {"A": "1"}, "A=1\n", id="hash inside quotes"),
        pytest.param('A="x\ny"\nB=2\n', {"A": "1"}, "A=1\nB=2\n", id="multi-line value"),
        pytest.param("  A=1\t# c\n", {"A": "2"}, "  # c\n  A=2\n", id="indented comment"),
        pytest.param("'A'=1\n", {"A": "2"}, "A=2\n", id="quoted key"),
        pytest.param("A\nB=1\n", {"A": "2"}, "A=2\nB=1\n", id="bare key"),
        pytest.param("#A=1\nB=2\n", {"B": "3"}, "#A=1\nB=3\n", id="commented key"),
        pytest.param("\ufeffA=1\n", {"A": "2"}, "\ufeffA=2\n", id="BOM"),
        pytest.param("A=1\rB=2\r", {"A": "2"}, "A=2\rB=2\r", id="CR only"),
    ],
)
def test_rewrites_in_place(text: str, changes: dict[str, str | None], expected: str) -> None:
    """Only the binding that changes is rewritten; its comment moves above it."""
    assert expected == envfile.edit(text, changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "# added by aava\nLOCAL_STT_X=1\n", id="empty file"),
        pytest.param("\ufeff", "\ufeff# added by aava\nLOCAL_STT_X=1\n", id="BOM only"),
        pytest.param("A=1", "A=1\n\n# added by aava\nLOCAL_STT_X=1\n", id="no relative"),
        pytest.param("# c\r\n", "# c\r\n\r\n# added by aava\r\nLOCAL_STT_X=1\r\n", id="CRLF"),
        pytest.param(
            "LOCAL_STT_A=1\nLOCAL_STT_B=1\n# c\nLOCAL_TTS_A=1\n",
            "LOCAL_STT_A=1\nLOCAL_STT_B=1\nLOCAL_STT_X=1\n# c\nLOCAL_TTS_A=1\n",
            id="last of the nearest",
        ),
        pytest.param("LOCAL_A=1\nB=1", "LOCAL_A=1\nLOCAL_STT_X=1\nB=1", id="one segment"),
        pytest.param("LOCAL=1", "LOCAL=1\nLOCAL_STT_X=1\n", id="relative without line end"),
        pytest.param("LOCALE=1\n", "LOCALE=1\n\n# added by aava\nLOCAL_STT_X=1\n", id="no segment"),
        pytest.param(
            "# added by aava\nZ=1\n\n", "# added by aava\nZ=1\n\nLOCAL_STT_X=1\n", id="one header"
        ),
    ],
)
def test_new_key_goes_to_its_relatives(text: str, expected: str) -> None:
    """A new key follows the key most like it, else it ends the file under one header."""
    assert expected == envfile.edit(text, {"LOCAL_STT_X": "1"})


def test_new_keys_share_one_header() -> None:
    """Several new keys are written in the order given, under a single header."""
    edited = envfile.edit("A=1\n", {"X_A": "1", "Y": "2", "X_B": "3"})
    assert edited == "A=1\n\n# added by aava\nX_A=1\nX_B=3\nY=2\n"


@given(env_texts(), st.dictionaries(KEYS, ACCEPTED, min_size=1, max_size=4))
@settings(max_examples=300)
def test_added_keys_can_be_removed_without_a_trace(text: str, added: dict[str, str]) -> None:
    """Only the line end that the last line may have lacked is left of them, and no header."""
    present = {chunk.key for chunk in envfile._chunks(text.lstrip("\ufeff"), ".env")}
    fresh: dict[str, str | None] = {key: added[key] for key in added.keys() - present}
    gone = envfile.edit(envfile.edit(text, fresh), dict.fromkeys(fresh))
    assert gone.startswith(text)
    assert gone.removeprefix(text) in ("", "\n", "\r\n", "\r")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n# added by aava\nX=1\n# mine\n", "A=1\n# added by aava\n# mine\n"),
        ("A=1\n\n# added by aava\nX=1\nY=1\n", "A=1\n\n# added by aava\nY=1\n"),
        ("# mine\n# added by aava\nX=1\n", "# mine\n"),
        ("# added by aava\nX=1\n", ""),
        ("X=1\n# added by aava\n", "# added by aava\n"),
    ],
)
def test_header_goes_with_the_last_key_under_it(text: str, expected: str) -> None:
    """It stays where something still stands below, and where it stood idle before."""
    assert expected == envfile.edit(text, {"X": None})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=1\nB=2\nA=3\n", "B=2\nA=4\n", id="rewritten"),
        pytest.param("A=4\n A=3 # why\r\nA=4\n", " # why\r\nA=4\n", id="already so"),
        pytest.param("A=1\nA\n", "A=4\n", id="bare key last"),
        pytest.param("B=1\nB=2\n", "B=1\nB=2\n\n# added by aava\nA=4\n", id="others stay"),
    ],
)
def test_tidy_removes_what_a_later_line_overrides(text: str, expected: str) -> None:
    """Of the keys that change, the last binding is left, and every comment."""
    assert expected == envfile.edit(text, {"A": "4"}, tidy=True)


def test_duplicates_are_found_with_their_lines() -> None:
    """Each line that a later one overrides, of the keys that were asked for."""
    text = "\ufeffA=1\n\nexport A='2'\nB=1\nB=2\nA\nA=3\nC=1\n"
    assert (
        envfile.Duplicate("A", 1, "1"),
        envfile.Duplicate("A", 3, "2"),
        envfile.Duplicate("A", 6, None),
    ) == envfile.duplicates(text, ("A", "C"))


def test_only_the_needed_lines_differ() -> None:
    """In a file of several hundred lines a switch changes as many lines as keys."""
    lines = [f"# section {i}\nLOCAL_K{i}=value {i}   # about {i}\n#OLD_{i}=\n" for i in range(220)]
    text = "".join(lines)
    edited = envfile.edit(text, {"LOCAL_K7": "new", "LOCAL_K200": None})
    before, after = Counter(text.splitlines()), Counter(edited.splitlines())
    assert Counter(["LOCAL_K7=value 7   # about 7", "LOCAL_K200=value 200   # about 200"]) == (
        before - after
    )
    assert Counter(["# about 7", "LOCAL_K7=new", "# about 200"]) == after - before


@pytest.mark.parametrize("after", ["A=2\nB=1\n", "A=3\nB=2\n", "A=3\n", "A=3\nB=1\nC=1\n"])
def test_a_wrong_result_is_never_returned(after: str) -> None:
    """The result is read again: a wrong value or another changed binding is an error."""
    before = envfile._chunks("A=1\nB=1\n", ".env")
    with pytest.raises(ConfigError):
        envfile._verify(before, envfile._chunks(after, ".env"), {"A": "3"}, ".env")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("B=1\n", None),
        ("A=1\n", 1),
        ("\ufeff# A=0\r\n\r\nB='\n\n'\r\nexport A=2", 6),
        ("A=1\nB=2\nA=3\n", 3),
        ("A=1\n\n\nA", 4),
    ],
)
def test_line_of_a_key_is_that_of_its_last_binding(text: str, line: int | None) -> None:
    """That is the one that counts."""
    assert line == envfile.line_of(text, "A")
