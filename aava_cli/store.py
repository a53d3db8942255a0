"""What models are on disk: receipts of what was pulled, and files that people put there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.errors import ConfigError
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder, remove

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aava_cli.backends import Backend
    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.settings import Settings

Provenance: TypeAlias = Literal["catalog", "hub", "publisher", "tofu"]
"""Who vouches for a digest; `tofu` is nobody: it was recorded at the first download."""

State: TypeAlias = Literal["installed", "found", "damaged", "missing", "remote"]
"""`found` is there without a receipt; `remote` has no files that we could pull."""


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """One file that was put under the models folder.

    *download_sha256* is the digest of what was downloaded for it: of the archive that it came
    in, else its own.
    """

    path: PurePosixPath
    size_bytes: int
    sha256: str
    source: str
    provenance: Provenance
    download_sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What pulling one model put on disk, when, and by which version of the program."""

    model: str
    files: tuple[ReceiptFile, ...]
    when: str
    tool: str


def prepare_state(settings: Settings) -> Path:
    """Return the project's state folder, made private and invisible to git if need be."""
    folder = private_folder(settings.state_dir)
    marker = folder / ".gitignore"
    if not marker.exists():
        atomic_write(marker, b"*\n", mode=PRIVATE_FILE)
    return folder


def write_receipt(settings: Settings, receipt: Receipt) -> None:
    """Record *receipt* in place of what was known of its model."""
    prepare_state(settings)
    path = _receipt_file(settings, receipt.model)
    private_folder(path.parent)
    text = json.dumps(asdict(receipt), indent=2, default=str)
    atomic_write(path, text.encode(), mode=PRIVATE_FILE)


def read_receipt(settings: Settings, model_id: str) -> Receipt | None:
    """Return what was recorded when *model_id* was pulled, or None if it never was.

    Raises:
        ConfigError: the receipt is damaged.
    """
    path = _receipt_file(settings, model_id)
    try:
        return _parse_receipt(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        hint = f"remove `{path}`, then run `aava models pull {model_id}`"
        raise ConfigError(f"{path}:1: expected a receipt", hint=hint) from error


def remove_receipt(settings: Settings, model_id: str) -> None:
    """Forget that *model_id* was pulled."""
    path = _receipt_file(settings, model_id)
    if path.exists():
        remove(path)


def receipts(settings: Settings) -> tuple[Receipt, ...]:
    """Return the receipts of all models that were pulled, by id.

    Raises:
        ConfigError: a receipt is damaged.
    """
    found = (read_receipt(settings, each) for each in recorded_models(settings))
    return tuple(receipt for receipt in found if receipt)


def recorded_models(settings: Settings) -> tuple[str, ...]:
    """Return the ids of all models that have a receipt, sorted."""
    return tuple(sorted(path.stem for path in _receipts_folder(settings).glob("*.json")))


def state_of(settings: Settings, model: Model) -> State:
    """Return whether *model* is on disk, judged by its files' presence and sizes.

    Raises:
        ConfigError: its receipt is damaged.
    """
    if not model.files:
        return "remote"
    receipt = read_receipt(settings, model.id)
    if receipt is not None and covers(receipt, model):
        whole = all(has_size(settings.models_dir / f.path, f.size_bytes) for f in receipt.files)
        return "installed" if whole else "damaged"
    present = [_is_there(settings, file) for file in model.files]
    if all(present):
        return "found"
    return "damaged" if present[0] else "missing"


def covers(receipt: Receipt, model: Model) -> bool:
    """Return whether *receipt* has every file that *model* consists of by now."""
    recorded = [file.path for file in receipt.files]
    return all(any(path.is_relative_to(file.path) for path in recorded) for file in model.files)


def is_installed(settings: Settings, model: Model) -> bool:
    """Return whether all files of *model* are on disk with the sizes that they should have."""
    return state_of(settings, model) in ("installed", "found")


def installed_models(settings: Settings, models: Iterable[Model]) -> tuple[Model, ...]:
    """Return those of *models* whose files are all on disk."""
    return tuple(model for model in models if is_installed(settings, model))


def local_models(settings: Settings, backend: Backend) -> tuple[Path, ...]:
    """Return what under the models folder *backend* could load, whoever put it there."""
    found: set[Path] = set()
    for pattern in backend.installed:
        matches = settings.models_dir.glob(pattern.rstrip("/"))
        found.update(each for each in matches if each.is_dir() == pattern.endswith("/"))
    if backend.holds:
        found.update(each.parent for each in settings.models_dir.glob(backend.holds))
    return tuple(sorted(each for each in found if not each.name.startswith(".")))


def has_size(path: Path, size_bytes: int | None) -> bool:
    """Return whether *path* is a file, of *size_bytes* if that is known."""
    return path.is_file() and size_bytes in (None, path.stat().st_size)


def work_folders(settings: Settings) -> tuple[Path, Path]:
    """Return where downloads may be prepared: in the project, or within the models folder."""
    return settings.state_dir, settings.models_dir / ".aava-work"


def work_folder(settings: Settings) -> Path:
    """Return the work folder that is one rename away from the models folder, made if need be."""
    settings.models_dir.mkdir(parents=True, exist_ok=True)
    state, beside = prepare_state(settings), work_folders(settings)[1]
    same_device = state.stat().st_dev == settings.models_dir.stat().st_dev
    return state if same_device else private_folder(beside)


def _is_there(settings: Settings, file: RemoteFile) -> bool:
    path = settings.models_dir / file.path
    if file.archive is None:
        return has_size(path, file.size_bytes)
    return path.is_dir() and any(path.iterdir())


def _receipts_folder(settings: Settings) -> Path:
    return settings.state_dir / "receipts"


def _receipt_file(settings: Settings, model_id: str) -> Path:
    return _receipts_folder(settings) / f"{model_id}.json"


def _parse_receipt(fields: dict[str, Any]) -> Receipt:
    files = tuple(
        ReceiptFile(**{**each, "path": PurePosixPath(each["path"])}) for each in fields["files"]
    )
    return Receipt(**{**fields, "files": files})
