"""D4: appointments are made at the right time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict


@check("D4", "appointments are in the zone's own time", needs=("logger",))
class TimeZone:
    """The offset of every time is that of its zone on that day."""

    __slots__ = ("_times", "_unknown", "_wrong")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._times = 0
        self._unknown = 0
        self._wrong = Sightings()

    def on_timezone(self, event: Event, here: Here) -> None:
        """Compare one time with the time zone database."""
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        self._times += 1
        try:
            time = datetime.fromisoformat(event.text("time"))
            zone = ZoneInfo(event.text("zone"))
            # In the hour that clocks go through twice, both offsets are the zone's.
            offsets = {time.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
        except (ValueError, OSError, OverflowError, ZoneInfoNotFoundError):
            self._unknown += 1
            return
        if time.utcoffset() is None:
            self._unknown += 1
        elif time.utcoffset() not in offsets:
            self._wrong.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether an offset is wrong."""
        del known
        if self._wrong.count:
            return failed("the offset is not the zone's on that day", self._wrong)
        if self._unknown:
            reason = "no such zone in this host's database, or no time with an offset"
            return undecidable(reason, {"times": self._times, "unknown": self._unknown})
        if self._times:
            return passed("every offset is the zone's", {"times": self._times})
        return not_triggered("no time was converted")
