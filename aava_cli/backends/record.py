"""The record of one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.backends.setting import Condition, Setting, Values
    from aava_cli.roles import Role


# What an image takes with one engine and all that it needs, while it is built.
LEAST_IMAGE_BYTES = 5_000_000_000


def _as_they_are(values: Values) -> Values:
    return values


@dataclass(frozen=True, slots=True)
class Backend:
    """What the program knows of one engine.

    *model* is the option that names the model; *files* says which check its files must pass,
    and *parts* which check those must pass that have to fit each other or the options.
    *installed* are the patterns, under the models folder, of files that it can load; *holds*
    is a pattern of files whose folder is such a model. *elsewhere* says when it only speaks to
    a service, *fetched* when it brings the model itself. *completed* adds to values what they
    imply. *package* is what the native daemon imports to run it, None where it has no engine
    for it, and *distribution* is what pip installs for that. *build_arg* has an image hold it,
    *build_needs* are the arguments without which that cannot be built, *processors* the only
    ones that it can be built for, as `uname -m` has them, and *image_bytes* is the room that an
    image with it takes while it is built. *hidden_without* is a folder below the models folder:
    while that is empty, the daemon denies the backend, whatever its image holds.
    """

    name: str
    role: Role
    capability: str
    build_arg: str
    settings: tuple[Setting, ...]
    model: str = "path"
    files: str | None = None
    parts: str | None = None
    installed: tuple[str, ...] = ()
    holds: str | None = None
    elsewhere: Condition | None = None
    fetched: Condition | None = None
    completed: Callable[[Values], Values] = _as_they_are
    package: str | None = None
    distribution: str | None = None
    build_needs: tuple[str, ...] = ()
    processors: tuple[str, ...] = ()
    image_bytes: int = LEAST_IMAGE_BYTES
    hidden_without: str | None = None

    @property
    def key(self) -> str | None:
        """The field that names the backend in requests, replies and YAML."""
        # The daemon has one language engine, so nothing says which.
        return None if self.role == "llm" else f"{self.role}_backend"

    @property
    def env_key(self) -> str | None:
        """The key that names the backend in `.env`."""
        return f"LOCAL_{self.key.upper()}" if self.key else None

    def setting(self, option: str) -> Setting:
        """Return the setting named *option*; `-` and `_` are the same.

        Raises:
            NotFound: this backend has no such option; the nearest are named.
        """
        name = option.replace("-", "_")
        for setting in self.settings:
            if setting.option == name:
                return setting
        known = [setting.option for setting in self.settings]
        listing = f"aava backends {self.name}"
        raise NotFound.named(f"{self.name} option", option, known, listing=listing)
