"""What the project's own files say, and who may write to them."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli import envfile, yamlfile
from aava_cli.backends import BACKENDS
from aava_cli.backends.setting import Setting
from aava_cli.daemon.address import find_address, is_host
from aava_cli.errors import AavaError, ConfigError
from aava_cli.folders import Ownership
from aava_cli.gpu.facts import GPU_SETTINGS
from aava_cli.preflight.probing.host import existing
from aava_cli.preflight.projectfacts import EnvFile, Folder, Label, Overlay, Parsed, Pending
from aava_cli.session import read_text
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.settings import Settings

_ROOT = Path("/")
EXAMPLE = ".env.example"
# Docker Compose takes a comment that nothing but blanks precede for the value.
_COMMENT_AS_VALUE = re.compile(r"^\s*(?:export\s+)?(\w+)[^\S\n]*=[^\S\n]+#", re.MULTILINE)
# It takes a comment behind a tab for part of the value, and puts a variable in place of `$name`;
# python-dotenv, with which the daemon may be started instead, does neither.
_TAB_COMMENT = re.compile(r"^\s*(?:export\s+)?(\w+)[^\S\n]*=[^\s'\"#][^\n#]*\t#", re.MULTILINE)
_EXPANDED = re.compile(
    r"""^\s*(?:export\s+)?(\w+)[^\S\n]*=[^\S\n]*(?!')[^\n#]*?\$[A-Za-z_]""", re.MULTILINE
)
_LINE_END = re.compile(r"\r\n|\n|\r")
_PORTS = ("LOCAL_WS_PORT", "KROKO_PORT")
# The daemon has a default for these alone where there is nothing behind the `=`
# (`local_ai_server/config.py`); of any other number it dies then.
_MAY_BE_EMPTY = (
    "LOCAL_LLM_CONTEXT",
    "LOCAL_STT_IDLE_MS",
    "LOCAL_STT_IDLE_TIMEOUT_MS",
    "SILERO_SAMPLE_RATE",
)
_FOLDERS = ("stt", "tts", "llm", "kroko", "vad")
# A folder of the project that a container of it writes to.
_WRITTEN_BY_CONTAINERS = ("data", "config")


def read_env_file(path: Path) -> EnvFile:
    """Return what matters of `.env`."""
    has_example = (path.parent / EXAMPLE).is_file()
    if not path.exists():
        return EnvFile(path, has_example=has_example)
    try:
        text = read_text(path)
        values = envfile.read(text, name=str(path))
    except ConfigError as error:
        return EnvFile(path, exists=True, problem=error.message, has_example=has_example)
    host = values.get("LOCAL_WS_HOST") or "127.0.0.1"
    return EnvFile(
        path,
        exists=True,
        address_problem=_address_problem(values, path),
        host=host if is_host(host) else "",
        has_token=bool(values.get("LOCAL_WS_AUTH_TOKEN")),
        comments_as_values=tuple(_COMMENT_AS_VALUE.findall(text)),
        others_may_read=bool(path.stat().st_mode & stat.S_IROTH),
        has_example=has_example,
        misread=tuple(dict.fromkeys(_TAB_COMMENT.findall(text) + _EXPANDED.findall(text))),
        bad_values=tuple(_bad_values(text, values, path)),
        gpu_available=values.get("GPU_AVAILABLE"),
        gpu_settings={name: values[name] for name in GPU_SETTINGS if values.get(name)},
    )


def _address_problem(values: Mapping[str, str], path: Path) -> str | None:
    try:
        find_address(None, values, env_file=path)
    except ConfigError as error:
        return error.message
    return None


def _bad_values(text: str, values: Mapping[str, str], path: Path) -> Iterator[str]:
    """Yield each number in `.env` that is none: the daemon does not start with it."""
    is_compose = is_compose_project(path.parent)
    lines = _LINE_END.split(text)
    for key, setting in _numbers().items():
        number = envfile.line_of(text, key) if key in values else None
        if number is None:
            continue
        line = lines[number - 1]
        if is_compose and (_COMMENT_AS_VALUE.match(line) or _TAB_COMMENT.match(line)):
            yield f"{path}:{number}: Compose hands `{key}` over with the comment behind it"
        elif not _is_number(setting, values[key]):
            yield f"{path}:{number}: `{key}` is no number: `{values[key]}`"


def _numbers() -> dict[str, Setting]:
    """Return the settings that the daemon reads as numbers, by their names in `.env`."""
    settings = (each for backend in BACKENDS.values() for each in backend.settings)
    ports = (Setting(name, name, kind="integer") for name in _PORTS)
    numbers = (each for each in (*settings, *ports) if each.kind in ("integer", "number"))
    return {each.env: each for each in numbers}


def _is_number(setting: Setting, value: str) -> bool:
    if not value:
        return setting.env in _MAY_BE_EMPTY
    try:
        setting.typed(setting.plain(value))
    except AavaError:
        return False
    return True


def read_yaml_files(settings: Settings) -> tuple[Parsed, ...]:
    """Parse those configuration files of the engine that exist."""
    return tuple(Parsed(path, _yaml_problem(path)) for path in _yaml_paths(settings))


def _yaml_paths(settings: Settings) -> Iterator[Path]:
    return filter(Path.is_file, (settings.base_yaml, settings.overlay_yaml))


def _yaml_problem(path: Path) -> str | None:
    try:
        yamlfile.load(read_text(path), name=str(path))
    except ConfigError as error:
        return error.message
    return None


def read_overlay(settings: Settings) -> Overlay:
    """Return what the overlay does to the shipped configuration.

    Raises:
        ConfigError: one of them does not parse.
    """
    trees = [yamlfile.load(read_text(path), name=str(path)) for path in _yaml_paths(settings)]
    return Overlay(tuple(_replaced(*trees)) if len(trees) > 1 else ())


def _replaced(below: Mapping[str, object], above: Mapping[str, object]) -> Iterator[str]:
    for key, value in above.items():
        base = below.get(key)
        if isinstance(base, dict) and isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in _replaced(base, value))
        elif isinstance(base, dict) and base:
            yield key


def read_catalogs(settings: Settings) -> tuple[Parsed, ...]:
    """Parse those catalogs that exist beside the shipped one."""
    paths = filter(Path.exists, settings.user_catalogs())
    return tuple(Parsed(path, _catalog_problem(path)) for path in paths)


def _catalog_problem(path: Path) -> str | None:
    from aava_cli.catalog import parse_catalog

    try:
        parse_catalog(read_text(path), name=str(path))
    except ConfigError as error:
        return error.message
    return None


def find_folder(path: Path) -> Folder:
    """Return whether *path* can be written to, or could be made."""
    there = existing(path)
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    held = Ownership.of(Path(os.path.realpath(path))) if path.is_dir() else None
    return Folder(path, exists=held is not None, writable=writable, held=held)


def find_written(settings: Settings) -> tuple[Folder, ...]:
    """Return the folders that a change writes to."""
    files = (settings.env_file, settings.overlay_yaml)
    folders = (
        *(settings.project, settings.state_dir, settings.overlay_yaml.parent),
        # A file is replaced by a new one beside it, or beside what it is a link to.
        *(file.resolve().parent for file in files if file.is_symlink()),
    )
    return tuple(map(find_folder, dict.fromkeys(folders)))


def find_owned(settings: Settings) -> tuple[Folder, ...]:
    """Return the folders that models go to, and those that containers of the project write to."""
    models, project = settings.models_dir, settings.project
    top = project if models.is_relative_to(project) else models.parent
    found = [_below(top, models / name) for name in ("", *_FOLDERS)]
    if is_compose_project(project):
        found += [_below(project, project / name) for name in _WRITTEN_BY_CONTAINERS]
    return tuple(found)


def _below(top: Path, path: Path) -> Folder:
    """Return the folder *path*; a link to *top* is the user's own, one below it is anybody's."""
    place = Path(os.path.realpath(top)) / path.relative_to(top)
    real = Path(os.path.realpath(place))
    return replace(find_folder(place), leads_to=None if real == place else real)


def find_label(settings: Settings, root: Path = _ROOT) -> Label:
    """Return the type that SELinux gives the models folder, where it refuses anything."""
    enforce = root / "sys/fs/selinux/enforce"
    if not enforce.is_file() or enforce.read_text(encoding="ascii").strip() != "1":
        return Label(settings.models_dir, is_enforced=False)
    kind = None
    with suppress(OSError):
        # user:role:type:level
        label = os.getxattr(existing(settings.models_dir), "security.selinux")
        kind = label.decode("ascii", "replace").strip("\0").split(":")[2]
    return Label(settings.models_dir, is_enforced=True, type=kind)


def find_pending(settings: Settings) -> Pending | None:
    """Return what keeps every change from being made: one that was interrupted, as a rule."""
    from aava_cli.errors import RecoveryDue
    from aava_cli.files import lock_holder
    from aava_cli.journal import Journal

    journal = Journal(settings.state_dir)
    try:
        # Whoever is at work keeps a journal too.
        if not (journal.is_open and lock_holder(settings.lock_file)):
            journal.require_none()
    except (ConfigError, RecoveryDue) as error:
        return Pending(error.message, error.hint)
    except OSError as error:
        message = f"`{settings.state_dir}` cannot be looked into: {error.strerror}"
        return Pending(
            message, f"run aava as its owner, or `sudo chown -R $USER {settings.state_dir}`"
        )
    return None
