"""Find out what the wanted checks need, and judge each as soon as its facts are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.preflight.checks import judge_all, needs_of
from aava_cli.preflight.checks.gpu_use import decide_gpu
from aava_cli.preflight.facts import Facts
from aava_cli.preflight.findings import facts_read_by, group_of
from aava_cli.preflight.probe import learn, probes_of

if TYPE_CHECKING:
    from aava_cli.events import Item
    from aava_cli.preflight.facts import Learned
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class Wanted:
    """The checks to make; *deep* may start containers, and *write* changes `.env`."""

    names: tuple[str, ...]
    deep: bool = False
    write: bool = True
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out, and what the checks make of it."""

    facts: Facts
    learned: tuple[Learned, ...]
    items: tuple[Item, ...]


def look(session: Session, wanted: Wanted, *, also: frozenset[str] = frozenset()) -> Seen:
    """Find out what the checks need, *also* other facts, and tell what each check finds."""
    needs = {name: needs_of(name) for name in wanted.names}
    probes = probes_of(session, deep=wanted.deep)
    asked = also.union(*needs.values(), _needs_of_note(wanted))
    facts, known, learned = Facts(), set[str](), []
    items: dict[str, Item] = {}
    for each in learn({name: probes[name] for name in probes if name in asked}):
        facts = replace(facts, **{each.name: each.value})
        known.add(each.name)
        learned.append(each)
        ready = [name for name in needs if name not in items and needs[name] <= known]
        for item in judge_all(facts, ready):
            items[item.name] = item
            session.output.emit(item)
    return Seen(facts, tuple(learned), tuple(items[name] for name in wanted.names))


def _needs_of_note(wanted: Wanted) -> frozenset[str]:
    if not is_about_gpus(wanted):
        return frozenset()
    return facts_read_by(decide_gpu) | {"env_file"}


def is_about_gpus(wanted: Wanted) -> bool:
    """Return whether anybody wants to know of GPUs."""
    return any(group_of(name) == "gpu" for name in wanted.names)
