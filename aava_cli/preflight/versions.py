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
