"""C1, C2, G: fast answers and short words are taken, and the AI does not repeat itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.checks.wording import PUNCTUATION, bare, spoken
from aava_cli.audit.places import Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable, warned

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

_ALONE = 1
_TWICE = 2


@check("C1", "a fast answer is no echo", needs=("logger",))
class FastAnswer:
    """What a caller says right behind the AI is taken."""

    __slots__ = ("_dropped", "_taken")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._taken = 0
        self._dropped = Sightings()

    def on_echo_bypass(self, event: Event, here: Here) -> None:
        """Count a fast answer that was taken."""
        del event, here
        self._taken += 1

    def on_stt_drop(self, event: Event, here: Here) -> None:
        """Note one that was taken for an echo."""
        if event.text("reason") == "echo_window":
            self._dropped.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether one was lost; without the operator's word it may have been an echo."""
        figures = {"taken": self._taken, "dropped": self._dropped.count}
        if self._dropped.count:
            if known.scenario == "edge":
                return failed("a fast answer was taken for an echo", self._dropped, figures)
            reason = "dropped as an echo, which it may have been"
            return warned(reason, self._dropped, figures)
        if self._taken:
            return passed("fast answers were taken", figures)
        return not_triggered("nobody answered fast")


@check("C2", "short words are taken", needs=("logger",))
class ShortWords:
    """A word of the list is never dropped; as an echo it may be, because it may be one."""

    __slots__ = ("_dropped", "_echoes", "_taken", "_whitelist")

    def __init__(self, limits: Limits) -> None:
        self._whitelist = limits.words.get("whitelist", frozenset())
        self._taken = 0
        self._dropped, self._echoes = Sightings(), Sightings()

    def on_short_accepted(self, event: Event, here: Here) -> None:
        """Count a short phrase that was taken."""
        del event, here
        self._taken += 1

    def on_stt_drop(self, event: Event, here: Here) -> None:
        """Note a word of the list that was dropped."""
        if bare(event.text("text")) in self._whitelist:
            is_echo = event.text("reason") == "echo_window"
            (self._echoes if is_echo else self._dropped).add(here)

    on_filler_drop = on_stt_drop

    def verdict(self, known: Known) -> Verdict:
        """Return whether a word of the list was lost."""
        figures = {
            "taken": self._taken,
            "dropped": self._dropped.count,
            "echoes": self._echoes.count,
        }
        if self._dropped.count:
            return failed("a word that means something was dropped", self._dropped, figures)
        if self._echoes.count:
            if known.scenario == "edge":
                return failed("a short answer was taken for an echo", self._echoes, figures)
            return warned("dropped as an echo, which it may have been", self._echoes, figures)
        if self._taken:
            return passed("short words were taken", figures)
        return not_triggered("nobody said a short word")


@check("G", "the AI does not repeat itself", needs=("prints",))
class Repetition:
    """The AI never says the same thing three times in a row."""

    __slots__ = ("_last", "_longest", "_repeats", "_row", "_said", "_seen", "_warned")

    def __init__(self, limits: Limits) -> None:
        self._repeats = limits.numbers["repeats"]
        self._last = ""
        self._row = self._longest = self._said = self._warned = 0
        self._seen = Sightings()

    def on_ai_said(self, event: Event, here: Here) -> None:
        """Compare with what was said before."""
        said = " ".join(spoken(event.text("text")).strip(PUNCTUATION).split())
        self._said += 1
        if not said:
            return
        self._row = self._row + 1 if said == self._last else _ALONE
        self._last = said
        if self._row > self._longest:  # noqa: PLR1730 - as in `sound.py`
            self._longest = self._row
        if self._row >= self._repeats:
            self._seen.add(here)

    def on_duplicate_question(self, event: Event, here: Here) -> None:
        """Count the pipeline's own warnings."""
        del event, here
        self._warned += 1

    def verdict(self, known: Known) -> Verdict:
        """Return how often the AI said the same in a row."""
        del known
        figures = {"sentences": self._said, "row": self._longest, "warnings": self._warned}
        if self._seen.count:
            reason = f"said {self._longest} times in a row"
            return failed(reason, self._seen, figures, by_absence=True)
        if not self._said:
            return undecidable("nothing that the AI said is in the log", figures)
        if self._longest == _TWICE and not self._warned:
            return warned("said twice in a row", None, figures, by_absence=True)
        return passed("nothing was repeated for long", figures)
