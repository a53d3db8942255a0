"""The form of an export: a tar of a manifest, then every file once, named by its digest.

Unpacked into a folder that a web server shows, it is a mirror.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli import __version__
from aava_cli.catalog_schema import catalog_of
from aava_cli.download.cataloguing.catalog_edit import model_table
from aava_cli.download.lockfile import parse_files
from aava_cli.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.catalog import Model
    from aava_cli.store import ReceiptFile

MANIFEST = "aava-export.json"
MANIFEST_BYTES = 16 << 20
_VERSION = 1
_BLOB = re.compile(r"sha256/([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Bundled:
    """One model of an export: its catalog entry, and what was recorded of its files."""

    model: Model
    files: tuple[ReceiptFile, ...]


def blob_name(sha256: str) -> str:
    """Return the name in an export of the file that has the digest *sha256*."""
    return f"sha256/{sha256}"


def blob_digest(name: str) -> str | None:
    """Return the digest that the member *name* must have, or None where it is no file's."""
    found = _BLOB.fullmatch(name)
    return found[1] if found else None


def render_manifest(bundled: Iterable[Bundled]) -> bytes:
    """Return the manifest of an export."""
    models = [
        {
            "id": each.model.id,
            "entry": model_table(each.model),
            "files": [asdict(file) for file in each.files],
        }
        for each in bundled
    ]
    manifest = {"version": _VERSION, "tool": f"aava {__version__}", "models": models}
    return json.dumps(manifest, indent=2, default=str).encode()


def parse_manifest(data: bytes) -> tuple[Bundled, ...]:
    """Return what the manifest *data* describes.

    Raises:
        IntegrityError: it is no manifest, or names paths that lead elsewhere.
    """
    try:
        manifest: dict[str, Any] = json.loads(data)
        if manifest["version"] != _VERSION:
            raise unsound(f"it is of version {manifest['version']}")
        return tuple(_parse_model(each) for each in manifest["models"])
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise unsound(f"its manifest is none: {error}") from error


def unsound(problem: str) -> IntegrityError:
    """Return that an export is not sound, because of *problem*."""
    return IntegrityError(f"the export is not sound: {problem}", hint="export the models again")


def _parse_model(fields: dict[str, Any]) -> Bundled:
    name = str(fields["id"])
    model = catalog_of({"models": {name: fields["entry"]}}, "", MANIFEST).models[name]
    files = parse_files(fields["files"], "size_bytes")
    for file in files:
        if not any(file.path.is_relative_to(each.path) for each in model.files):
            raise unsound(f"`{file.path}` is not of `{name}`")
    return Bundled(model, files)
