"""What is to be audited: sources in their order, the marker pack, and what the caller did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.audit.rotation import NO_AGE, Age, part_of, plain_name
from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

Kind: TypeAlias = Literal["file", "stdin", "docker", "journal"]

SCENARIOS = ("normal", "appointment", "edge")
AUTO = "auto"
CONTEXT_LINES = 40


@dataclass(frozen=True, slots=True)
class Source:
    """Where lines come from; sources of one *group* are one log that was rotated, by *age*."""

    kind: Kind
    name: str
    group: str
    age: Age = NO_AGE

    @property
    def word(self) -> str:
        """How it is named in a command."""
        return f"{self.kind}:{self.name}" if self.kind in ("docker", "journal") else self.name

    def look(self) -> str:
        """Return what shows whether anything is logged there."""
        match self.kind:
            case "docker":
                return f"run `docker logs {self.name}`; see `docs/audit.md` for what makes it print"
            case "journal":
                return f"run `systemctl status {self.name}` to see whether there is such a unit"
            case _:
                return "run `aava audit docker:NAME` to read a container's own log"


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
    words = tuple(words)
    named = frozenset(map(plain_name, words))
    sources = [_source(word, named) for word in words]
    if not sources:
        raise UsageError("no log is named", hint="run `aava audit LOG`, or `-` for standard input")
    _require_once(sources)
    first = {source.group: index for index, source in reversed(list(enumerate(sources)))}
    return tuple(sorted(sources, key=lambda each: (first[each.group], each.age)))


def _require_once(sources: Iterable[Source]) -> None:
    seen: dict[tuple[str, str], Source] = {}
    for source in sources:
        # A log and the packed copy of it have the same lines.
        part = plain_name(source.name) if source.kind == "file" else source.name
        other = seen.setdefault((source.kind, part), source)
        if other is not source:
            message = f"`{other.name}` and `{source.name}` are one part of a log"
            raise UsageError(message, hint="name it once")


def _source(word: str, named: Container[str]) -> Source:
    if word == "-":
        return Source("stdin", "-", "-")
    kind, colon, name = word.partition(":")
    if colon and kind in ("docker", "journal"):
        if not name or name.startswith("-"):
            raise UsageError(f"`{word}` names nothing", hint=f"give it as `{kind}:NAME`")
        return Source("docker" if kind == "docker" else "journal", name, word)
    if not word:
        raise UsageError("an empty word names no log", hint="run `aava audit LOG`")
    return Source("file", word, *part_of(word, named))


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
