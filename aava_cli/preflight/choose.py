"""Which checks are wanted: groups and names, with and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import UsageError, with_nearest
from aava_cli.preflight.checks import all_checks
from aava_cli.preflight.findings import GROUPS, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def choose_checks(only: Iterable[str], skip: Iterable[str]) -> tuple[str, ...]:
    """Return the checks that *only* names (all, if it names none), without those of *skip*.

    A word is a group or a check, or several behind each other with commas.

    Raises:
        UsageError: nothing has that name, or nothing is left; the nearest names are given.
    """
    wanted, unwanted = _named(only), _named(skip)
    chosen = tuple(
        each for each in all_checks() if (not wanted or each in wanted) and each not in unwanted
    )
    if not chosen:
        raise UsageError("no check is left to be made", hint="run `aava preflight --help`")
    return chosen


def _named(words: Iterable[str]) -> frozenset[str]:
    names = (name.strip() for word in words for name in word.split(","))
    return frozenset(check for name in names if name for check in _checks_of(name))


def _checks_of(name: str) -> tuple[str, ...]:
    # A check may be called like its group: then the group is meant, which has it.
    if name in GROUPS:
        return tuple(each for each in all_checks() if group_of(each) == name)
    if name in all_checks():
        return (name,)
    known = dict.fromkeys((*GROUPS, *all_checks()))
    message = with_nearest(f"no check and no group named `{name}`", name, known)
    raise UsageError(message, hint=f"groups are {', '.join(GROUPS)}; `aava preflight` has the rest")
