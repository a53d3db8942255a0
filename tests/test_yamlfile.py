"""YAML text: what it says, how two files merge, and edits that touch nothing else."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC
from typing import TypeAlias

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli import yamlfile, yamltext
from aava_cli.errors import ConfigError

Tree: TypeAlias = "dict[str, Tree | str | None]"
Changes: TypeAlias = "dict[tuple[str, ...], yamlfile.Scalar | None]"

KEYS = st.sampled_from(("a", "b", "local", "stt_model", "yes", "null", "ключ", "two words", "1"))
AWKWARD = st.text(
    st.sampled_from("ab:# '\"\\{}[],&*!|>%@`-?~\n\t\r\x85\u2028\ufeffé😀"), max_size=8
)
VALUES = (
    st.sampled_from(("true", "no", "~", "null", "1", "1e5", "0x1f", "2024-01-01", "", "a: b", "y"))
    | st.sampled_from(
        ("/app/models/x", "ws://127.0.0.1:8765", "${VAR:-x}", "Hello there", "=", "<<")
    )
    | AWKWARD
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(KEYS, st.text("xyz é", max_size=4) | st.none(), max_size=4),
    lambda deeper: st.dictionaries(KEYS, deeper | st.text("xyz", max_size=3), max_size=4),
    max_leaves=12,
)


class Renderer:
    """Writes a tree as a person might: a new style for every entry, and comments."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.step = data.draw(st.integers(1, 5))
        self.newline = self.pick("\n", "\r\n")
        self.anchors = 0

    def pick(self, *options: str) -> str:
        """Draw one of *options*."""
        return self.data.draw(st.sampled_from(options))

    def document(self, tree: Tree) -> str:
        """Write the whole file, in one kind of line end, perhaps without the last."""
        head = self.pick("", "# été: x\n", "---\n", "\n# c\n\n", "\ufeff")
        text = head + self.block(tree, 0) + self.pick("", "# tail: 1\n", "\n\n")
        text = text.removesuffix(self.pick("", "", "\n"))
        return text.replace("\n", self.newline)

    def block(self, tree: Tree, depth: int) -> str:
        """Write the entries of a mapping at their depth."""
        return "".join(self.entry(key, value, depth) for key, value in tree.items())

    def entry(self, key: str, value: Tree | str | None, depth: int) -> str:
        """Write one entry with the comments around it."""
        pad = " " * self.step * depth
        above = self.pick("", "", f"{pad}# about ☎ {{it}}\n", "\n")
        head = f"{above}{pad}{self.quoted(key)}:"
        note = self.pick("", "  # note: [x", " # 'n")
        if isinstance(value, dict) and value and self.data.draw(st.booleans()):
            self.anchors += 1
            anchor = self.pick("", f" &anchor{self.anchors}")
            return f"{head}{anchor}{note}\n{self.block(value, depth + 1)}"
        if isinstance(value, str) and value and value == value.strip():
            inner = pad + " " * self.step
            folded = f" {self.pick('|-', '>-')}{note}\n{inner}{value}"
            return f"{head}{self.pick(self.flow(value) + note, folded)}\n"
        return f"{head}{self.flow(value)}{note}\n"

    def flow(self, value: Tree | str | None) -> str:
        """Write a value on the line of its key."""
        if value is None:
            return self.pick("", " ~", " null")
        if isinstance(value, str):
            return " " + self.quoted(value)
        items = [f"{self.quoted(key)}:{self.flow(below) or ' ~'}" for key, below in value.items()]
        return " {" + self.pick("", " ") + ", ".join(items) + self.pick("", " ") + "}"

    def quoted(self, value: str) -> str:
        """Write a scalar plain where that is safe, or in either kind of quotes."""
        return self.pick(yamltext.scalar(value), f"'{value}'", f'"{value}"')


def model(tree: object, path: tuple[str, ...], value: str | None) -> object:
    """Set or remove a path in plain data: what an edit must amount to."""
    below = dict(tree) if isinstance(tree, dict) else {}
    key, *rest = path
    if rest and (value is not None or isinstance(below.get(key), dict)):
        below[key] = model(below.get(key), tuple(rest), value)
    elif not rest and value is not None:
        below[key] = value
    elif not rest:
        below.pop(key, None)
    return below


def possible(tree: object, path: tuple[str, ...]) -> bool:
    """Say whether a value can be set at *path*: parents are mappings, the place holds none."""
    for key in path:
        if tree is None:
            return True
        if not isinstance(tree, dict):
            return False
        tree = tree.get(key)
    return not isinstance(tree, dict) or not tree


def changed_lines(before: str, after: str) -> tuple[int, int]:
    """Count the lines between the common beginning and the common end, before and after."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return len(old), len(new)


@given(TREES, st.data())
@settings(max_examples=200, deadline=None)
def test_rendered_trees_load(tree: Tree, data: st.DataObject) -> None:
    """Every style reads back as the tree that it was written from."""
    assert tree == yamlfile.load(Renderer(data).document(tree), name="x.yaml")


@given(TREES, st.lists(KEYS, min_size=1, max_size=4).map(tuple), VALUES, st.data())
@settings(max_examples=500, deadline=None)
def test_set_reads_back(tree: Tree, path: tuple[str, ...], value: str, data: st.DataObject) -> None:
    """Setting any string at any possible path gives exactly that, once and for all."""
    text = Renderer(data).document(tree)
    if not possible(tree, path):
        with pytest.raises(ConfigError):
            yamlfile.edit(text, {path: value}, name="x.yaml")
        return
    edited = yamlfile.edit(text, {path: value}, name="x.yaml")
    assert model(tree, path, value) == yamlfile.load(edited, name="x.yaml")
    assert edited == yamlfile.edit(edited, {path: value}, name="x.yaml")
    assert yaml.safe_load(edited) == yamlfile.load(edited, name="x.yaml")
    removed, added = changed_lines(text, edited)
    assert removed <= 2
    assert added <= len(path) + 1


@given(TREES, st.data())
@settings(max_examples=400, deadline=None)
def test_remove_reads_back(tree: Tree, data: st.DataObject) -> None:
    """Removing any key removes only that; a mapping left empty stays a mapping."""
    text = Renderer(data).document(tree)
    path: tuple[str, ...] = ()
    below: object = tree
    while isinstance(below, dict) and below and (not path or data.draw(st.booleans())):
        path = (*path, data.draw(st.sampled_from(sorted(below))))
        below = below[path[-1]]
    path = path or ("absent",)
    edited = yamlfile.edit(text, {path: None}, name="x.yaml")
    assert model(tree, path, None) == yamlfile.load(edited, name="x.yaml")


SYNTAX = (": ", "- ", ", ", " # ", "? ", "\n  ", "---\n", "...\n", "|\n", ">+\n", "\r\n", "<<: *x")
ENTRIES = ("a: ", "\nb: ", "\n  a: ", "\n  b:", "a: &x ", "\nb: *x", "!!str ", "\n  <<: *x", "&x ")
SOUP = st.lists(
    st.sampled_from((*"ab1~é:#'|{}[]\"\n\t\x85\ufeff", *SYNTAX, *ENTRIES)), max_size=14
).map("".join)


@given(
    SOUP, st.sampled_from((("a",), ("b", "a"), ("a", "b", "c"))), st.sampled_from(("v", "", None))
)
@settings(max_examples=1000, deadline=None)
def test_any_text_is_edited_right_or_refused(
    text: str, path: tuple[str, ...], value: str | None
) -> None:
    """Whatever the file holds: the right result, or an error that says so."""
    try:
        before = yamlfile.load(text, name="x.yaml")
        edited = yamlfile.edit(text, {path: value}, name="x.yaml")
    except ConfigError:
        return
    assert model(before, path, value) == yamlfile.load(edited, name="x.yaml")


@given(TREES, st.data())
@settings(max_examples=100, deadline=None)
def test_equal_values_change_nothing(tree: Tree, data: st.DataObject) -> None:
    """Setting what is there and removing what is not returns the same text."""
    text = Renderer(data).document(tree)
    same: Changes = {(key,): value for key, value in tree.items() if isinstance(value, str)}
    same[("absent", "too")] = None
    assert text == yamlfile.edit(text, same, name="x.yaml")


SCALARS = (
    st.integers()
    | st.booleans()
    | st.floats()
    | st.just(yamlfile.NULL)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC))
)


@given(SCALARS, st.sampled_from(("k: old\n", "{k: old}\n", "o:\n  k: old # c\n", "k: {}", "")))
@settings(max_examples=300)
def test_other_scalars_read_back(value: yamlfile.Scalar, text: str) -> None:
    """A number, a truth, a date and a null are what they were, and no string."""
    path = ("o", "k") if text.startswith("o") else ("k",)
    edited = yamlfile.edit(text, {path: value}, name="x.yaml")
    found: object = yamlfile.load(edited, name="x.yaml")
    for key in path:
        assert isinstance(found, dict)
        found = found[key]
    assert yamlfile._same(None if value is yamlfile.NULL else value, found)
    assert edited == yamlfile.edit(edited, {path: value}, name="x.yaml")


@given(VALUES, st.sampled_from(("k: old\n", "{k: old}\n", "o:\n  k: old # c\n")))
def test_scalars_read_back_in_both_parsers(value: str, text: str) -> None:
    """A value survives the C parser and the Python one, in block and in flow."""
    path = ("o", "k") if text.startswith("o") else ("k",)
    edited = yamlfile.edit(text, {path: value}, name="x.yaml")
    for found in (yaml.safe_load(edited), yamlfile.load(edited, name="x.yaml")):
        assert (value if len(path) == 1 else {"k": value}) == found[path[0]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("faster_whisper", "faster_whisper"),
        ("/app/models/stt/x.onnx", "/app/models/stt/x.onnx"),
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765"),
        ("two words", "two words"),
        ("yes", "'yes'"),
        ("n", "'n'"),
        ("null", "'null'"),
        ("8765", "'8765'"),
        ("1e5", "'1e5'"),
        ("", "''"),
        ("it's", "'it''s'"),
        ("${VAR:-x}", "'${VAR:-x}'"),
        ("a: b", "'a: b'"),
        ("a # b", "'a # b'"),
        (" padded ", "' padded '"),
        ("été", "'été'"),
        ("two\nlines\t", '"two\\nlines\\t"'),
    ],
)
def test_scalar_spelling(value: str, expected: str) -> None:
    """A value is plain where every reader takes it for a string, else it is in quotes."""
    assert expected == yamltext.scalar(value)


PATH = ("providers", "local", "stt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "providers:\n  local:\n    stt: new\n", id="empty"),
        pytest.param("# c", "# c\nproviders:\n  local:\n    stt: new\n", id="comment only"),
        pytest.param(
            "\ufeff# c\r\n", "\ufeff# c\r\nproviders:\r\n  local:\r\n    stt: new\r\n", id="BOM"
        ),
        pytest.param("---\n", "---\nproviders:\n  local:\n    stt: new\n", id="null document"),
        pytest.param("{}\n", "providers:\n  local:\n    stt: new\n", id="empty flow"),
        pytest.param("--- {}\n", "--- {providers: {local: {stt: new}}}\n", id="flow behind dashes"),
        pytest.param(
            "{ # c\n}\n", "{providers: {local: {stt: new}} # c\n}\n", id="comment in flow"
        ),
        pytest.param(
            "a: 1\n...\n", "a: 1\nproviders:\n  local:\n    stt: new\n...\n", id="document end"
        ),
        pytest.param(
            "x:\n     y: 1",
            "x:\n     y: 1\nproviders:\n     local:\n          stt: new\n",
            id="indentation from siblings, no final newline",
        ),
        pytest.param(
            "providers: # why\n# c\nz: 1\n",
            "providers: # why\n  local:\n    stt: new\n# c\nz: 1\n",
            id="key without value",
        ),
        pytest.param(
            "providers:\n    local: ~  # c\n",
            "providers:\n    local:  # c\n        stt: new\n",
            id="null",
        ),
        pytest.param(
            "providers:\n  local: &a {}\n",
            "providers:\n  local: &a\n    stt: new\n",
            id="anchored {}",
        ),
        pytest.param(
            "providers: {local: }\n", "providers: {local: {stt: new}}\n", id="null in flow"
        ),
        pytest.param(
            "providers: {local: {stt: , b}}\n",
            "providers: {local: {stt: new, b}}\n",
            id="empty value in flow",
        ),
        pytest.param(
            "providers: {local: {stt}}\n",
            "providers: {local: {stt: new}}\n",
            id="key alone in flow",
        ),
        pytest.param(
            "providers: {local: {a: }}\n",
            "providers: {local: {a: , stt: new}}\n",
            id="behind an empty value in flow",
        ),
        pytest.param(
            "providers: {local: {a: 1, }}\n",
            "providers: {local: {a: 1, stt: new }}\n",
            id="behind a comma",
        ),
        pytest.param(
            "providers:\n  local:\n    stt: |  # c\n      a\n\n      b\n\n\n    z: 1\n",
            "providers:\n  local:\n    stt: new  # c\n\n\n    z: 1\n",
            id="block scalar",
        ),
        pytest.param(
            "providers:\n  local:\n    stt: >+\n      a",
            "providers:\n  local:\n    stt: new",
            id="block scalar at the end",
        ),
        pytest.param(
            "providers:\n  local:\n    stt: ${A:-x\n      y} # c\n",
            "providers:\n  local:\n    stt: new # c\n",
            id="plain over two lines",
        ),
        pytest.param(
            "providers:\n  local:\n    stt: &x !!str 5 # c\n",
            "providers:\n  local:\n    stt: &x new # c\n",
            id="anchor kept, tag dropped",
        ),
        pytest.param(
            "providers:\n  local:\n    a: |\n      x\n\n# next\nz: 1\n",
            "providers:\n  local:\n    a: |\n      x\n    stt: new\n\n# next\nz: 1\n",
            id="behind a block scalar",
        ),
        pytest.param(
            "providers:\n  local:\n    a: |+\n      x\n\nz: 1\n",
            "providers:\n  local:\n    a: |+\n      x\n\n    stt: new\nz: 1\n",
            id="behind a block scalar that keeps its empty lines",
        ),
        pytest.param(
            "providers:\n  local:\n    a: |\n      x",
            "providers:\n  local:\n    stt: new\n    a: |\n      x",
            id="before a block scalar without a line end",
        ),
        pytest.param(
            "providers:\n  local:\n  - &i x\n  - *i\nz: 1\n", None, id="a list is no mapping"
        ),
        pytest.param("providers: text\n", None, id="text is no mapping"),
        pytest.param("providers:\n  local:\n    stt: {a: 1}\n", None, id="a mapping is no value"),
        pytest.param("providers:\n  local:\n    stt: []\n", None, id="a list is no value"),
    ],
)
def test_set_in_place(text: str, expected: str | None) -> None:
    """Only the bytes that the value needs differ; what is no place for it is refused."""
    if expected is None:
        with pytest.raises(ConfigError):
            yamlfile.edit(text, {PATH: "new"}, name="x.yaml")
    else:
        assert expected == yamlfile.edit(text, {PATH: "new"}, name="x.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "providers:\n  local:\n    stt: x # c\n", "providers:\n  local: {}\n", id="last"
        ),
        pytest.param(
            "providers:\n  local: &a # why\n    # pre\n    stt: |\n      a\n\nb: 1",
            "providers:\n  local: &a {} # why\n    # pre\n\nb: 1",
            id="last, with comments",
        ),
        pytest.param(
            "providers:\n  local:\n    # x\n    stt:\n    - a\n    - b: c # d\n    # y\n    c: 1",
            "providers:\n  local:\n    # x\n    # y\n    c: 1",
            id="a whole list",
        ),
        pytest.param(
            "providers:\n  local:\n    a: &q 1\n    stt: *q\n",
            "providers:\n  local:\n    a: &q 1\n",
            id="an alias",
        ),
        pytest.param("providers: {local: {stt: x}}\n", "providers: {local: {}}\n", id="flow"),
        pytest.param(
            "providers: {local: {stt: x, b: 1}}\n", "providers: {local: {b: 1}}\n", id="flow, first"
        ),
        pytest.param(
            "providers: {local: {a: 1, stt: x}}\n", "providers: {local: {a: 1}}\n", id="flow, last"
        ),
        pytest.param(
            "providers: {local: {\n  a: 1,\n  stt: x,\n  b: 2\n}}\n",
            "providers: {local: {\n  a: 1,\n  b: 2\n}}\n",
            id="flow over lines",
        ),
        pytest.param(
            "providers: {local: {\n  a: 1, # c\n  stt: x\n}}\n",
            "providers: {local: {\n  a: 1, # c\n}}\n",
            id="flow with a comment",
        ),
    ],
)
def test_remove_in_place(text: str, expected: str) -> None:
    """The entry goes with its inline comment; a mapping left empty becomes `{}`, not null."""
    assert expected == yamlfile.edit(text, {PATH: None}, name="x.yaml")


def test_removing_the_last_key_deletes_nothing_below() -> None:
    """After the removal of its only key an overlay changes nothing, where null would delete."""
    base = {"providers": {"local": {"stt": "base", "tts": "base"}}}
    overlay = yamlfile.edit("providers:\n  local:\n    stt: x\n", {PATH: None}, name="x.yaml")
    assert base == yamlfile.merge(base, yamlfile.load(overlay, name="x.yaml"))


def test_removing_the_only_key_leaves_the_comments() -> None:
    """A file may end up without any key; its comments stay."""
    assert yamlfile.edit("# c\na: 1 # d\n", {("a",): None}, name="x.yaml") == "# c\n"


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("base: &b\n  stt: x\nproviders:\n  local: *b\n", PATH, 4),
        ("providers:\n  local: &b {stt: x}\n  other: *b\n", PATH, 2),
        ("a: &b x\nproviders:\n  local:\n    stt: *b\n", PATH, 4),
        ("providers:\n  local:\n    <<: {stt: q}\n", (*PATH[:2], "tts", "x"), None),
        (
            "b: &b {x: {y: 1, z: 2}}\nproviders:\n  local:\n    <<: *b\n",
            (*PATH[:2], "x", "y"),
            None,
        ),
    ],
)
def test_aliases_are_not_edited_through(text: str, path: tuple[str, ...], line: int | None) -> None:
    """What an alias shares would change elsewhere too: refused, with the line."""
    if path[-2] == "tts":
        assert "tts:\n" in yamlfile.edit(text, {path: "new"}, name="x.yaml")
        return
    with pytest.raises(ConfigError) as caught:
        yamlfile.edit(text, {path: "new"}, name="x.yaml")
    if line:
        where = f"x.yaml:{line}: expected a value of its own, found one that an alias shares at"
        assert caught.value.message.startswith(where)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<<: {a: 1}\n", ("a",)),
        ("a: {<<: {b: 1}}\n", ("a", "b")),
        ("a: &x 1\nb: *x\n", ("a",)),
        ("a:\n  b: |\n    x\n  c: 1\n    # deep\n  d: 1\n", ("a", "c")),
    ],
)
def test_removals_that_would_change_more_are_refused(text: str, path: tuple[str, ...]) -> None:
    """A key from `<<`, an anchor in use, a comment that would become text: all stay."""
    with pytest.raises(ConfigError):
        yamlfile.edit(text, {path: None}, name="x.yaml")


def test_an_alias_elsewhere_is_no_obstacle() -> None:
    """Aliases beside the path stay as they are."""
    text = "a: &x {b: 1}\nc: [*x, {d: *x}]\ne:\n  f: old\n"
    assert text.replace("old", "new") == yamlfile.edit(text, {("e", "f"): "new"}, name="x.yaml")


def test_nan_and_sets_survive() -> None:
    """Values that do not equal themselves are still the same values."""
    text = "a: .nan\nb: !!set {x, y}\nc: 1\n"
    assert text.replace("1", "new") == yamlfile.edit(text, {("c",): "new"}, name="x.yaml")


@pytest.mark.parametrize("found", ["a: 1.0", "a: true", "a: [1]", "a: 1\nb: 1", ": 1", "a: ["])
def test_a_wrong_result_is_never_returned(found: str) -> None:
    """The result is loaded again: any other type, key or value is an error."""
    with pytest.raises(ConfigError):
        yamlfile._verify(found, {"a": 1}, {("a",): "x"}, "x.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: expected `a` once, found it again"),
        ("é: [{b: 1,\n 'b': 2}]\n", "2: expected `b` once, found it again"),
        ("# c\n- 1\n", "2: expected a mapping at the top"),
        ("text", "1: expected a mapping at the top"),
        ("a: 1\n2: x\n", "2: expected a string as the key"),
        ("a:\n  b: &b [*b]\n", "2: expected no alias to a value around it"),
        ("é: é\r\nb: \x07\r\n", "2: expected printable characters"),
        ("a: \udc80", "1: expected printable characters"),
        ("a: 1\nb: !!int secret\n", "2: expected a value that its tag can hold"),
        ("a: 2024-99-99\n", "1: expected a value that its tag can hold"),
        (
            "a: 1\nb: [\n",
            "3: expected YAML; while parsing a flow node: did not find expected node content",
        ),
        ("a: b: c\n", "1: expected YAML; mapping values are not allowed in this context"),
        (
            "a: 1\n---\nb: 1\n",
            (
                "2: expected YAML; expected a single document in the stream: "
                "but found another document"
            ),
        ),
        ("a: !x 1\n", "1: expected YAML; could not determine a constructor for the tag '!x'"),
        ("? [a]: 1\n: 2\n", "1: expected a string as the key"),
        ("a: {[b]: 1}\n", "1: expected YAML; while constructing a mapping: found unhashable key"),
    ],
)
def test_broken_files_name_the_line(text: str, message: str) -> None:
    """The error says where and what was expected, and quotes no value."""
    with pytest.raises(ConfigError) as loaded:
        yamlfile.load(text, name="x.yaml")
    with pytest.raises(ConfigError):
        yamlfile.edit(text, {("a",): "1"}, name="x.yaml")
    assert f"x.yaml:{message}" == loaded.value.message


@pytest.mark.parametrize("text", ["", "# c\n", "---\n", "~", "{}", "\ufeff", "---\n...\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    """Nothing, comments only and an explicit null all hold no keys."""
    assert yamlfile.load(text, name="x.yaml") == {}


def test_merge_is_the_engines() -> None:
    """Mappings merge, lists and scalars replace, null deletes, and the inputs stay."""
    base = {"a": {"x": 1, "y": {"z": 1}}, "b": [1, 2], "c": 1, "d": {"e": 1}}
    overlay = {"a": {"y": {"w": 2}}, "b": [3], "c": None, "d": "text", "f": {"g": None}, "h": None}
    expected = {
        "a": {"x": 1, "y": {"z": 1, "w": 2}},
        "b": [3],
        "d": "text",
        "f": {"g": None},
    }
    assert expected == yamlfile.merge(base, overlay)
    assert "c" in base


def realistic() -> str:
    """Return about a thousand lines with all that such a file holds."""
    provider = """\
  provider_{i}:            # Anbieter № {i} ☎
    type: full
    enabled: ${{ENABLED_{i}:-true}}
    stt_model: /app/models/stt/model-{i}
    greeting: >
      Hello, this is ${{NAME_{i}:-the
      assistant}}: {{"json": [1, 2]}}
    tools: [transfer, "hang up", {{name: x}}]
    instructions: |
      # not a comment
      key: value

    # tuning
    options: {{rate: 8000, codec: 'ulaw'}}
    active: null
"""
    body = "".join(provider.format(i=i) for i in range(64))
    head = "# The engine's settings — do not reorder\nconfig_version: 6\nproviders:\n"
    return f"{head}{body}contexts: {{}}\n"


def test_a_thousand_lines_change_by_exactly_what_is_needed() -> None:
    """Several edits in a long file: one line each, and nothing else moves."""
    text = realistic()
    changes: Changes = {
        ("providers", "provider_7", "stt_model"): "/app/models/stt/ключ",
        ("providers", "provider_20", "options", "codec"): "alaw",
        ("providers", "provider_30", "voice"): "af_heart",
        ("providers", "provider_40", "type"): None,
        ("providers", "provider_50", "greeting"): "Hi",
        ("contexts", "default"): "x",
    }
    edited = yamlfile.edit(text, changes, name="x.yaml")
    old, new = text.splitlines(), edited.splitlines()
    expected = list(old)

    def at(i: int, content: str) -> int:
        start = next(n for n, line in enumerate(expected) if f"provider_{i}:" in line)
        return next(n for n in range(start, len(expected)) if content in expected[n])

    expected[at(7, "stt_model")] = "    stt_model: '/app/models/stt/ключ'"
    expected[at(20, "codec")] = "    options: {rate: 8000, codec: alaw}"
    expected.insert(at(30, "active") + 1, "    voice: af_heart")
    del expected[at(40, "type")]
    greeting = at(50, "greeting")
    expected[greeting : greeting + 3] = ["    greeting: Hi"]
    expected[-1:] = ["contexts:", "  default: x"]
    assert expected == new
    assert len(old) > 900


@pytest.mark.parametrize(
    "text",
    ["é: 'ü😀' # ☎\r\nk: |+ # c\r\n  tèxt\r\n\r\nz:\r\n  - &y 5\r\n  - *y\r\n", "{ключ: , b}"],
)
def test_marks_count_characters_in_both_parsers(text: str) -> None:
    """The C parser's marks are indices into the text, as the Python parser's are."""
    marks = [
        [
            (type(token).__name__, token.start_mark.index, token.end_mark.index)
            for token in yaml.scan(text, Loader=loader)
        ]
        for loader in (yamltext.loader(), yaml.SafeLoader)
    ]
    assert marks[0] == marks[1]
    assert yamltext.loader() is not yaml.SafeLoader


def test_the_python_parser_will_do() -> None:
    """Without the C parser, the same edit gives the same text."""
    program = (
        "import sys, yaml; del yaml.CSafeLoader;"
        "from aava_cli import yamlfile;"
        "text = sys.stdin.buffer.read().decode();"
        "edited = yamlfile.edit(text, {('é', 'k'): 'new', ('z',): None}, name='x');"
        "sys.stdout.buffer.write(edited.encode())"
    )
    text = "é: # ☎\r\n  k: >-\r\n    öld\r\nz: 1\r\n"
    done = subprocess.run(
        [sys.executable, "-c", program], input=text.encode(), capture_output=True, check=True
    )
    assert "é: # ☎\r\n  k: new\r\n".encode() == done.stdout
