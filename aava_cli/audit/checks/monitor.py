"""The monitor after a release: what AAVA's engine and daemon say of each call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, warned

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

_PUNCTUATION = re.compile(r"[^\w\s]")
# What the daemon prints of a sentence that is to be spoken.
_PREVIEW_LETTERS = 50
# A word or two is said by both without an echo.
_LEAST_LETTERS = 12


@check("hangups", "the model hangs up only when asked", needs=("daemon",))
class Hangups:
    """The model's wish to hang up is not held back, because it comes when the caller's does."""

    __slots__ = ("_blocked",)

    def __init__(self, limits: Limits) -> None:
        del limits
        self._blocked = Sightings()

    def on_hangup_blocked(self, event: Event, here: Here) -> None:
        """Note a wish that was held back."""
        del event
        self._blocked.add(here)

    on_hangup_dropped = on_hangup_blocked

    def verdict(self, known: Known) -> Verdict:
        """Return how often the model wanted to hang up on a caller."""
        del known
        if self._blocked.count:
            reason = "the model wanted to hang up on the caller"
            return warned(reason, self._blocked, {"blocked": self._blocked.count})
        return passed("no call of `hangup_call` was held back", {"blocked": 0})


@check("tools", "the model calls tools that exist, and they work", needs=("engine",))
class ToolCalls:
    """No tool call is dropped, and none fails."""

    __slots__ = ("_answers", "_dropped", "_failed")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._answers = 0
        self._dropped, self._failed = Sightings(), Sightings()

    def on_tool_gateway(self, event: Event, here: Here) -> None:
        """Count the answers that were looked through for tools."""
        del event, here
        self._answers += 1

    def on_tools_dropped(self, event: Event, here: Here) -> None:
        """Note a tool that the model made up, or that nobody asked for."""
        del event
        self._dropped.add(here)

    on_transfer_dropped = on_tools_dropped

    def on_tool_failed(self, event: Event, here: Here) -> None:
        """Note a tool that failed."""
        del event
        self._failed.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return how many tool calls came to nothing."""
        del known
        figures = {
            "answers": self._answers,
            "dropped": self._dropped.count,
            "failed": self._failed.count,
        }
        if self._failed.count:
            return failed("a tool failed", self._failed, figures)
        if self._dropped.count:
            return warned("tool calls were dropped", self._dropped, figures)
        if self._answers:
            return passed("no tool call was dropped", figures)
        return not_triggered("no answer was looked through for tools", figures)


@check("echo", "the agent does not talk with itself", needs=("daemon",))
class Echo:
    """What the caller is heard to say is not what the agent said just before."""

    __slots__ = ("_echoes", "_heard", "_limit", "_longest", "_row", "_said", "_seen", "_skipped")

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.numbers["echoes"]
        self._heard = self._echoes = self._row = self._longest = self._skipped = 0
        self._said = ""
        self._seen = Sightings()

    def on_tts_request(self, event: Event, here: Here) -> None:
        """Remember what is spoken."""
        del here
        self._said = _plain(event.text("text"))

    def on_stt_final(self, event: Event, here: Here) -> None:
        """Compare what was heard with it."""
        self._heard += 1
        heard = _plain(event.text("text"))[: len(self._said) or None]
        if len(heard) >= _LEAST_LETTERS and self._said.startswith(heard):
            self._echoes += 1
            self._row += 1
            self._longest = max(self._longest, self._row)
            self._seen.add(here)
        else:
            self._row = 0

    def on_llm_skipped(self, event: Event, here: Here) -> None:
        """Count what the daemon itself found to be said twice."""
        del event, here
        self._skipped += 1

    def verdict(self, known: Known) -> Verdict:
        """Return whether the agent heard itself, and how often in a row."""
        del known
        figures = {
            "heard": self._heard,
            "echoes": self._echoes,
            "row": self._longest,
            "skipped": self._skipped,
        }
        if self._longest >= self._limit:
            return failed("the agent talked with itself", self._seen, figures)
        if self._echoes or self._skipped:
            return warned("the agent may have heard itself", self._seen, figures)
        if self._heard:
            return passed("no echo was heard", figures)
        return not_triggered("nothing was heard", figures)


def _plain(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", text.lower()).split())[:_PREVIEW_LETTERS]
