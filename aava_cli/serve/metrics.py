"""Figures for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from aava_cli import __version__
from aava_cli.roles import ROLES
from aava_cli.serve.state import memory_of
from aava_cli.serve.tally import BOUNDS_S, Times

if TYPE_CHECKING:
    from collections import Counter

    from aava_cli.serve.protocol import Daemon

CONTENT_TYPE = "text/plain; version=0.0.4"

Labels: TypeAlias = Mapping[str, str]
Sample: TypeAlias = tuple[str, Labels, float]


@dataclass(frozen=True, slots=True)
class Family:
    """A figure: its name, what it is, and its samples, each with the end of its name."""

    name: str
    kind: str
    about: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} {self.kind}"
        for end, labels, value in self.samples:
            named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield (
                f"{self.name}{end}{{{named}}} {value:.12g}"
                if named
                else f"{self.name}{end} {value:.12g}"
            )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def metrics_of(daemon: Daemon, inside: int, answered: Counter[tuple[str, int]]) -> str:
    """Return all figures of *daemon*.

    *inside* requests over HTTP keep models busy now; *answered* counts answers by path and status.
    """
    http = _gauge("http_requests", "Requests over HTTP that models work on.", {}, inside)
    families = (*_daemon(daemon), *_models(daemon), http, _answers(answered))
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _daemon(daemon: Daemon) -> Iterator[Family]:
    shared = daemon.shared
    yield _gauge("build_info", "Always 1.", {"version": __version__}, 1)
    uptime_s = monotonic() - daemon.started_at_s
    yield _gauge("uptime_seconds", "Since the daemon began.", {}, uptime_s)
    yield _gauge("calls", "Connections that carry a call.", {}, shared.calls)
    yield _gauge("connections", "WebSocket connections.", {}, len(daemon.sessions))
    yield _gauge("waiting_sound_bytes", "Sound that waits for a model.", {}, shared.waiting_bytes)
    yield _gauge("tasks", "What is going on in the event loop.", {}, len(asyncio.all_tasks()))
    yield _gauge("threads", "Threads of the daemon.", {}, threading.active_count())
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone, and it is asked often
    yield _gauge("open_files", "Files, pipes and sockets of the daemon.", {}, files)
    # Readers that leave `_total` out would take `aava_calls_total` for `aava_calls`.
    yield Family("aava_calls_begun_total", "counter", "Calls.", (("", {}, shared.calls_ever),))
    yield Family(
        "aava_refused_total", "counter", "What was not taken on.", (("", {}, shared.refused),)
    )


def _gauge(name: str, about: str, labels: Labels, value: float) -> Family:
    return Family(f"aava_{name}", "gauge", about, (("", labels, value),))


def _models(daemon: Daemon) -> Iterator[Family]:
    slots = {role: daemon.models.slots[role] for role in ROLES}
    loaded = tuple(("", {"role": role}, float(slot.loaded)) for role, slot in slots.items())
    yield Family("aava_model_loaded", "gauge", "Whether a model answers.", loaded)
    loading = tuple(("", {"role": role}, float(slot.loading)) for role, slot in slots.items())
    yield Family("aava_model_loading", "gauge", "Whether a model is on its way.", loading)
    for name, about, tallies in (
        ("request", "Answers of a model", {role: slot.requests for role, slot in slots.items()}),
        ("load", "Loads of a model", {role: slot.loads for role, slot in slots.items()}),
    ):
        failed = tuple(("", {"role": role}, tally.failed) for role, tally in tallies.items())
        yield Family(f"aava_{name}_errors_total", "counter", f"{about} that failed.", failed)
        times = (_histogram({"role": role}, tally.times) for role, tally in tallies.items())
        samples = tuple(sample for each in times for sample in each)
        yield Family(f"aava_{name}_seconds", "histogram", f"{about}, in seconds.", samples)
    memory = tuple(
        ("", {"process": name.removesuffix("_bytes")}, float(count))
        for name, count in memory_of(daemon.models).items()
    )
    yield Family("aava_resident_memory_bytes", "gauge", "Memory of each process.", memory)


def _histogram(labels: Labels, times: Times) -> Iterator[Sample]:
    *below, count = times.cumulative
    for bound, value in zip(BOUNDS_S, below, strict=True):
        yield "_bucket", {**labels, "le": f"{bound:g}"}, value
    yield "_bucket", {**labels, "le": "+Inf"}, count
    yield "_sum", labels, times.total_s
    yield "_count", labels, count


def _answers(answered: Counter[tuple[str, int]]) -> Family:
    samples = tuple(
        ("", {"path": path, "code": str(code)}, float(count))
        for (path, code), count in sorted(answered.items())
    )
    return Family("aava_http_responses_total", "counter", "Answers over HTTP.", samples)
