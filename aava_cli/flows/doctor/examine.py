"""Examine a project: tell what is wrong, or write all that is known of it to one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aava_cli.errors import EXIT_CHECK_FAILED, AavaError
from aava_cli.flows.doctor.bundle import check_target, write_bundle
from aava_cli.flows.doctor.findings import find_wrong
from aava_cli.flows.doctor.gather import gather
from aava_cli.flows.doctor.known import known_secrets
from aava_cli.flows.doctor.looks import ask_status, check_host
from aava_cli.flows.doctor.scene import Scene, look_up
from aava_cli.output import Result, human_bytes
from aava_cli.redactor import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.flows.doctor.bundle import Member
    from aava_cli.flows.doctor.findings import Wrong
    from aava_cli.session import Session


class Unwell(AavaError):
    """Something here does not work."""

    exit_code = EXIT_CHECK_FAILED
    code = "check-failed"


@dataclass(frozen=True, slots=True)
class Examined(Result):
    """What is wrong, worst first."""

    wrong: tuple[Wrong, ...]

    def text(self) -> Iterator[str]:
        """Yield a line for each, and the next command below it."""
        for each in self.wrong:
            yield f"{each.severity}  {each.what}"
            yield f"next  {each.next}"
        if not self.wrong:
            yield "nothing is wrong"

    def failure(self) -> AavaError | None:
        """Return the worst of it, where something does not work."""
        failed = [each for each in self.wrong if each.severity == "fail"]
        if not failed:
            return None
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return Unwell(f"{failed[0].what}{more}", hint=failed[0].next)


@dataclass(frozen=True, slots=True)
class Bundled(Result):
    """A report that was written, and what is wrong."""

    path: Path
    size_bytes: int
    members: tuple[Member, ...]
    wrong: tuple[Wrong, ...]

    def text(self) -> Iterator[str]:
        """Yield where it is, what could not be found out, and what is wrong."""
        yield f"{self.path}: {len(self.members)} files, {human_bytes(self.size_bytes)}"
        for each in self.members:
            if each.problem is not None:
                yield f"not known  {each.name}: {each.problem}"
        yield from Examined(self.wrong).text()
        yield "secrets are taken out; read it all the same before you give it away"


def examine(session: Session) -> Examined:
    """Return what is wrong with the project of *session* and with this host."""
    redactor = Redactor(known_secrets(session))
    scene = Scene(session)
    looks = {"preflight.json": check_host, "status.json": ask_status}
    parts = [look_up(name, partial(look, scene)) for name, look in looks.items()]
    wrong = find_wrong(parts, _jobs(session))
    return Examined(tuple(_shown(each, redactor) for each in wrong))


def make_bundle(session: Session, path: Path, *, force: bool) -> Bundled:
    """Write all that is known of the project to *path*; what cannot be found out is said in it.

    Raises:
        UsageError: something else is there already.
        NotPossible: it cannot be written.
    """
    check_target(path, force=force)
    redactor = Redactor(known_secrets(session))
    parts = tuple(gather(session))
    wrong = tuple(_shown(each, redactor) for each in find_wrong(parts, _jobs(session)))
    # Gathering takes seconds, in which something else may have come there.
    check_target(path, force=force)
    members = write_bundle(path, parts, redactor, "\n".join((*Examined(wrong).text(), "")))
    return Bundled(path, path.stat().st_size, members, wrong)


def _shown(wrong: Wrong, redactor: Redactor) -> Wrong:
    return type(wrong)(wrong.severity, redactor.text(wrong.what), redactor.text(wrong.next))


def _jobs(session: Session) -> list[dict[str, Any]]:
    from aava_cli.jobs.report import report
    from aava_cli.jobs.store import all_jobs

    found = look_up("jobs", lambda: tuple(map(report, all_jobs(session.settings))))
    return found.content or []
