"""The monitor after a release: what AAVA's engine and daemon say of their models and calls."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Sightings
from aava_cli.audit.quantiles import Quantiles
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable, warned

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
_MEDIAN, _TAIL = 0.5, 0.95


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


@check("loads", "models load", needs=("daemon",), subject="run")
class Loads:
    """Every model that was to be loaded was."""

    __slots__ = ("_failed", "_loaded")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._loaded = 0
        self._failed = Sightings()

    def on_load_done(self, event: Event, here: Here) -> None:
        """Count a model that is there."""
        del event, here
        self._loaded += 1

    on_load_done_llm = on_load_recovered = on_load_done

    def on_load_failed(self, event: Event, here: Here) -> None:
        """Note one that is not."""
        del event
        self._failed.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether a model did not load."""
        del known
        figures = {"loaded": self._loaded, "failed": self._failed.count}
        if self._failed.count:
            return failed("a model did not load", self._failed, figures)
        if self._loaded:
            return passed("every model loaded", figures)
        return undecidable("no load is in the log", figures)


@check("switches", "switches of models work", needs=("daemon",), subject="run")
class Switches:
    """No request to switch fails. That the new model is the right one, `aava status` says."""

    __slots__ = ("_failed", "_requests")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._requests = 0
        self._failed = Sightings()

    def on_switch_request(self, event: Event, here: Here) -> None:
        """Count requests."""
        del event, here
        self._requests += 1

    on_reload_request = on_switch_request

    def on_switch_failed(self, event: Event, here: Here) -> None:
        """Note one that failed."""
        del event
        self._failed.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether a request failed."""
        del known
        figures = {"requests": self._requests, "failed": self._failed.count}
        if self._failed.count:
            return failed("a switch failed", self._failed, figures)
        if self._requests:
            return passed("every switch was carried out", figures)
        return not_triggered("nothing was switched", figures)


@check("devices", "models run where they should", needs=("daemon",), subject="run")
class Devices:
    """No model that should run on the GPU runs on the processor."""

    __slots__ = ("_fallbacks", "_loaded")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._loaded = 0
        self._fallbacks = Sightings()

    def on_cuda_failed(self, event: Event, here: Here) -> None:
        """Note a GPU that could not be used."""
        del event
        self._fallbacks.add(here)

    def on_load_done(self, event: Event, here: Here) -> None:
        """Count models, which say nothing where all is well."""
        del event, here
        self._loaded += 1

    on_load_done_llm = on_load_done

    def verdict(self, known: Known) -> Verdict:
        """Return whether a model fell back to the processor."""
        del known
        figures = {"fallbacks": self._fallbacks.count, "loaded": self._loaded}
        if self._fallbacks.count:
            return warned("a model fell back to the processor", self._fallbacks, figures)
        if self._loaded:
            return passed("no model fell back to the processor", figures)
        return undecidable("no load is in the log", figures)


@check("latency", "the language model answers in time", needs=("daemon",), subject="run")
class Latency:
    """Half of the answers come in two seconds, and 95 of 100 before the engine gives up."""

    __slots__ = ("_late", "_limits", "_quantiles", "_slow", "_timeouts")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits.numbers
        self._quantiles = Quantiles()
        self._slow = 0
        self._late, self._timeouts = Sightings(), Sightings()

    def on_llm_result(self, event: Event, here: Here) -> None:
        """Count one answer by how long it took."""
        milliseconds = float(event.fields["ms"])
        self._quantiles.add(milliseconds)
        self._slow += milliseconds > self._limits["median_most_ms"]
        if milliseconds > self._limits["p95_most_ms"]:
            self._late.add(here)

    def on_llm_timeout(self, event: Event, here: Here) -> None:
        """Note an answer that nobody waited for."""
        del event
        self._timeouts.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether the median and the 95th percentile are within their limits."""
        del known
        answers = self._quantiles.count
        figures = {
            "answers": answers,
            "p50_ms": self._quantiles.at(_MEDIAN),
            "p95_ms": self._quantiles.at(_TAIL),
            "timeouts": self._timeouts.count,
        }
        if self._timeouts.count:
            return failed("an answer did not come in time", self._timeouts, figures)
        if answers < self._limits["answers_least"]:
            return undecidable("too few answers to tell", figures)
        # Decided by counts, which are exact; the quantiles are true to one percent.
        if self._late.count > answers - math.ceil(_TAIL * answers):
            return failed("one answer in twenty comes too late", self._late, figures)
        if self._slow > answers - math.ceil(_MEDIAN * answers):
            return warned("half of the answers are slow", None, figures)
        return passed("answers come in time", figures)
