"""What every command works with: the settings, the output, and what is read from them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from aava_cli.catalog import Catalog
    from aava_cli.output import Output
    from aava_cli.settings import Settings


# What the lock takes for no end of waiting.
FOREVER_S = -1.0


class Session:
    """One command's view of the project; nothing is read before it is asked for."""

    def __init__(self, flags: Mapping[str, str | None], output: Output) -> None:
        self.flags = flags
        self.output = output
        self._settings: Settings | None = None
        self._catalog: Catalog | None = None

    @property
    def settings(self) -> Settings:
        """Where things are.

        Raises:
            ConfigError: the user's config file does not parse.
        """
        from aava_cli.settings import find_settings

        if self._settings is None:
            self._settings = find_settings(self.flags, emit=self.output.emit)
        return self._settings

    def choose_project(self, folder: Path) -> Settings:
        """Work on the project *folder* from now on."""
        from dataclasses import replace

        from aava_cli.settings import find_settings

        self.flags = {**self.flags, "project": str(folder)}
        found = find_settings(self.flags, emit=self.output.emit)
        self._settings = replace(found, project=folder)
        return self._settings

    def catalog(self) -> Catalog:
        """Return the shipped catalog with the user's and the project's own merged in.

        Raises:
            ConfigError: a catalog does not parse; file and line are named.
        """
        if self._catalog is None:
            from aava_cli.catalog import merge_catalogs
            from aava_cli.catalog_cache import load_catalog

            paths = [shipped_catalog(), *filter(Path.is_file, self.settings.user_catalogs())]
            self._catalog = merge_catalogs(*map(load_catalog, paths))
        return self._catalog

    def env(self) -> dict[str, str]:
        """Return the values of `.env`; a project without one has none.

        Raises:
            ConfigError: `.env` does not parse; the line is named.
        """
        from aava_cli import envfile

        path = self.settings.env_file
        return envfile.read(read_text(path), name=str(path)) if path.exists() else {}

    def engine_config(self) -> dict[str, object]:
        """Return the engine's configuration: the shipped YAML with the operator's overlay.

        Raises:
            ConfigError: one of them does not parse; the line is named.
        """
        from aava_cli import yamlfile

        paths = (self.settings.base_yaml, self.settings.overlay_yaml)
        texts = [(read_text(path), str(path)) for path in paths if path.exists()]
        merged: dict[str, object] = {}
        for text, name in texts:
            merged = yamlfile.merge(merged, yamlfile.load(text, name=name))
        return merged

    def require_project(self) -> Settings:
        """Return the settings of a project that was set up.

        Raises:
            NotFound: there is no project here.
        """
        if not self.settings.env_file.exists():
            message = f"no project at `{self.settings.project}`: it has no `.env`"
            raise NotFound(message, hint="run `aava init` there, or name one with `--project`")
        return self.settings

    def lock(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Hold the project for the block, against every other aava command that changes it.

        Raises:
            Busy: another one holds it, even after *wait_s*.
        """
        from aava_cli.events import Log
        from aava_cli.files import command_line, exclusive_lock, lock_holder

        path = self.settings.lock_file
        if wait_s and (holder := lock_holder(path)):
            self.output.emit(Log(f"waiting: {holder}"))
        return exclusive_lock(path, command=command_line(), wait_s=wait_s)


def shipped_catalog() -> Path:
    """Return the catalog that came with the program: beside the package, or above it in a tree."""
    package = Path(__file__).parent
    installed = package / "catalog.toml"
    return installed if installed.exists() else package.parent / "catalog.toml"


def read_text(path: Path) -> str:
    """Return the text of *path* with its line ends as they are.

    Raises:
        ConfigError: it is no file, is not UTF-8, or cannot be read.
    """
    try:
        # Opening a pipe would wait for somebody to write into it.
        _require_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError.at(path, line, "expected UTF-8 text") from error


def _require_file(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        message = f"`{path}` cannot be read: it is {kind}, and should be a text file"
        raise ConfigError(message, hint=f"move `{path}` away, and put a text file in its place")


def unreadable(path: Path, error: OSError) -> ConfigError:
    """Return that this user cannot read *path*, and how that can be changed."""
    user = _user()
    hint = f"run it as the owner of the file, or let `{user}` read it: `sudo chown {user} {path}`"
    if not isinstance(error, PermissionError):
        hint = "run `aava preflight` to see what is wrong here"
    return ConfigError(f"`{path}` cannot be read by `{user}`: {error.strerror}", hint=hint)


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        # A container may run as a user that has no name in it.
        return str(os.geteuid())
