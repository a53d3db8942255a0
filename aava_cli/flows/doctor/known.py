"""The secrets of a project and of this user, so that they can be recognised anywhere."""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.environment import container_environment
from aava_cli.history import read_history
from aava_cli.journal import JOURNAL
from aava_cli.redact import is_secret, secrets_in
from aava_cli.redactor import secrets_of_addresses, secrets_of_text
from aava_cli.settings import compose_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.session import Session
    from aava_cli.settings import Settings

# What the tools of registries keep theirs in, below the home folder.
_FILES = (
    *(".npmrc", ".config/pip/pip.conf", ".pip/pip.conf", ".pypirc", ".git-credentials"),
    ".config/gh/hosts.yml",
)
_MOST_BYTES = 1 << 20
# The example is often what is in use, and what was `.env` once is beside it.
_ENV_FILES = ".env*"
_YAML_FILES = ("*.yml", "*.yaml")
# As `git config http.extraHeader` has it.
_AUTHORIZATION = re.compile(r"(?i)authorization:\s*(?:\w+\s+)?([^\s\"']+)")


def known_secrets(session: Session) -> tuple[str, ...]:
    """Return what nobody else may see, from every place that may keep secrets."""
    settings = session.settings
    places = (
        _of_variables(os.environ),
        _of_container(settings.project),
        _of_project(settings),
        _of_compose(settings.project),
        _of_repository(settings.project),
        _of_folder(settings.project / "secrets"),
        _of_changes(settings.state_dir),
        _of_user(),
    )
    return tuple({each for place in places for each in _as_far_as_known(place) if each})


def _as_far_as_known(place: Iterable[str]) -> Iterator[str]:
    # A place that cannot be looked at is one of the things that a report is made for.
    with suppress(OSError):
        yield from place


def _of_container(project: Path) -> Iterator[str]:
    yield from _of_variables(container_environment(project) or {})


def _of_variables(variables: Mapping[str, str]) -> Iterator[str]:
    yield from secrets_in(variables)
    yield from secrets_of_addresses("\n".join(variables.values()))
    for name, value in variables.items():
        # Proxies are often named without a scheme.
        if name.lower().endswith("_proxy") and "@" in value:
            login = value.rpartition("@")[0].rpartition("://")[2]
            yield from (login, login.partition(":")[2])


def _of_project(settings: Settings) -> Iterator[str]:
    files = (settings.env_file, settings.base_yaml, settings.overlay_yaml)
    backups = _listed(settings.state_dir / "backups", "*")
    for path in (*files, *settings.user_catalogs(), *backups):
        yield from secrets_of_text(_text(path))
    for path in (settings.base_yaml, settings.overlay_yaml):
        yield from _of_yaml(_text(path))
    for path in (settings.env_file, *(each for each in backups if each.name.endswith("-env"))):
        yield from _of_env(_text(path))


def _listed(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return what *pattern* finds in *folder*; one that may not be read has nothing."""
    try:
        return tuple(sorted(folder.glob(pattern)))
    except OSError:
        return ()


def _of_compose(project: Path) -> Iterator[str]:
    """Yield what the Compose files of *project* and its files of variables have."""
    named = (each for pattern in _YAML_FILES for each in _listed(project, pattern))
    for path in dict.fromkeys((*named, *compose_files(project))):
        yield from secrets_of_text(_text(path))
        yield from _of_yaml(_text(path))
    for path in _listed(project, _ENV_FILES):
        yield from secrets_of_text(_text(path))
        yield from _of_env(_text(path))


def _of_repository(project: Path) -> Iterator[str]:
    """Yield what the repository that *project* was cloned to asks its remotes with."""
    text = _text(project / ".git" / "config")
    yield from secrets_of_text(text)
    yield from _AUTHORIZATION.findall(text)


def _of_folder(folder: Path) -> Iterator[str]:
    """Yield what the files of *folder* have, each of which is one secret or has some."""
    for path in _listed(folder, "*"):
        text = _text(path)
        yield from secrets_of_text(text)
        try:
            yield from _of_tree(json.loads(text))
        except (ValueError, RecursionError):
            yield text.strip()


def _of_env(text: str) -> Iterator[str]:
    from aava_cli import envfile
    from aava_cli.errors import ConfigError

    # Of one that does not parse, what its lines look like was taken already.
    with suppress(ConfigError):
        yield from _of_variables(envfile.read(text))


def _of_yaml(text: str) -> Iterator[str]:
    import yaml

    with suppress(yaml.YAMLError, ValueError, RecursionError):
        yield from _of_tree(yaml.safe_load(text))


def _of_tree(tree: Any, *, under: bool = False) -> Iterator[str]:  # noqa: ANN401 - JSON or YAML
    match tree:
        case dict():
            for key, each in tree.items():
                yield from _of_tree(each, under=under or is_secret(str(key)))
        case list():
            for each in tree:
                yield from _of_tree(each, under=under)
        case None | bool():
            return
        case _ if under:
            yield str(tree)
        case str() if "=" in tree:
            # Compose has variables in lists, too: `- POSTGRES_PASSWORD=...`.
            name, _equals, value = tree.partition("=")
            if is_secret(name):
                yield value


def _of_changes(state_dir: Path) -> Iterator[str]:
    """Yield what files had before they were changed: logs may still tell of it."""
    versions = [each for change in read_history(state_dir) for each in change.files]
    contents = [content for each in versions for content in (each.old, each.new) if content]
    for content in (*contents, *_of_journal(state_dir / JOURNAL)):
        text = content.decode("utf-8", "replace")
        yield from secrets_of_text(text)
        yield from _of_env(text)


def _of_journal(path: Path) -> Iterator[bytes]:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        for step in json.loads(_text(path) or "{}").get("steps", ()):
            for key in ("old", "new"):
                yield base64.b64decode(step.get(key) or b"")


def _of_user() -> Iterator[str]:
    # Path would refuse a user that has no home, as in some containers.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    for name in _FILES:
        text = _text(home / name)
        yield from secrets_of_text(text)
    yield from _of_docker(_text(home / ".docker" / "config.json"))
    yield from _of_netrc(home)
    yield from _of_hub(home)


def _of_docker(text: str) -> Iterator[str]:
    with suppress(ValueError, AttributeError):
        for auth in tuple(_of_tree(json.loads(text or "{}").get("auths"), under=True)):
            yield auth
            # Who logs in, a colon, and the password; other tokens are none of that.
            with suppress(ValueError):
                yield base64.b64decode(auth).decode().partition(":")[2]


def _of_netrc(home: Path) -> Iterator[str]:
    path = Path(os.environ.get("NETRC") or home / ".netrc")
    words = _text(path).split()
    for name, value in pairwise(words):
        if name in ("password", "account"):
            yield value


def _of_hub(home: Path) -> Iterator[str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    folder = Path(os.environ.get("HF_HOME", cache / "huggingface")).expanduser()
    token = Path(os.environ.get("HF_TOKEN_PATH", folder / "token")).expanduser()
    yield _text(token).strip()
    yield from secrets_of_text(_text(token.with_name("stored_tokens")))
    for line in _text(token.with_name("stored_tokens")).splitlines():
        yield line.partition("=")[2].strip()


def _text(path: Path) -> str:
    """Return the beginning of *path*; one that is not there has nothing."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
