"""What `aava up --list-profiles` answers: each profile, and what this host would run of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.flows.up.choosing import Unfit, fit_profile, ranked
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.catalog import Catalog
    from aava_cli.catalog_profiles import Mode, Profile
    from aava_cli.flows.up.choosing import Host


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One profile: what it needs, what this host would run of it, or why not."""

    name: str
    description: str
    mode: Mode
    rank: int | None
    needs: str
    models: tuple[str, ...]
    unfit: str | None


@dataclass(frozen=True, slots=True)
class Profiles(Result):
    """Every profile, the richest first."""

    profiles: tuple[ProfileRow, ...]

    def text(self) -> Iterator[str | Table]:
        """Yield a row per profile, then what each is."""
        rows = tuple((each.name, each.needs, _here(each)) for each in self.profiles)
        yield Table(("PROFILE", "NEEDS", "HERE"), rows)
        for each in self.profiles:
            yield f"{each.name}: {each.description}"


def list_profiles(catalog: Catalog, host: Host) -> Profiles:
    """Return every profile with what *host* would run of it, those of `auto` first."""
    chosen_from = tuple(ranked(catalog))
    rest = (each for each in catalog.profiles.values() if each.rank is None)
    return Profiles(tuple(_row(each, catalog, host) for each in (*chosen_from, *rest)))


def _row(profile: Profile, catalog: Catalog, host: Host) -> ProfileRow:
    found = fit_profile(profile, catalog, host)
    head = (profile.name, profile.description, profile.mode, profile.rank, _needs(profile))
    if isinstance(found, Unfit):
        return ProfileRow(*head, (), found.why)
    return ProfileRow(*head, found.pulls, None)


def _needs(profile: Profile) -> str:
    parts = (
        (profile.memory_gb, "GB"),
        (profile.processors, "processors"),
        (profile.gpu_gb, "GB of GPU"),
    )
    return ", ".join(f"{count} {what}" for count, what in parts if count is not None) or "-"


def _here(row: ProfileRow) -> str:
    if row.unfit is not None:
        return f"no: {row.unfit}"
    by_name = "" if row.rank is not None else " (by name only)"
    return ", ".join(row.models) + by_name
