"""Catalogs from disk; their TOML is kept parsed, because parsing takes longer than all else."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import TYPE_CHECKING, Any

from aava_cli import __version__
from aava_cli.catalog_schema import catalog_of, parse_document

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.catalog import Catalog


def load_catalog(path: Path) -> Catalog:
    """Return the catalog in the file *path*.

    Raises:
        ConfigError: it cannot be read, is not TOML, or a field is not what it should be.
    """
    from aava_cli.session import read_text

    kept, stamp = _kept_file(path), _stamp(path)
    document = _kept_document(kept, stamp)
    if document is not None:
        return catalog_of(document, "", str(path))
    text = read_text(path)
    document = parse_document(text, str(path))
    catalog = catalog_of(document, text, str(path))
    _keep(kept, {"stamp": stamp, "document": document})
    return catalog


def _kept_file(path: Path) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("aava") / f"catalog-{zlib.crc32(bytes(path)):08x}.json"


def _stamp(path: Path) -> list[str | int]:
    """Return what changes whenever the file, or what we make of it, does."""
    try:
        status = path.stat()
    except OSError:
        # Reading it says what is wrong.
        return []
    return [__version__, str(path), status.st_ino, status.st_size, status.st_mtime_ns]


def _kept_document(kept: Path, stamp: list[str | int]) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(kept.read_bytes())
        if stamp and content["stamp"] == stamp:
            document: dict[str, Any] = content["document"]
            return document
    return None


def _keep(kept: Path, content: dict[str, Any]) -> None:
    """Keep *content* for the next command; a host where nothing can be kept goes without."""
    from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder

    with contextlib.suppress(OSError, TypeError):
        private_folder(kept.parent)
        atomic_write(kept, json.dumps(content).encode(), mode=PRIVATE_FILE)
