"""What `aava backends` answers: the engines, and what can be set of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.backends import Backend, Kind, Setting
    from aava_cli.roles import Role


@dataclass(frozen=True, slots=True)
class Option:
    """One option; *hot* says that the running daemon takes it, without being started again."""

    option: str
    type: Kind
    accepts: str
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    default: str | None
    env: str
    hot: bool
    when: str | None
    about: str


@dataclass(frozen=True, slots=True)
class BackendRow:
    """One engine: what the daemon must be able to do, and what makes it so."""

    name: str
    role: Role
    capability: str
    build_arg: str
    package: str | None
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Backends(Result):
    """Every engine."""

    backends: tuple[BackendRow, ...]

    def text(self) -> Iterator[str | Table]:
        """Yield a row per engine."""
        rows = tuple(
            (each.name, each.role, each.build_arg, each.package or "-", str(len(each.options)))
            for each in self.backends
        )
        yield Table(("BACKEND", "ROLE", "IN THE IMAGE BY", "IN AAVA SERVE BY", "OPTIONS"), rows)


@dataclass(frozen=True, slots=True)
class Described(Result):
    """One engine and its options."""

    backend: BackendRow

    def text(self) -> Iterator[str | Table]:
        """Yield a row per option, and how to set one."""
        role = self.backend.role
        rows = tuple(
            (f"{role}.{each.option}", each.accepts, each.default or "-", each.env, _notes(each))
            for each in self.backend.options
        )
        yield Table(("OPTION", "TAKES", "DEFAULT", "IN .ENV", ""), rows)
        yield f"set with `aava switch --set {role}.OPTION=VALUE`"


def listed() -> Backends:
    """Return every engine that the program knows."""
    return Backends(tuple(_row(each) for each in BACKENDS.values()))


def described(backend: Backend) -> Described:
    """Return *backend* with its options."""
    return Described(_row(backend))


def _row(backend: Backend) -> BackendRow:
    return BackendRow(
        backend.name,
        backend.role,
        backend.capability,
        backend.build_arg,
        backend.distribution,
        tuple(_option(each) for each in backend.settings),
    )


def _option(setting: Setting) -> Option:
    return Option(
        option=setting.option,
        type=setting.kind,
        accepts=setting.accepts,
        choices=setting.choices,
        least=setting.least,
        most=setting.most,
        default=setting.default,
        env=setting.env,
        hot=setting.request is not None,
        when="=".join(setting.when) if setting.when else None,
        about=setting.about,
    )


def _notes(option: Option) -> str:
    parts = (
        option.about,
        f"only with `{option.when}`" if option.when else "",
        "" if option.hot else "needs a restart",
    )
    return "; ".join(part for part in parts if part)
