"""What a `status` reply says, and whether it says what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.backends import backend_in_status, lookup
from aava_cli.daemon.quoting import quoted
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.backends import Backend
    from aava_cli.roles import Role


@dataclass(frozen=True, slots=True)
class Slot:
    """One role of the running daemon."""

    role: Role
    backend: Backend | None
    path: str | None
    loaded: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a fresh status must say: values by dotted path, and the roles that must be loaded."""

    values: Mapping[str, Any]
    loaded: tuple[Role, ...]

    def mismatches(self, status: Mapping[str, Any]) -> tuple[str, ...]:
        """Return how *status* differs from this, a sentence each; none means all is as expected."""
        wrong = [
            f"`{dotted}` is `{lookup(status, dotted)}` instead of `{value}`"
            for dotted, value in self.values.items()
            if lookup(status, dotted) != value
        ]
        slots = {slot.role: slot for slot in slots_of(status)}
        unloaded = [slots[role] for role in self.loaded if not slots[role].loaded]
        failed = [slot for slot in slots.values() if slot.role in self.loaded and slot.error]
        return (
            *wrong,
            *(f"the {slot.role} model is not loaded" for slot in unloaded),
            *(f"{slot.role}: {slot.error}" for slot in failed),
        )


def slots_of(status: Mapping[str, Any]) -> tuple[Slot, ...]:
    """Return the three slots of a `status` reply."""
    return tuple(_slot(status, role) for role in ROLES)


def _slot(status: Mapping[str, Any], role: Role) -> Slot:
    model = part_of(status, f"models.{role}")
    path, error = model.get("path"), part_of(status, "config.startup_errors").get(role)
    return Slot(
        role,
        backend_in_status(role, status),
        path if isinstance(path, str) else None,
        model.get("loaded") is True,
        quoted(error) if error else None,
    )


def part_of(status: Mapping[str, Any], dotted: str) -> Mapping[str, Any]:
    """Return the object at the *dotted* path of *status*, or an empty one for anything else."""
    found = lookup(status, dotted)
    return found if isinstance(found, Mapping) else {}


def loading_in(status: Mapping[str, Any]) -> tuple[Role, ...]:
    """Return the roles whose model is on its way, as the native daemon says."""
    said = status.get("loading")
    return tuple(role for role in ROLES if role in said) if isinstance(said, list | tuple) else ()


def loaded_roles(status: Mapping[str, Any], roles: Iterable[Role]) -> tuple[Role, ...]:
    """Return those of *roles* whose model is loaded."""
    loaded = {slot.role for slot in slots_of(status) if slot.loaded}
    return tuple(role for role in roles if role in loaded)


def is_native(status: Mapping[str, Any]) -> bool:
    """Return whether `aava serve` answers; the original daemon does not tell its version."""
    return "version" in status


def is_minimal(status: Mapping[str, Any]) -> bool:
    """Return whether the daemon runs without a language model, whatever it is asked."""
    return bool(lookup(status, "config.runtime_mode") == "minimal")


def fallbacks(status: Mapping[str, Any], roles: Iterable[Role]) -> tuple[str, ...]:
    """Return what runs otherwise than configured in *roles*, a sentence each."""
    wanted = set(roles)
    found = part_of(status, "config.runtime_fallbacks")
    said = [
        f"{name}: the daemon fell back: {reason}"
        for name, reason in found.items()
        if name not in ROLES or name in wanted
    ]
    layers = part_of(status, "models.llm.config")
    configured, effective = (layers.get(f"gpu_layers_{key}") for key in ("configured", "effective"))
    if "llm" in wanted and configured and effective == 0:
        said.append(f"llm: {configured} layers were to be on the GPU, and none is")
    return tuple(said)
