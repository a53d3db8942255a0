"""Fields of a catalog's tables, each of the kind that it should be."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from aava_cli.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Table: TypeAlias = "dict[str, object]"
T = TypeVar("T")

_KINDS = {str: "a string", int: "a whole number", bool: "true or false"}
_KINDS |= {list: "an array", dict: "a table"}


class Malformed(Exception):
    """A field is not what the schema says; the caller knows in which table."""


def check_fields(table: Table, known: frozenset[str]) -> None:
    """Raise `Malformed` if *table* has a field that is not *known*."""
    if not table.keys() <= known:
        check_known("field", min(table.keys() - known), known)


def check_known(kind: str, name: str, known: Collection[str]) -> None:
    """Raise `Malformed`, with the nearest names, if *name* is no *known* one of its *kind*."""
    if name not in known:
        near = ", ".join(f"`{each}`" for each in nearest(name, known))
        raise Malformed(f"there is no {kind} `{name}`" + (f"; nearest: {near}" if near else ""))


def either(words: Iterable[str]) -> str:
    """Return *words* as a choice between them."""
    return " or ".join(f"`{word}`" for word in words)


def as_kind(value: object, kind: type[T], key: str) -> T:
    """Return *value* of the field *key*, or raise `Malformed` if it is not of *kind*."""
    # To Python, true is a whole number; to TOML it is not.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"`{key}` must be {_KINDS[kind]}")
    return value


def get(table: Table, key: str, kind: type[T]) -> T | None:
    """Return the field *key*, which is of *kind*, if it is there."""
    return as_kind(table[key], kind, key) if key in table else None


def get_table(table: Table, key: str) -> Table:
    """Return the table *key*, which is empty if it is not there."""
    return get(table, key, dict) or {}


def get_count(table: Table, key: str) -> int | None:
    """Return the number *key*, which is more than 0, if it is there."""
    count = get(table, key, int)
    if count is not None and count <= 0:
        raise Malformed(f"`{key}` must be more than 0")
    return count


def get_text(table: Table, key: str) -> str | None:
    """Return the text *key*, if it is there."""
    return need_text(table, key) if key in table else None


def need_text(table: Table, key: str) -> str:
    """Return the text *key*, which has to be there."""
    if key not in table:
        raise Malformed(f"`{key}` is missing")
    return _printable(table[key], key)


def texts(table: Table, key: str) -> tuple[str, ...]:
    """Return the texts of the array *key*, none if it is not there."""
    return tuple(_printable(each, key) for each in get(table, key, list) or [])


def _printable(value: object, key: str) -> str:
    # What is read here reaches terminals and `.env`, where a control character does harm.
    text = as_kind(value, str, key)
    if not text or not text.isprintable():
        raise Malformed(f"`{key}` must be printable text, and not empty")
    return text


def get_path(table: Table, key: str) -> PurePosixPath | None:
    """Return the path *key* of something in a folder of a role, if it is there."""
    text = get_text(table, key)
    if text is None:
        return None
    # A single part would name a whole role's folder, and removing the model would empty it.
    if "/" not in text:
        raise Malformed(f"`{key}` must name something in a folder, such as `stt/{text}`")
    return contained(text, key)


def contained(text: str, key: str) -> PurePosixPath:
    """Return *text* as a path that leads nowhere else, whatever it is put below."""
    if "\\" in text or not {"", ".", ".."}.isdisjoint(text.split("/")):
        raise Malformed(f"`{key}` must be relative, with no empty, `.`, `..` or `\\` part")
    return PurePosixPath(text)
