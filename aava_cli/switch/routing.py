"""Decide which provider and which pipeline the engine answers calls with; no I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli import yamlfile
from aava_cli.errors import NotFound, NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.yamlfile import Scalar

KEYS = ("default_provider", "active_pipeline")
_PROVIDER, _PIPELINE = ((key,) for key in KEYS)
NO_PIPELINE = "none"
_ROLES = ("stt", "llm", "tts")
# What the engine replaces by the environment, where nothing is given instead.
_REQUIRED = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Routing:
    """What the engine should use; None leaves a choice as it is."""

    provider: str | None = None
    pipeline: str | None = None

    def __bool__(self) -> bool:
        return (self.provider, self.pipeline) != (None, None)


NO_ROUTING = Routing()


def plan_routing(
    wanted: Routing,
    base: Mapping[str, object],
    merged: Mapping[str, object],
    env: Mapping[str, str],
) -> dict[tuple[str, ...], Scalar | None]:
    """Return the keys of the overlay that bring *wanted* about, None being one to remove.

    *base* is the engine's configuration as it is shipped, *merged* with the overlay, *env* what
    its placeholders are filled from.

    Raises:
        NotFound: there is no such provider or pipeline; the nearest names are given.
        NotPossible: it is switched off, or lacks a key or an address.
    """
    changes: dict[tuple[str, ...], Scalar | None] = {}
    if wanted.provider is not None:
        _check_provider(wanted.provider, merged, env)
        changes[_PROVIDER] = wanted.provider
    if wanted.pipeline == NO_PIPELINE:
        # Where the shipped configuration names one, only a null takes it away.
        changes[_PIPELINE] = yamlfile.NULL if base.get(_PIPELINE[0]) else None
    elif wanted.pipeline is not None:
        _check_pipeline(wanted.pipeline, merged, env)
        changes[_PIPELINE] = wanted.pipeline
    return changes


def _check_provider(name: str, merged: Mapping[str, object], env: Mapping[str, str]) -> None:
    pipelines, providers = _table(merged, "pipelines"), _table(merged, "providers")
    if name in providers:
        _check_block(name, providers[name], env)
    elif name in pipelines:
        # The engine takes the name of a pipeline here, too.
        _check_pipeline(name, merged, env)
    else:
        listing = "aava switch --help"
        raise NotFound.named("provider", name, [*providers, *pipelines], listing=listing)


def _check_pipeline(name: str, merged: Mapping[str, object], env: Mapping[str, str]) -> None:
    pipelines, providers = _table(merged, "pipelines"), _table(merged, "providers")
    if name not in pipelines:
        raise NotFound.named("pipeline", name, pipelines, listing="aava switch --help")
    parts = pipelines[name]
    for part in (str(parts.get(role)) for role in _ROLES) if isinstance(parts, dict) else ():
        # Some parts are built into the engine and need no block.
        if part in providers:
            _check_block(part, providers[part], env)


def _check_block(name: str, block: object, env: Mapping[str, str]) -> None:
    fields = block if isinstance(block, dict) else {}
    if fields.get("enabled") is False:
        hint = f"set `providers.{name}.enabled` in `config/ai-agent.local.yaml`"
        raise NotPossible(f"the provider `{name}` is switched off", hint=hint)
    missing = [
        key for text in _texts(fields) for key in _REQUIRED.findall(text) if not env.get(key)
    ]
    if missing:
        message = f"the provider `{name}` needs `{missing[0]}`, which is not set"
        raise NotPossible(message, hint=f"set `{missing[0]}` in `.env`")
    addresses = [fields[key] for key in ("ws_url", "base_url") if key in fields]
    if name.startswith("local") and addresses and not any(addresses):
        hint = f"set `providers.{name}.ws_url` in `config/ai-agent.local.yaml`"
        raise NotPossible(f"the provider `{name}` has no address of a daemon", hint=hint)


def _table(config: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = config.get(key)
    # YAML takes `off:` or `1:` for a key that is no text, by which nobody can name it.
    entries = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in entries if isinstance(name, str)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
