"""Catalog text in, models out; every complaint names the line of its table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

from aava_cli.addresses import parses
from aava_cli.backends import BACKENDS
from aava_cli.catalog import CLOUD, Archive, ArchiveFormat, Catalog, Model, RemoteFile, plain
from aava_cli.catalog_fields import (
    Malformed,
    as_kind,
    check_fields,
    check_known,
    contained,
    either,
    get,
    get_count,
    get_path,
    get_table,
    get_text,
    need_text,
    texts,
)
from aava_cli.catalog_profiles import read_profile
from aava_cli.errors import ConfigError
from aava_cli.redact import shown_source
from aava_cli.roles import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import PurePosixPath

    from aava_cli.catalog_fields import Table
    from aava_cli.catalog_profiles import Profile

_FIELDS = frozenset({"models", "sets", "profiles"})
_MODEL_FIELDS = frozenset(
    {"name", "role", "backend", "language", "licence", "path", "files", "approx_mb", "options"}
    | {"recommended", "ram_gb", "tool_calling"}
)
_FILE_FIELDS = frozenset({"path", "sources", "size", "sha256", "archive"})
_ARCHIVE_FIELDS = frozenset({"format", "root"})
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
        check_fields(document, _FIELDS)
        for key, table in get_table(document, "models").items():
            place = ("models", key)
            model = _model(key, as_kind(table, dict, "models"))
            _check_new(model, models)
            models[model.id] = model
        place = ("sets",)
        sets = _sets(document)
        profiles: dict[str, Profile] = {}
        for key, table in get_table(document, "profiles").items():
            place = ("profiles", key)
            fields = as_kind(table, dict, "profiles")
            profiles[plain(key)] = read_profile(plain(key), fields, source=name)
        return Catalog(models, sets, profiles)
    except Malformed as problem:
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
    check_fields(table, _MODEL_FIELDS)
    if not _ID.fullmatch(key):
        raise Malformed("an id is made of letters, digits, `.`, `-` and `_`")
    backend, role = _backend(table)
    path = get_path(table, "path")
    files = _files(table, path)
    return Model(
        id=key.lower().replace("_", "-"),
        name=get_text(table, "name") or key,
        role=role,
        backend=backend,
        language=get_text(table, "language"),
        licence=get_text(table, "licence"),
        path=path,
        files=files,
        approx_bytes=_approx_bytes(table, files),
        options=_options(table, backend),
        recommended=get(table, "recommended", bool) or False,
        ram_gb=get_count(table, "ram_gb"),
        tool_calling=get_text(table, "tool_calling"),
    )


def _check_new(model: Model, models: Collection[str]) -> None:
    if model.id in models:
        raise Malformed(f"there is another `{model.id}` above")


def _backend(table: Table) -> tuple[str, Role]:
    backend, role = need_text(table, "backend"), get_text(table, "role")
    check_known("backend", backend, [*BACKENDS, CLOUD])
    record = BACKENDS.get(backend)
    roles = (record.role,) if record else ROLES
    role = role or (record.role if record else None)
    if role not in roles:
        raise Malformed(f"`role` of `{backend}` must be {either(roles)}")
    return backend, role


def _files(table: Table, path: PurePosixPath | None) -> tuple[RemoteFile, ...]:
    entries = get(table, "files", list) or []
    files = tuple(_file(as_kind(entry, dict, "files"), path) for entry in entries)
    if len({file.path for file in files}) < len(files):
        raise Malformed("`files` must each have a `path` of their own")
    return files


def _file(table: Table, path: PurePosixPath | None) -> RemoteFile:
    check_fields(table, _FILE_FIELDS)
    path = get_path(table, "path") or path
    if path is None:
        raise Malformed("a file needs a `path`, its own or its model's")
    sha256 = get_text(table, "sha256")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise Malformed("`sha256` must be 64 lower-case hexadecimal digits")
    return RemoteFile(path, _sources(table), get_count(table, "size"), sha256, _archive(table))


def _sources(table: Table) -> tuple[str, ...]:
    sources = texts(table, "sources")
    if not sources:
        raise Malformed("a file needs `sources`")
    for source in sources:
        if not (_SOURCE.fullmatch(source) and parses(source)):
            raise Malformed(
                f"`{shown_source(source)}` is no source: expected `https://…`,"
                " `hf:org/repo[@rev]/path`, `pypi:name==version#member`,"
                " `npm:name@version#member` or `file:/…`"
            )
    return sources


def _archive(table: Table) -> Archive | None:
    if "archive" not in table:
        return None
    archive = get_table(table, "archive")
    check_fields(archive, _ARCHIVE_FIELDS)
    packed, formats = need_text(archive, "format"), get_args(ArchiveFormat)
    if packed not in formats:
        raise Malformed(f"`format` must be {either(formats)}")
    root = contained(need_text(archive, "root"), "root")
    return Archive(cast("ArchiveFormat", packed), root)


def _options(table: Table, backend: str) -> dict[str, str]:
    options = get_table(table, "options")
    record = BACKENDS.get(backend)
    known = [setting.option for setting in record.settings] if record else []
    for option in options:
        check_known(f"{backend} option", option, known)
    return {option: need_text(options, option) for option in options}


def _approx_bytes(table: Table, files: tuple[RemoteFile, ...]) -> int | None:
    megabytes = get_count(table, "approx_mb")
    sizes = [file.size_bytes for file in files if file.size_bytes]
    if sizes and len(sizes) == len(files):
        return sum(sizes)
    return megabytes * 1_000_000 if megabytes else None


def _sets(document: Table) -> dict[str, tuple[str, ...]]:
    sets = get_table(document, "sets")
    return {plain(name): texts(sets, name) for name in sets}
