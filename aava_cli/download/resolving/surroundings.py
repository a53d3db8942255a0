"""What the environment says of the hub: whether it may be asked, and where its cache is.

The libraries' own rules, without their modules, which take longer to load than all else here:
`huggingface_hub/constants.py` for the cache and for what counts as true, and
`transformers/utils/hub.py`, which takes its offline mode from there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HUB_OFFLINE = "HF_HUB_OFFLINE"
_SWITCHES = (HUB_OFFLINE, "TRANSFORMERS_OFFLINE", "HF_OFFLINE", "HF_FORCE_OFFLINE")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_LIBRARIES = ("huggingface_hub", "transformers")
_SERVER = "the model server"
_OLD_CACHES = ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE")


@dataclass(frozen=True, slots=True)
class Switch:
    """A variable about being offline that is set; *ignored_by* are those who do not heed it."""

    name: str
    value: str
    on: bool
    ignored_by: tuple[str, ...]


def offline_switches(said: Mapping[str, str]) -> tuple[Switch, ...]:
    """Return the variables in *said* that are about being offline, whoever reads them."""
    return tuple(
        Switch(name, said[name], _is_true(said[name]), tuple(_ignoring(name, said)))
        for name in _SWITCHES
        if said.get(name)
    )


def libraries_are_offline(said: Mapping[str, str]) -> bool:
    """Return whether the libraries would leave the hub alone."""
    return _is_true(_heeded(said))


def _heeded(said: Mapping[str, str]) -> str:
    # The second one counts only where the first is not set or empty.
    return said.get(_SWITCHES[0]) or said.get(_SWITCHES[1]) or ""


def _ignoring(name: str, said: Mapping[str, str]) -> Iterator[str]:
    by_libraries = name == HUB_OFFLINE or (
        name == "TRANSFORMERS_OFFLINE" and not said.get(HUB_OFFLINE)
    )
    if not by_libraries:
        yield from _LIBRARIES
        # The server has the libraries' own mode too, and compares the others with `1`.
        if said[name] != "1":
            yield _SERVER


def warnings_of(said: Mapping[str, str], cache: str) -> Iterator[str]:
    """Yield what in *said* does not do what it looks like; *cache* is the cache that counts."""
    for each in offline_switches(said):
        if each.on and each.ignored_by and not libraries_are_offline(said):
            who = ", ".join(each.ignored_by)
            yield f"`{each.name}` is heeded here, but ignored by {who}: set `{HUB_OFFLINE}=1`"
    for name in _OLD_CACHES:
        if said.get(name):
            yield (
                f"`{name}` is read by transformers before version 5 alone; the cache that is"
                f" looked into here is `{cache}`: set `HF_HUB_CACHE` or `HF_HOME` instead"
            )


def hub_cache(said: Mapping[str, str]) -> str:
    """Return the folder of the hub's cache, as the library finds it."""
    caches = Path(said.get("XDG_CACHE_HOME", expanded("~/.cache")))
    home = expanded(said.get("HF_HOME", str(caches / "huggingface")))
    older = said.get("HUGGINGFACE_HUB_CACHE", str(Path(home) / "hub"))
    return expanded(said.get("HF_HUB_CACHE", older))


def expanded(path: str) -> str:
    """Return *path* with what `~` and variables stand for; unknown ones stay as written."""
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - Path refuses unknown users


def _is_true(value: str) -> bool:
    return value.upper() in _TRUE
