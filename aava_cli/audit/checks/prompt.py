"""E: the prompt is upgraded after the greeting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Sightings
from aava_cli.audit.verdicts import failed, manual, not_triggered, passed

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict


@check("E1", "the prompt is upgraded after the greeting", needs=("logger",))
class PromptUpgrade:
    """A call that begins with a short prompt gets the whole one."""

    __slots__ = ("_failed", "_longest_ms", "_upgrades")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._upgrades = 0
        self._longest_ms = 0.0
        self._failed = Sightings()

    def on_prompt_upgraded(self, event: Event, here: Here) -> None:
        """Count upgrades."""
        del here
        self._upgrades += 1
        self._longest_ms = max(self._longest_ms, event.number("upgrade_duration_ms") or 0.0)

    def on_prompt_failed(self, event: Event, here: Here) -> None:
        """Note one that failed."""
        del event
        self._failed.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether it worked."""
        del known
        if self._failed.count:
            return failed("the prompt was not upgraded", self._failed, {"upgrades": self._upgrades})
        if self._upgrades:
            return passed("upgraded", {"upgrades": self._upgrades, "longest_ms": self._longest_ms})
        return not_triggered("the greeting had the whole prompt")


@check("E2", "the upgrade changes nothing else", needs=())
class PromptContent:
    """The prompts are not in the log; a person has to look."""

    __slots__ = ()

    def __init__(self, limits: Limits) -> None:
        del limits

    def verdict(self, known: Known) -> Verdict:
        """Return that a person has to look."""
        del known
        return manual("the prompts are not logged: compare them in the code")
