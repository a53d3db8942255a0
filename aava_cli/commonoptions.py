"""The options of every command, wherever they stand on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.output import Form

_FLAGS = ("--json", "--events", "--quiet")
_VALUES = {"--project": "project", "--models-dir": "models_dir", "--daemon": "daemon"}
COMMON_OPTIONS = (*_FLAGS, *_VALUES)


class CommonOptions:
    """The options of every command, taken out of a command line."""

    def __init__(self) -> None:
        self.form: Form = "text"
        self.quiet = False
        self.flags: dict[str, str | None] = {}
        self.rest: list[str] = []


def take_common_options(argv: Sequence[str]) -> CommonOptions:
    """Take the options of every command out of *argv*, wherever they stand before `--`.

    Raises:
        UsageError: an option that needs a value has none.
    """
    common = CommonOptions()
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            common.rest += [word, *words]
        elif word in _FLAGS:
            _apply_flag(common, word)
        elif name in _VALUES:
            common.flags[_VALUES[name]] = _require(name, value if equals else next(words, ""))
        else:
            common.rest.append(word)
    return common


def _apply_flag(common: CommonOptions, word: str) -> None:
    match word:
        case "--json":
            common.form = "json"
        case "--events":
            common.form = "events"
        case _:
            common.quiet = True


def _require(name: str, value: str) -> str:
    # An empty value is a shell variable that was not set: the default would be another project.
    if not value:
        raise UsageError(f"`{name}` needs a value", hint="run `aava --help`")
    return value
