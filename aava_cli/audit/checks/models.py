"""The monitor after a release: what AAVA's daemon says of its models."""

from __future__ import annotations

import math
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

_MEDIAN, _TAIL = 0.5, 0.95


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
        self._quantiles = Quantiles(self._limits["median_most_ms"], self._limits["p95_most_ms"])
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
        # Decided by counts, which are exact; the quantiles are true to one percent, and on the
        # same side of the limits.
        if self._late.count > answers - math.ceil(_TAIL * answers):
            return failed("one answer in twenty comes too late", self._late, figures)
        if self._slow > answers - math.ceil(_MEDIAN * answers):
            return warned("half of the answers are slow", None, figures)
        return passed("answers come in time", figures)
