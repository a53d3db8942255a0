"""Options of the selected models: `stt.language=de`, each checked before anything is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.backends import Selection
from aava_cli.errors import UsageError, with_nearest
from aava_cli.roles import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.backends import Values

_EXAMPLE = "give it as `--set llm.context=4096`"


def parse_options(texts: Iterable[str]) -> dict[Role, dict[str, str]]:
    """Return the values that *texts* such as `stt.language=de` give, by role and option.

    Raises:
        UsageError: a text has another form, or names an option twice.
    """
    found: dict[Role, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        prefix, dot, option = name.partition(".")
        role = next((each for each in ROLES if each == prefix.lower()), None)
        if not (equals and dot and option):
            raise UsageError(f"`{text}` is no `ROLE.OPTION=VALUE`", hint=_EXAMPLE)
        if role is None:
            message = with_nearest(f"no role named `{prefix}`", prefix, ROLES)
            raise UsageError(message, hint=_EXAMPLE)
        if option in found.setdefault(role, {}):
            raise UsageError(f"`{name}` is given twice", hint="give it once")
        found[role][option] = value
    return found


def with_options(selection: Selection, options: Values) -> Selection:
    """Return *selection* with *options* besides what it says, each in range.

    Raises:
        NotFound: the backend has no such option; the nearest are named.
        UsageError: a value is out of range, means nothing here, or is missing.
    """
    backend = selection.backend
    wished = {
        setting.option: setting.parse(value)
        for setting, value in ((backend.setting(name), value) for name, value in options.items())
    }
    chosen = Selection(backend, {**selection.values, **wished})
    for option in wished:
        if option not in chosen.values:
            _refuse_idle(chosen, option)
    if chosen.model and (lacking := chosen.lacks()):
        option = lacking[0].option
        message = f"`{backend.name}` needs `{option}` as well: {lacking[0].accepts}"
        raise UsageError(message, hint=f"add `--set {backend.role}.{option}=...`")
    return chosen


def _refuse_idle(selection: Selection, option: str) -> None:
    condition = selection.backend.setting(option).when or ("", "")
    needed = "=".join(condition)
    hint = f"add `--set {selection.backend.role}.{needed}`, or leave it out"
    raise UsageError(f"`{option}` means nothing unless `{needed}`", hint=hint)
