"""Which provider and pipeline the engine uses: checked against what its configuration has."""

from __future__ import annotations

from typing import Any

import pytest

from aava_cli import yamlfile
from aava_cli.errors import NotFound, NotPossible
from aava_cli.switch.routing import Routing, plan_routing

PROVIDERS: dict[str, Any] = {
    "local": {"type": "full", "ws_url": "ws://127.0.0.1:8765", "base_url": "${URL:-}"},
    "local_stt": {"stt_backend": "vosk"},
    "local_tts": {"ws_url": "", "base_url": None},
    "groq": {"api_key": "${GROQ_API_KEY}", "models": ["${GROQ_MODEL:-a}", 1]},
    "off": {"enabled": False},
    "odd": "text",
}
PIPELINES: dict[str, Any] = {
    "hybrid": {"stt": "local_stt", "llm": "native_llm", "tts": "local_stt", "tools": []},
    "cloud": {"stt": "local_stt", "llm": "groq", "tts": "local_stt"},
    "silent": {"stt": "local_stt", "llm": "native_llm", "tts": "off"},
    "odd": None,
}
BASE: dict[str, object] = {"providers": PROVIDERS, "pipelines": PIPELINES, "active_pipeline": None}
PROVIDER, PIPELINE = ("default_provider",), ("active_pipeline",)


def planned(routing: Routing, base: dict[str, object] | None = None, **env: str) -> dict[Any, Any]:
    """Return what is written for *routing*."""
    config = base or BASE
    return plan_routing(routing, config, config, env)


def test_nothing_wanted_changes_nothing() -> None:
    """A switch of models leaves the engine's choice alone."""
    assert (False, {}) == (bool(Routing()), planned(Routing()))


@pytest.mark.parametrize("name", ["local", "local_stt", "hybrid", "odd"])
def test_provider_may_be_a_block_or_a_pipeline(name: str) -> None:
    """The shipped default is the name of a pipeline."""
    assert {PROVIDER: name} == planned(Routing(provider=name))


def test_both_change_together() -> None:
    """One transaction, two keys."""
    routing = Routing("local", "cloud")
    assert {PROVIDER: "local", PIPELINE: "cloud"} == planned(routing, GROQ_API_KEY="x")


def test_no_pipeline_takes_the_key_away() -> None:
    """Where the shipped file has none, there is nothing to hide."""
    assert {PIPELINE: None} == planned(Routing(pipeline="none"))


def test_no_pipeline_hides_the_shipped_one() -> None:
    """Only a null in the overlay deletes what is below."""
    base = {**BASE, "active_pipeline": "hybrid"}
    assert {PIPELINE: yamlfile.NULL} == planned(Routing(pipeline="none"), base)


@pytest.mark.parametrize(
    ("routing", "kind"),
    [(Routing(provider="lokal"), "provider"), (Routing(pipeline="hybird"), "pipeline")],
)
def test_unknown_name_is_not_found(routing: Routing, kind: str) -> None:
    """The nearest names are given."""
    with pytest.raises(NotFound, match=f"no {kind}"):
        planned(routing)


def test_configuration_without_tables_knows_nothing() -> None:
    """A file that holds other things is no reason to crash."""
    with pytest.raises(NotFound):
        planned(Routing(provider="local"), {"providers": "none"})


def test_key_that_is_no_text_is_nobodys_name() -> None:
    """YAML makes a truth of `off` and a number of `1`."""
    config: dict[str, object] = yamlfile.load("providers: {off: {}, 1: {}, cloud: {}}", name="y")
    with pytest.raises(NotFound, match=r"no provider named `off`; nearest: `cloud`$"):
        planned(Routing(provider="off"), config)


@pytest.mark.parametrize("routing", [Routing(provider="groq"), Routing(pipeline="cloud")])
def test_missing_key_is_named(routing: Routing) -> None:
    """The engine would start and fail at the first call."""
    with pytest.raises(NotPossible, match="needs `GROQ_API_KEY`"):
        planned(routing)


@pytest.mark.parametrize("routing", [Routing(provider="off"), Routing(pipeline="silent")])
def test_what_is_switched_off_is_not_chosen(routing: Routing) -> None:
    """The block says so itself."""
    with pytest.raises(NotPossible, match="`off` is switched off"):
        planned(routing)


def test_local_provider_needs_an_address() -> None:
    """Nobody would answer it."""
    with pytest.raises(NotPossible, match="`local_tts` has no address"):
        planned(Routing(provider="local_tts"))
