"""What is wrong, worst first, each with the next command; from the parts of a report alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.flows.doctor.scene import Part

Severity: TypeAlias = Literal["fail", "warn"]

_ORDER: tuple[Severity, ...] = ("fail", "warn")
_PREFLIGHT, _STATUS = "preflight.json", "status.json"


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is not as it should be, and what to do about it."""

    severity: Severity
    what: str
    next: str


def find_wrong(parts: Iterable[Part], jobs: Iterable[Mapping[str, Any]]) -> tuple[Wrong, ...]:
    """Return what *parts* and the reports of *jobs*, the oldest first, say is wrong."""
    by_name = {part.name: part for part in parts}
    found = (
        *_of_status(by_name[_STATUS]),
        *_of_preflight(by_name[_PREFLIGHT]),
        *_of_jobs(jobs),
    )
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.severity)))


def _of_status(part: Part) -> Iterator[Wrong]:
    if part.content is None:
        hint = part.error.hint if part.error else "run `aava status`"
        yield Wrong("fail", part.problem or "the status is not known", hint)
        return
    if part.error is not None:
        yield Wrong("fail", part.error.message, part.error.hint)
    status: Mapping[str, Any] = part.content
    if status.get("degraded"):
        yield Wrong("warn", "the daemon says that it is degraded", "run `aava status --json`")
    if status.get("drift"):
        hints = ", ".join(map(str, status.get("hints") or ())) or "run `aava status`"
        yield Wrong("warn", "what runs is not what is selected", hints)


def _of_preflight(part: Part) -> Iterator[Wrong]:
    if part.content is None:
        yield Wrong("warn", f"no preflight: {part.problem}", "run `aava preflight`")
        return
    # Whatever the list of checks is called, each has a status.
    lists = (each for each in part.content.values() if isinstance(each, list))
    for check in (each for found in lists for each in found if isinstance(each, dict)):
        severity = check.get("status")
        if severity in _ORDER:
            said = check.get("message") or check.get("evidence") or ""
            fix = check.get("remediation") or check.get("fix") or "run `aava preflight`"
            yield Wrong(severity, f"{check.get('name')}: {said}", _words(fix))


def _words(fix: object) -> str:
    match fix:
        case list():
            return "; ".join(map(_words, fix))
        case dict():
            return "; ".join(map(_words, fix.values()))
    return str(fix)


def _of_jobs(jobs: Iterable[Mapping[str, Any]]) -> Iterator[Wrong]:
    # One that went well after another of its kind has made up for it.
    newest = {str(each["id"]).rpartition("-")[0]: each for each in jobs}
    for job in newest.values():
        if job["state"] in ("failed", "lost"):
            what = f"`{job['command']}` in the background: {job['state']}"
            yield Wrong("warn", what, f"run `aava jobs logs {job['id']}`")
