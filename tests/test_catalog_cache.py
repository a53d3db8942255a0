"""A catalog is parsed once, and read again whenever it changes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from aava_cli.catalog_cache import load_catalog
from aava_cli.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = '[models.{0}]\nname = "{0}"\nbackend = "llama"\npath = "llm/{0}.gguf"\n'


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Return a catalog of one model."""
    path = tmp_path / "catalog.toml"
    path.write_text(ENTRY.format("one"), encoding="utf-8")
    return path


def kept(home: Path) -> list[Path]:
    """Return what is kept in the user's cache."""
    return sorted((home / "cache").rglob("catalog-*.json"))


def test_second_load_does_not_parse_toml(catalog: Path, own_home: Path) -> None:
    """What was kept is used: a change of it, under the right stamp, shows."""
    assert ["one"] == list(load_catalog(catalog).models)
    [file] = kept(own_home)
    file.write_text(file.read_text(encoding="utf-8").replace('"one"', '"kept"'), encoding="utf-8")
    assert ["kept"] == list(load_catalog(catalog).models)


def test_changed_catalog_is_read_again(catalog: Path) -> None:
    """An edit counts at once."""
    load_catalog(catalog)
    catalog.write_text(ENTRY.format("other"), encoding="utf-8")
    assert ["other"] == list(load_catalog(catalog).models)


@pytest.mark.parametrize("garbage", ["", "{", "[]", "null", '{"stamp": 1}'])
def test_garbage_in_the_cache_is_ignored(catalog: Path, own_home: Path, garbage: str) -> None:
    """The cache decides nothing; the catalog does."""
    load_catalog(catalog)
    [file] = kept(own_home)
    file.write_text(garbage, encoding="utf-8")
    assert ["one"] == list(load_catalog(catalog).models)


def test_host_without_room_for_a_cache_works(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache folder that cannot be made is no failure."""
    occupied = tmp_path / "file"
    occupied.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    assert ["one"] == list(load_catalog(catalog).models)


def test_cache_is_the_users_own(catalog: Path, own_home: Path) -> None:
    """Nobody else may write what a command will trust."""
    load_catalog(catalog)
    [file] = kept(own_home)
    assert 0o600 == file.stat().st_mode & 0o777
    assert json.loads(file.read_bytes())["stamp"][2] == catalog.stat().st_ino


def test_catalog_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """File and reason, as for every configuration file."""
    with pytest.raises(ConfigError, match=r"none\.toml` cannot be read"):
        load_catalog(tmp_path / "none.toml")


def test_broken_catalog_is_named_with_its_line_each_time(catalog: Path) -> None:
    """A catalog that does not parse is never kept."""
    catalog.write_text(ENTRY.format("one") + "broken = \n", encoding="utf-8")
    for _time in range(2):
        with pytest.raises(ConfigError, match=r"catalog\.toml:5: "):
            load_catalog(catalog)
    assert os.path.lexists(catalog)
