"""What is to be audited: sources in their order, the marker pack, and what the caller did."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from posixpath import normpath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind: TypeAlias = Literal["file", "stdin", "docker", "journal"]

SCENARIOS = ("normal", "appointment", "edge")
AUTO = "auto"
CONTEXT_LINES = 40
_PACKED = (".gz", ".zst")
# logrotate's numbers and dates, the latter also in front of an extension; Python's dates.
_DAY = r"(?:19|20)\d\d(?P<dash>-?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01])"
_ROTATED = re.compile(
    r"(?P<base>.+?)(?:\.(?P<number>\d{1,3})"
    rf"|[.-](?P<date>{_DAY}(?:[-_T]\d[\d:_-]*)?)(?P<extension>\.[A-Za-z]{{1,8}})?)"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where lines come from; sources of one *group* are one log that was rotated."""

    kind: Kind
    name: str
    group: str


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What is read and how it is judged."""

    sources: tuple[Source, ...]
    profile: str = AUTO
    scenarios: Mapping[str, str] = field(default_factory=dict)
    gate: bool = False
    strict: bool = False
    redact: bool = True
    follow: bool = False
    timeline: str | None = None
    context_lines: int = CONTEXT_LINES


def plan_audit(logs: Iterable[str], scenarios: Iterable[str], **options: Any) -> AuditPlan:  # noqa: ANN401 - fields of AuditPlan
    """Return the plan of an audit of *logs*.

    Raises:
        UsageError: what is asked for cannot be done together.
    """
    plan = AuditPlan(plan_sources(logs), scenarios=plan_scenarios(scenarios), **options)
    if plan.follow and len(plan.sources) > 1:
        raise UsageError("only one log can be followed", hint="run one `aava audit` for each")
    return plan


def plan_sources(words: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources that *words* name, rotated sets in the order of their lines.

    Raises:
        UsageError: none is named, or one is named twice.
    """
    sources = [_source(word) for word in words]
    if not sources:
        raise UsageError("no log is named", hint="run `aava audit LOG`, or `-` for standard input")
    _require_once(sources)
    first = {source.group: index for index, source in reversed(list(enumerate(sources)))}
    return tuple(sorted(sources, key=lambda each: (first[each.group], _age(each))))


def _require_once(sources: Iterable[Source]) -> None:
    seen: dict[tuple[str, str, str], Source] = {}
    for source in sources:
        part = _rotation(source.name)[1] if source.kind == "file" else source.name
        # A log and the packed copy of it have the same lines.
        other = seen.setdefault((source.kind, source.group, part), source)
        if other is not source:
            message = f"`{other.name}` and `{source.name}` are one part of a log"
            raise UsageError(message, hint="name it once")


def _source(word: str) -> Source:
    if word == "-":
        return Source("stdin", "-", "-")
    kind, colon, name = word.partition(":")
    if colon and kind in ("docker", "journal"):
        if not name or name.startswith("-"):
            raise UsageError(f"`{word}` names nothing", hint=f"give it as `{kind}:NAME`")
        return Source("docker" if kind == "docker" else "journal", name, word)
    return Source("file", word, _rotation(word)[0])


def _rotation(name: str) -> tuple[str, str]:
    """Return the log that *name* was rotated from, and by which number or date."""
    name = normpath(name)
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    found = _ROTATED.fullmatch(name)
    if found is None:
        return name, ""
    date = re.sub(r"\D", "", found["date"] or "")
    return found["base"] + (found["extension"] or ""), found["number"] or date


def _age(source: Source) -> tuple[int, int, str]:
    """Return what sorts the oldest part of a log first: dates grow, numbers shrink, then none."""
    number = _rotation(source.name)[1] if source.kind == "file" else ""
    if not number:
        return (2, 0, "")
    return (1, -int(number), "") if len(number) < len("YYYY") else (0, 0, number)


def plan_scenarios(words: Iterable[str]) -> dict[str, str]:
    """Return what *words* such as `CA12=edge` say of calls, by the beginning of their names.

    Raises:
        UsageError: a word has another form.
    """
    found = {}
    for word in words:
        call, equals, scenario = word.partition("=")
        if not (call and equals and scenario in SCENARIOS):
            known = ", ".join(f"`{each}`" for each in SCENARIOS)
            raise UsageError(f"`{word}` is no `CALL=SCENARIO`", hint=f"scenarios are {known}")
        found[call] = scenario
    return found
