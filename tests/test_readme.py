"""README, `--help` and hints say only what is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli import errors
from aava_cli.app import build_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Aava

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def commands() -> set[str]:
    """Return every command: `switch`, `models pull`."""
    app = build_app()
    own = {each.callback.__name__ for each in app.registered_commands if each.callback}
    for group in app.registered_groups:
        own.add(f"{group.name}")
        assert group.typer_instance is not None
        for each in group.typer_instance.registered_commands:
            assert each.callback is not None
            name = each.name or each.callback.__name__
            own.add(f"{group.name} {name}")
    return own


def mentioned(text: str) -> Iterator[list[str]]:
    """Yield the words of every `aava ...` command that *text* mentions."""
    for line in re.findall(r"(?:^|[`$ ])\s*aava ([a-z][^`\n#&|]*)", text, re.MULTILINE):
        yield shlex.split(line.replace("'", ""))


def unknown(text: str) -> list[str]:
    """Return the commands that *text* mentions and that do not exist."""
    known = commands()
    return [
        " ".join(words)
        for words in mentioned(text)
        if " ".join(words[:2] if words[0] == "models" else words[:1]) not in known
    ]


def test_a_command_that_does_not_exist_is_found_out() -> None:
    """The check can fail."""
    assert ["frobnicate --all"] == unknown("run `aava frobnicate --all` to see")


@pytest.mark.parametrize("name", ["README.md", "docs/demo.sh", "docs/design.md", "docs/serve.md"])
def test_documents_name_only_commands_that_exist(name: str) -> None:
    """Every `aava ...` of a document is a command."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert [] == unknown("\n".join(line for line in text.splitlines() if "aava" in line))


def test_hints_name_only_commands_that_exist() -> None:
    """Every `aava ...` between backquotes in the program is a command."""
    sources = (REPOSITORY / "aava_cli").rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    quoted = "\n".join(f"`{each}`" for each in re.findall(r"`(aava [a-z][^`]*)`", text))
    assert [] == unknown(quoted)


def test_readme_shows_the_help_as_it_is(aava: Aava) -> None:
    """The block under `$ aava --help` is what the program prints."""
    block = re.search(r"```\n\$ aava --help\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert aava("--help").stdout.strip() == block[1].strip()


def test_readme_lists_every_exit_code() -> None:
    """The table has the code of every error class, and no other but 0 and 9."""
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = {each.exit_code for each in classes if issubclass(each, errors.AavaError)}
    assert codes | {0, errors.EXIT_CHECK_FAILED} == rows


def test_readme_is_short() -> None:
    """A reader over SSH gets through it."""
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("command", sorted(commands()))
def test_help_begins_with_examples_a_line_each(aava: Aava, command: str) -> None:
    """Every command shows how it is called, and no control character in words."""
    shown = aava(*command.split(), "--help").stdout
    assert "\\b" not in shown
    assert f"\n    aava {command}" in shown
