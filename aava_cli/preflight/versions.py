"""Versions, as programs write them."""

from __future__ import annotations


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers a version starts with: `v2.26.1-4` is 2, 26, 1."""
    numbers: list[int] = []
    for part in text.removeprefix("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def is_older(text: str, floor: tuple[int, ...]) -> bool:
    """Return whether *text* is a version below *floor*; `dev` is no number, and below none."""
    version = version_of(text)
    return bool(version) and version < floor
