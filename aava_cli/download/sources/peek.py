"""Tell by its first bytes what is no model: a web page, a pointer, a file of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS

if TYPE_CHECKING:
    from pathlib import PurePosixPath

_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_MESSAGES = (b"<?xml", b"<error")
_POINTER = b"version https://git-lfs"
_MAGIC = {
    ".gguf": b"GGUF",
    ".zip": b"PK",
    ".bz2": b"BZh",
    ".gz": b"\x1f\x8b",
    ".tgz": b"\x1f\x8b",
    ".tbz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
    ".txz": b"\xfd7zXZ\0",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".tzst": b"\x28\xb5\x2f\xfd",
}
# By the engine that would load it: suffixes such as `.bin` are of many kinds.
_MAGIC_OF_KIND = {"gguf": b"GGUF", "ggml": b"lmgg", "piper": b"\x08"}
_NO_TEXT = frozenset({".gguf", ".onnx", ".bin", ".data", ".pt", ".pth", ".safetensors", *_MAGIC})


def foreign(head: bytes, path: PurePosixPath) -> str | None:
    """Return what is wrong with a file that goes to *path* and begins with *head*, if anything."""
    return _is_text(head, path.suffix.lower()) or _is_other_kind(head, path)


def _is_text(head: bytes, suffix: str) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        return "is a web page, no model"
    if start.startswith(_MESSAGES):
        return "is a message in XML, no model"
    if start.startswith(_POINTER):
        return "is a pointer of git-lfs, not the file that it points to"
    if suffix in _NO_TEXT and start.startswith((b'{"', b"[{")):
        return "is a message in JSON, no model"
    return None


def _is_other_kind(head: bytes, path: PurePosixPath) -> str | None:
    suffix = path.suffix.lower()
    magic = _MAGIC_OF_KIND.get(kind_of(path) or "", _MAGIC.get(suffix, b""))
    begins = head.startswith(magic)
    if suffix == ".safetensors":
        # The length of the header, then its first brace.
        begins = head[8:9] == b"{"
    return None if begins else f"does not begin as a `{suffix}` file does"


def kind_of(path: PurePosixPath) -> str | None:
    """Return the kind of files that whoever loads *path* takes, if an engine is known for it."""
    for backend in BACKENDS.values():
        if any(path.match(pattern) for pattern in backend.installed):
            return backend.files
    return None
