"""Change a catalog's text: facts of files, new models; every other byte stays.

Text in, text out. What comes out is parsed again and compared with what was meant, so an edit
is right or is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.catalog import plain
from aava_cli.catalog_schema import catalog_of, parse_document
from aava_cli.download.cataloguing.toml_spans import Entry, entries
from aava_cli.errors import ConfigError, NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.cataloguing.toml_spans import Path


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is to be recorded of file number *index* of *model*; None leaves a field alone.

    *sources* replace those that are there, one by one.
    """

    model: str
    index: int
    size_bytes: int | None = None
    sha256: str | None = None
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    new: str


def record_facts(text: str, facts: Iterable[FileFacts], *, name: str) -> str:
    """Return the catalog *text*, of the file *name*, with the *facts* recorded.

    Raises:
        ConfigError: the text is no catalog.
        NotPossible: it is written in a way that cannot be edited.
    """
    wanted = parse_document(text, name)
    found = tuple(entries(text))
    edits: list[_Edit] = []
    for fact in facts:
        table = _table_of(fact, wanted)
        edits += _edits(fact, table, found, text)
        _record_in(wanted, table, fact)
    edited = text
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        edited = edited[: edit.start] + edit.new + edited[edit.end :]
    return _checked(edited, wanted, name)


def append_model(text: str, model: Model, *, name: str) -> str:
    """Return the catalog *text*, of the file *name*, with *model* added at its end.

    Raises:
        ConfigError: the text is no catalog, or the model is none.
        NotPossible: the text is written in a way that cannot be added to.
    """
    import tomli_w

    wanted: dict[str, Any] = parse_document(text, name)
    added = {"models": {model.id: model_table(model)}}
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    written = tomli_w.dumps(added, multiline_strings=False).replace("\n", newline)
    wanted.setdefault("models", {})[model.id] = added["models"][model.id]
    return _checked(text + gap + written, wanted, name)


def model_table(model: Model) -> dict[str, Any]:
    """Return the table of a catalog that describes *model*."""
    sized = all(file.size_bytes for file in model.files) and model.files
    megabytes = None if sized or not model.approx_bytes else model.approx_bytes // 1_000_000
    fields: dict[str, Any] = {
        "name": model.name,
        "role": model.role,
        "backend": model.backend,
        "language": model.language,
        "licence": model.licence,
        "approx_mb": megabytes,
        "recommended": model.recommended or None,
        "ram_gb": model.ram_gb,
        "tool_calling": model.tool_calling,
        "path": str(model.path) if model.path else None,
        "options": dict(model.options),
        "files": [_file_table(file, model) for file in model.files],
    }
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def _file_table(file: RemoteFile, model: Model) -> dict[str, Any]:
    archive = file.archive
    fields: dict[str, Any] = {
        "path": str(file.path) if file.path != model.path else None,
        "sources": list(file.sources),
        "size": file.size_bytes,
        "sha256": file.sha256,
        "archive": {"format": archive.format, "root": str(archive.root)} if archive else None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _table_of(fact: FileFacts, document: Mapping[str, Any]) -> Path:
    models = document.get("models", {})
    key = next((key for key in models if plain(key) == plain(fact.model)), None)
    if key is None or len(models[key].get("files", ())) <= fact.index:
        message = f"the catalog file has no file {fact.index + 1} of `{fact.model}`"
        raise NotPossible(message, hint="name the catalog that describes the model")
    return ("models", key, "files", fact.index)


def _values(fact: FileFacts) -> dict[Path, int | str]:
    values: dict[Path, int | str] = {}
    for number, source in enumerate(fact.sources or ()):
        values["sources", number] = source
    if fact.size_bytes is not None:
        values["size",] = fact.size_bytes
    if fact.sha256 is not None:
        values["sha256",] = fact.sha256
    return values


def _edits(fact: FileFacts, table: Path, found: Sequence[Entry], text: str) -> Iterator[_Edit]:
    places = {entry.path: entry for entry in found}
    added: list[str] = []
    for path, value in _values(fact).items():
        written, place = _written(value), places.get(table + path)
        if place is None:
            added.append(f"{path[0]} = {written}")
        elif _changes(text[place.start : place.end], value):
            yield _Edit(place.start, place.end, written)
    if added:
        yield _addition(table, added, found, text)


def _addition(table: Path, added: list[str], found: Sequence[Entry], text: str) -> _Edit:
    """Return the edit that puts new fields behind the last one that *table* has."""
    own = [entry for entry in found if entry.path[:-1] == table and not entry.is_header]
    if not own:
        raise _cannot_edit()
    last = max(entry.end for entry in own)
    if not any(entry.path == table and entry.is_header for entry in found):
        return _Edit(last, last, "".join(f", {field}" for field in added))
    line_end = text.find("\n", last)
    line_end = len(text) if line_end < 0 else line_end
    carriage = text[line_end - 1 : line_end] == "\r"
    at, newline = (line_end - 1, "\r\n") if carriage else (line_end, "\n")
    return _Edit(at, at, "".join(f"{newline}{field}" for field in added))


def _written(value: int | str) -> str:
    if isinstance(value, int):
        return f"{value:_}"
    literal = "'" not in value and value.isprintable()
    return f"'{value}'" if literal else json.dumps(value, ensure_ascii=False)


def _changes(old: str, value: int | str) -> bool:
    import tomllib

    return bool(tomllib.loads(f"value = {old}")["value"] != value)


def _record_in(document: Mapping[str, Any], table: Path, fact: FileFacts) -> None:
    entry: dict[str, Any] = document["models"][table[1]]["files"][fact.index]
    for path, value in _values(fact).items():
        if len(path) == 1:
            entry[str(path[0])] = value
        else:
            entry["sources"][path[1]] = value


def _checked(text: str, wanted: Mapping[str, Any], name: str) -> str:
    """Return *text* if it says what is *wanted*, and is a catalog."""
    try:
        document = parse_document(text, name)
    except ConfigError as error:
        raise _cannot_edit() from error
    if document != wanted:
        raise _cannot_edit()
    catalog_of(document, text, name)
    return text


def _cannot_edit() -> NotPossible:
    message = "the catalog is written in a way that cannot be edited"
    return NotPossible(message, hint="write each model as a table `[models.ID]`")
