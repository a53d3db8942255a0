"""What passes between a switch and the daemon, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.status import Expectation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.roles import Role


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the daemon is asked, how that is taken back, and what its status must say then.

    *models* are those that will be loaded, by role.
    """

    request: Mapping[str, Any]
    inverse: Mapping[str, Any]
    after: Expectation
    before: Expectation
    models: Mapping[Role, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Exchange:
        """Return the exchange that `dataclasses.asdict` described."""
        after, before = _expectation(fields["after"]), _expectation(fields["before"])
        return cls(fields["request"], fields["inverse"], after, before, fields["models"])


def _expectation(fields: Mapping[str, Any]) -> Expectation:
    return Expectation(fields["values"], tuple(fields["loaded"]))
