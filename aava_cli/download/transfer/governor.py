"""How many connections a download is worth: more while more bring more, fewer when told so."""

from __future__ import annotations

from dataclasses import dataclass

_WINDOW_S = 0.25
_PROBE_S = 10.0
_WORTHWHILE = 1.15
_FIRST_GROWTH = 8
# Who hashes nearly all the time is the limit: there is little that more connections could bring.
_BUSY = 0.6
# Who answers later than this is not next door, and one connection waits most of its time.
FAR_S = 0.008


@dataclass(slots=True)
class Governor:
    """Decides on a *target*, at most *most*; a server that is overloaded lowers *most*."""

    most: int
    target: int = 1
    _best_bytes_per_s: float = 0.0
    _before: int = 1
    _window_s: float | None = None
    _window_bytes: int = 0
    _window_idle_s: float = 0.0
    _probe_s: float = 0.0

    def is_far(self) -> None:
        """Take note that round trips take time: several connections do not wait in turn."""
        self.target = max(self.target, min(self.most, _FIRST_GROWTH))

    def refuse(self, working: int) -> None:
        """Take note that the server wants fewer connections than it has; *working* are left."""
        self.most = self.target = self._before = max(1, min(working, self.target // 2))

    def observe(self, now: float, done_bytes: int, idle_s: float, *, all_at_work: bool) -> None:
        """Judge by what has come until *now* whether more connections are worth it.

        *idle_s* is for how long, in all, there was nothing to hash.
        """
        if self._window_s is None or not all_at_work:
            self._begin(now, done_bytes, idle_s)
            return
        took_s = now - self._window_s
        if took_s < _WINDOW_S or now < self._probe_s:
            return
        rate = (done_bytes - self._window_bytes) / took_s
        is_hash_bound = idle_s - self._window_idle_s < (1 - _BUSY) * took_s
        self._begin(now, done_bytes, idle_s)
        if is_hash_bound:
            # What comes faster than it is hashed only costs memory and processors.
            self.target = self._before = max(1, self.target // 2)
        elif rate > self._best_bytes_per_s * _WORTHWHILE:
            self._best_bytes_per_s, self._before = rate, self.target
            self.target = min(self.most, self.target * 2)
        else:
            # What the last ones brought is not worth their load on the server.
            self.target = self._before
            self._best_bytes_per_s = rate
            self._probe_s = now + _PROBE_S

    def _begin(self, now: float, done_bytes: int, idle_s: float) -> None:
        self._window_s, self._window_bytes, self._window_idle_s = now, done_bytes, idle_s
