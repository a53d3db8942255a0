"""What can be wrong with a log that is to be audited."""

from __future__ import annotations

from aava_cli.errors import AavaError, ConfigError


class Unreadable(AavaError):
    """A log cannot be read, or is none."""

    exit_code = 2
    code = "unreadable"


class Damaged(Unreadable):
    """A log can be read only in part; what was read counts."""

    code = "damaged"


class BadPack(ConfigError):
    """A marker pack cannot be used: nothing was audited, so that nothing failed."""

    exit_code = 2
