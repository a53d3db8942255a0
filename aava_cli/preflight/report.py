"""The answer of a preflight, in the shape that operators know from the project's own tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible, RolledBack
from aava_cli.output import Result
from aava_cli.preflight.findings import GROUPS, CheckFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.errors import AavaError
    from aava_cli.events import Item
    from aava_cli.preflight.facts import Learned

_WIDTH = 16


@dataclass(frozen=True, slots=True)
class GpuNote:
    """Whether a GPU can be used, and why; *written* to `.env`, or *kept* as it was, and why."""

    value: bool
    reason: str
    before: str | None
    written: bool = False
    kept: str | None = None

    def text(self) -> Iterator[str]:
        """Yield what `.env` says from now on, and the reason."""
        yield f"GPU_AVAILABLE={str(self.value).lower()}: {self.reason}"
        if self.written:
            yield f"written to `.env`, where it was {self.before or 'unset'}"
        elif self.kept:
            yield f"not written: {self.kept}"


@dataclass(frozen=True, slots=True)
class Repaired:
    """One safe repair: what it does, the *command* of the same, and what came of it."""

    name: str
    message: str
    command: str
    status: str
    problem: str | None = None
    is_rolled_back: bool = False

    def text(self) -> Iterator[str]:
        """Yield the repair, and why it was not done."""
        yield f"{self.status:<8}{self.message}"
        yield f"{'':<8}$ {self.command}"
        if self.problem:
            yield f"{'':<8}{self.problem}"


@dataclass(frozen=True, slots=True)
class Preflighted(Result):
    """What every check found, how many found what, what was written, and how all was learned."""

    items: tuple[Item, ...]
    pass_count: int
    warn_count: int
    fail_count: int
    skip_count: int
    total: int
    gpu_available: GpuNote | None = None
    repairs: tuple[Repaired, ...] = ()
    facts: tuple[Learned, ...] = ()
    strict: bool = False

    @classmethod
    def of(cls, items: tuple[Item, ...]) -> Preflighted:
        """Return the answer that *items* make."""
        statuses = [each.status for each in items]
        return cls(
            items,
            pass_count=statuses.count("pass"),
            warn_count=statuses.count("warn"),
            fail_count=statuses.count("fail"),
            skip_count=statuses.count("skip"),
            total=len(items),
        )

    def text(self) -> Iterable[str]:
        """Yield each group's checks, what to do below them, what was written, and a summary."""
        for group in GROUPS:
            items = [each for each in self.items if each.group == group]
            if items:
                yield group
                for each in items:
                    yield from _lines(each)
        if self.gpu_available:
            yield from self.gpu_available.text()
        for repair in self.repairs:
            yield from repair.text()
        yield (
            f"{self.pass_count} passed, {self.warn_count} to look at, "
            f"{self.fail_count} failed, {self.skip_count} skipped"
        )

    def failure(self) -> AavaError | None:
        """Return which repair failed, else which checks did, with the first fix.

        When *strict*, which checks warn as well.
        """
        failed = next((each for each in self.repairs if each.status == "failed"), None)
        if failed:
            kind = RolledBack if failed.is_rolled_back else NotPossible
            message = f"a repair failed: {failed.message}: {failed.problem}"
            return kind(message, hint=f"do it by hand: `{failed.command}`")
        bad = [each for each in self.items if each.status == "fail"]
        if not bad and self.strict:
            bad = [each for each in self.items if each.status == "warn"]
        if not bad:
            return None
        names = ", ".join(f"`{each.name}`" for each in bad)
        return CheckFailed(f"this host is not ready: {names}", hint=bad[0].remediation or "")


def _lines(item: Item) -> Iterator[str]:
    yield f"  {item.status}  {item.name:<{_WIDTH}}  {item.message}"
    below = " " * (_WIDTH + len("  pass    "))
    for line in (item.details or "").splitlines():
        yield below + line
    if item.remediation:
        yield f"{below}fix: {item.remediation}"
