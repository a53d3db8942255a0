"""A catalog changed in place: what was meant changes, and no other byte."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.catalog import Archive, Model, RemoteFile, parse_catalog
from aava_cli.download.cataloguing.catalog_edit import (
    FileFacts,
    append_model,
    model_table,
    record_facts,
)
from aava_cli.download.cataloguing.toml_spans import entries
from aava_cli.errors import ConfigError, NotPossible

CATALOG = (Path(__file__).parents[2] / "catalog.toml").read_text(encoding="utf-8")
TEXT = """\
# mine
[models.a]   # first
backend = 'kroko'
path = "kroko/a.onnx"
files = [
  { sources = ['https://h.example/a'] }, # the model }
  { path = 'kroko/b.onnx', sources = [ "hf:o/r/b" , 'https://h.example/b' ], size = 12 },
]

[ models . "B_2" ]
backend = 'kroko'
path = 'kroko/c.onnx'
[[models.B_2.files]]
sources = ['https://h.example/c'] # here
[[models."B_2".files]]
path = 'kroko/d.onnx'
sources = ['https://h.example/d']"""
SHA256 = "a" * 64


def edit(*facts: FileFacts, text: str = TEXT) -> str:
    """Return *text* with *facts* recorded."""
    return record_facts(text, facts, name="c.toml")


def test_nothing_to_record_changes_nothing() -> None:
    """Without a fact, or with facts that are there, the text is the same."""
    known = FileFacts("a", 1, 12, None, ("hf:o/r/b", "https://h.example/b"))
    assert TEXT == edit() == edit(known) == edit(FileFacts("a", 0))


def test_fields_are_added_to_an_inline_table() -> None:
    """They stand behind the last field; comments and spaces stay."""
    expected = "{ sources = ['https://h.example/a'], size = 1_234, sha256 = '" + SHA256 + "' }, #"
    edited = edit(FileFacts("A", 0, 1234, SHA256))
    assert edited == TEXT.replace("{ sources = ['https://h.example/a'] }, #", expected)


def test_values_are_replaced_where_they_stand() -> None:
    """Of the sources only the one that changed is written anew."""
    edited = edit(FileFacts("a", 1, 13, None, ("hf:o/r@c/b", "https://h.example/b")))
    assert edited == TEXT.replace('"hf:o/r/b"', "'hf:o/r@c/b'").replace("size = 12", "size = 13")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fields_are_added_to_a_table_of_its_own(newline: str) -> None:
    """They get lines of their own, that end as the others do."""
    text = TEXT.replace("\n", newline)
    edited = edit(FileFacts("b-2", 0, 1), FileFacts("b-2", 1, 2), text=text)
    first, last = "/c'] # here", "/d']"
    expected = text.replace(first, f"{first}{newline}size = 1").removesuffix(last)
    assert edited.removesuffix("size = 2").rstrip("\r\n") == expected + last


def test_quotes_in_a_source() -> None:
    """What no literal string can hold is written as a basic one."""
    edited = edit(FileFacts("a", 0, sources=("https://h.example/it's",)))
    assert '"https://h.example/it\'s"' in edited


@pytest.mark.parametrize(("model", "index"), [("none", 0), ("a", 2)])
def test_file_that_is_not_there(model: str, index: int) -> None:
    """A fact of something else is a mistake of the caller's file."""
    with pytest.raises(NotPossible, match="has no file"):
        edit(FileFacts(model, index, 1))


def test_text_that_is_no_catalog() -> None:
    """What does not parse, or would be no catalog, is refused."""
    with pytest.raises(ConfigError, match=r"c\.toml:1"):
        edit(text="x =")
    with pytest.raises(ConfigError, match="sha256"):
        edit(FileFacts("a", 0, sha256="short"))


def test_every_file_of_the_shipped_catalog() -> None:
    """Each line that changes is a line of files, and all the facts are there."""
    models = parse_catalog(CATALOG, name="c").models.values()
    facts = [
        FileFacts(each.id, index, 1 + index, SHA256)
        for each in models
        for index in range(len(each.files))
    ]
    edited = record_facts(CATALOG, facts, name="c")
    changed = [
        (old, new)
        for old, new in zip(CATALOG.splitlines(), edited.splitlines(), strict=True)
        if old != new
    ]
    assert all("sources = " in old and "sources = " in new for old, new in changed)
    again = parse_catalog(edited, name="c").models.values()
    assert {SHA256} == {file.sha256 for each in again for file in each.files}


def test_table_of_every_shipped_model_is_read_back() -> None:
    """What an entry is written as is the entry, for everything that the catalog says."""
    for model in parse_catalog(CATALOG, name="c").models.values():
        text = append_model("", model, name="x")
        assert model == parse_catalog(text, name="x").models[model.id]


MODEL = Model(
    id="new",
    name='It\'s "new"',
    role="stt",
    backend="vosk",
    path=PurePosixPath("stt/v"),
    files=(
        RemoteFile(
            PurePosixPath("stt/v"),
            ("https://h.example/v.zip",),
            archive=Archive("zip", PurePosixPath("v")),
        ),
    ),
)


@pytest.mark.parametrize("text", ["", "# only\n", TEXT, TEXT + "\n", TEXT.replace("\n", "\r\n")])
def test_model_is_added_at_the_end(text: str) -> None:
    """What was there stays, byte for byte, and the model is read back."""
    added = append_model(text, MODEL, name="c")
    assert added.startswith(text)
    assert MODEL == parse_catalog(added, name="c").models["new"]
    assert ("\r\n" in text) == ("\r\n" in added)


def test_model_that_cannot_be_added() -> None:
    """Models in one inline table are left as they are."""
    with pytest.raises(NotPossible, match="cannot be edited"):
        append_model("models = { a = { backend = 'cloud', role = 'llm' } }\n", MODEL, name="c")
    bad = replace(MODEL, path=PurePosixPath("stt"))
    with pytest.raises(ConfigError, match="must name something in a folder"):
        append_model("", bad, name="c")


def test_files_in_an_inline_table_of_models_can_be_edited() -> None:
    """Facts find their place in any way of writing."""
    text = "models = { a = { backend = 'kroko', files = [ { path='k/a', sources=['file:/a'] } ] } }"
    assert (
        7
        == parse_catalog(edit(FileFacts("a", 0, 7), text=text), name="c")
        .models["a"]
        .files[0]
        .size_bytes
    )


def test_table_without_any_own_value_cannot_be_edited() -> None:
    """Dotted keys spread a table; where there is no end to add to, nothing is written."""
    text = "[models.a]\nbackend='kroko'\n[[models.a.files]]\npath='k/a'\nsources=['file:/a']\n"
    assert "size = 7" in edit(FileFacts("a", 0, 7), text=text)


def walk(value: object, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], object]:
    """Return every value of a parsed document by its path."""
    found: dict[tuple[str | int, ...], object] = {}
    if isinstance(value, dict):
        pairs: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        return {path: value}
    for key, inner in pairs:
        found |= walk(inner, (*path, key))
    return found


WORDS = st.text("ab .#\"'\\=[]{},\n\té", max_size=6)
SCALARS = st.integers() | st.booleans() | WORDS | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_spans_of_any_document(document: dict[str, object]) -> None:
    """Every scalar of a document is found at its path, and its span is its value."""
    import tomli_w

    text = tomli_w.dumps(document)
    found = {each.path: text[each.start : each.end] for each in entries(text)}
    for path, value in walk(tomllib.loads(text)).items():
        assert value == tomllib.loads(f"v = {found[path]}")["v"]


@pytest.mark.parametrize(
    "text",
    [
        "a = '''\n'x' # no\n'''\nb = \"\"\"x\\\"\"\"\"\"\nc = 1979-05-27 07:32:00 # when\n",
        'a . "b c" . d = [ # one\n 1, # two\n 2,\n]\n[x]\n[[x.y]]\nz = 1\n[x.y.q]\nw = {}\n',
    ],
)
def test_spans_of_what_people_write(text: str) -> None:
    """Forms that no writer makes are found as well."""
    found = {each.path: text[each.start : each.end] for each in entries(text) if not each.is_header}
    for path, value in walk(tomllib.loads(text)).items():
        assert value == tomllib.loads(f"v = {found[path]}")["v"]


def test_model_without_files_or_sizes() -> None:
    """What is not known is not written."""
    model = Model("m", "m", "llm", "cloud", approx_bytes=3_000_000)
    assert {"name": "m", "role": "llm", "backend": "cloud", "approx_mb": 3} == model_table(model)
