"""Catalog text in, models out; every complaint names the line of its table."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast, get_args

from aava_cli.addresses import parses
from aava_cli.backends import BACKENDS
from aava_cli.catalog import CLOUD, Archive, ArchiveFormat, Catalog, Model, RemoteFile, plain
from aava_cli.errors import ConfigError, nearest
from aava_cli.redact import shown_source
from aava_cli.roles import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Table: TypeAlias = "dict[str, object]"
T = TypeVar("T")

_FIELDS = frozenset({"models", "sets"})
_MODEL_FIELDS = frozenset(
    {"name", "role", "backend", "language", "licence", "path", "files", "approx_mb", "options"}
    | {"recommended", "ram_gb", "tool_calling"}
)
_FILE_FIELDS = frozenset({"path", "sources", "size", "sha256", "archive"})
_ARCHIVE_FIELDS = frozenset({"format", "root"})
_KINDS = {str: "a string", int: "a whole number", bool: "true or false"}
_KINDS |= {list: "an array", dict: "a table"}
_ID = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SOURCE = re.compile(
    r"https?://\S+"
    r"|hf:[^\s/@]+/[^\s/@]+(?:@[^\s/]+)?/[^/].*"
    r"|pypi:[^\s=#]+==[^\s#]+#.+"
    r"|npm:(?:@[^\s/@]+/)?[^\s/@]+@[^\s#]+#.+"
    r"|file:/.+"
)
_TOML_ERROR = re.compile(r"(.+) \(at (?:line (\d+), column \d+|end of document)\)")


class _Malformed(Exception):
    """A field is not what the schema says; the caller knows in which table."""


def read_catalog(text: str, name: str) -> Catalog:
    """Return the catalog that *text*, of the file *name*, describes.

    Raises:
        ConfigError: the text is not TOML, or a field is not what it should be.
    """
    return catalog_of(parse_document(text, name), text, name)


def catalog_of(document: Table, text: str, name: str) -> Catalog:
    """Return the catalog in *document*, which was parsed from *text*.

    Raises:
        ConfigError: a field is not what it should be.
    """
    place: tuple[str, ...] = ()
    models: dict[str, Model] = {}
    try:
        _check_fields(document, _FIELDS)
        for key, table in _get_table(document, "models").items():
            place = ("models", key)
            model = _model(key, _as(table, dict, "models"))
            _check_new(model, models)
            models[model.id] = model
        place = ("sets",)
        return Catalog(models, _sets(document))
    except _Malformed as problem:
        title = f"`{place[1]}`: " if place[1:] else ""
        raise ConfigError.at(name, _line_of(text, place), f"{title}{problem}") from None


def parse_document(text: str, name: str) -> Table:
    """Return the tables that the TOML *text*, of the file *name*, holds.

    Raises:
        ConfigError: the text is not TOML; the line is named.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        known = _TOML_ERROR.fullmatch(str(error))
        if known is None:
            raise ConfigError.at(name, 1, f"expected plain TOML: {error}") from error
        line = int(known[2]) if known[2] else max(1, len(text.splitlines()))
        raise ConfigError.at(name, line, known[1][0].lower() + known[1][1:]) from error


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    dotted = r"\s*\.\s*".join(rf"[\"']?{re.escape(key)}[\"']?" for key in keys)
    header = re.search(rf"^[ \t]*(?:\[\s*)?{dotted}\s*[\].=]", text, re.MULTILINE)
    return text.count("\n", 0, header.start()) + 1 if header else 1


def _model(key: str, table: Table) -> Model:
    _check_fields(table, _MODEL_FIELDS)
    if not _ID.fullmatch(key):
        raise _Malformed("an id is made of letters, digits, `.`, `-` and `_`")
    backend, role = _backend(table)
    path = _get_path(table, "path")
    files = _files(table, path)
    return Model(
        id=key.lower().replace("_", "-"),
        name=_get_text(table, "name") or key,
        role=role,
        backend=backend,
        language=_get_text(table, "language"),
        licence=_get_text(table, "licence"),
        path=path,
        files=files,
        approx_bytes=_approx_bytes(table, files),
        options=_options(table, backend),
        recommended=_get(table, "recommended", bool) or False,
        ram_gb=_get_count(table, "ram_gb"),
        tool_calling=_get_text(table, "tool_calling"),
    )


def _check_new(model: Model, models: Collection[str]) -> None:
    if model.id in models:
        raise _Malformed(f"there is another `{model.id}` above")


def _backend(table: Table) -> tuple[str, Role]:
    backend, role = _need_text(table, "backend"), _get_text(table, "role")
    _check_known("backend", backend, [*BACKENDS, CLOUD])
    record = BACKENDS.get(backend)
    roles = (record.role,) if record else ROLES
    role = role or (record.role if record else None)
    if role not in roles:
        raise _Malformed(f"`role` of `{backend}` must be {_either(roles)}")
    return backend, role


def _files(table: Table, path: PurePosixPath | None) -> tuple[RemoteFile, ...]:
    entries = _get(table, "files", list) or []
    files = tuple(_file(_as(entry, dict, "files"), path) for entry in entries)
    if len({file.path for file in files}) < len(files):
        raise _Malformed("`files` must each have a `path` of their own")
    return files


def _file(table: Table, path: PurePosixPath | None) -> RemoteFile:
    _check_fields(table, _FILE_FIELDS)
    path = _get_path(table, "path") or path
    if path is None:
        raise _Malformed("a file needs a `path`, its own or its model's")
    sha256 = _get_text(table, "sha256")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise _Malformed("`sha256` must be 64 lower-case hexadecimal digits")
    return RemoteFile(path, _sources(table), _get_count(table, "size"), sha256, _archive(table))


def _sources(table: Table) -> tuple[str, ...]:
    sources = _texts(table, "sources")
    if not sources:
        raise _Malformed("a file needs `sources`")
    for source in sources:
        if not (_SOURCE.fullmatch(source) and parses(source)):
            raise _Malformed(
                f"`{shown_source(source)}` is no source: expected `https://…`,"
                " `hf:org/repo[@rev]/path`, `pypi:name==version#member`,"
                " `npm:name@version#member` or `file:/…`"
            )
    return sources


def _archive(table: Table) -> Archive | None:
    if "archive" not in table:
        return None
    archive = _get_table(table, "archive")
    _check_fields(archive, _ARCHIVE_FIELDS)
    packed, formats = _need_text(archive, "format"), get_args(ArchiveFormat)
    if packed not in formats:
        raise _Malformed(f"`format` must be {_either(formats)}")
    root = _contained(_need_text(archive, "root"), "root")
    return Archive(cast("ArchiveFormat", packed), root)


def _options(table: Table, backend: str) -> dict[str, str]:
    options = _get_table(table, "options")
    record = BACKENDS.get(backend)
    known = [setting.option for setting in record.settings] if record else []
    for option in options:
        _check_known(f"{backend} option", option, known)
    return {option: _need_text(options, option) for option in options}


def _approx_bytes(table: Table, files: tuple[RemoteFile, ...]) -> int | None:
    megabytes = _get_count(table, "approx_mb")
    sizes = [file.size_bytes for file in files if file.size_bytes]
    if sizes and len(sizes) == len(files):
        return sum(sizes)
    return megabytes * 1_000_000 if megabytes else None


def _sets(document: Table) -> dict[str, tuple[str, ...]]:
    sets = _get_table(document, "sets")
    return {plain(name): _texts(sets, name) for name in sets}


def _check_fields(table: Table, known: frozenset[str]) -> None:
    if not table.keys() <= known:
        _check_known("field", min(table.keys() - known), known)


def _check_known(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = ", ".join(f"`{each}`" for each in nearest(name, known))
        raise _Malformed(f"there is no {kind} `{name}`" + (f"; nearest: {near}" if near else ""))


def _either(words: Iterable[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def _as(value: object, kind: type[T], key: str) -> T:
    # To Python, true is a whole number; to TOML it is not.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Malformed(f"`{key}` must be {_KINDS[kind]}")
    return value


def _get(table: Table, key: str, kind: type[T]) -> T | None:
    return _as(table[key], kind, key) if key in table else None


def _get_table(table: Table, key: str) -> Table:
    return _get(table, key, dict) or {}


def _get_count(table: Table, key: str) -> int | None:
    count = _get(table, key, int)
    if count is not None and count <= 0:
        raise _Malformed(f"`{key}` must be more than 0")
    return count


def _get_text(table: Table, key: str) -> str | None:
    return _need_text(table, key) if key in table else None


def _need_text(table: Table, key: str) -> str:
    if key not in table:
        raise _Malformed(f"`{key}` is missing")
    return _printable(table[key], key)


def _texts(table: Table, key: str) -> tuple[str, ...]:
    return tuple(_printable(each, key) for each in _get(table, key, list) or [])


def _printable(value: object, key: str) -> str:
    # What is read here reaches terminals and `.env`, where a control character does harm.
    text = _as(value, str, key)
    if not text or not text.isprintable():
        raise _Malformed(f"`{key}` must be printable text, and not empty")
    return text


def _get_path(table: Table, key: str) -> PurePosixPath | None:
    text = _get_text(table, key)
    if text is None:
        return None
    # A single part would name a whole role's folder, and removing the model would empty it.
    if "/" not in text:
        raise _Malformed(f"`{key}` must name something in a folder, such as `stt/{text}`")
    return _contained(text, key)


def _contained(text: str, key: str) -> PurePosixPath:
    if "\\" in text or not {"", ".", ".."}.isdisjoint(text.split("/")):
        raise _Malformed(f"`{key}` must be relative, with no empty, `.`, `..` or `\\` part")
    return PurePosixPath(text)
