"""`aava backends`: what can be set, and to what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aava_cli.backends import BACKENDS

if TYPE_CHECKING:
    from tests.conftest import Aava


def test_every_engine_is_listed(aava: Aava) -> None:
    """With what brings it into the image."""
    run = aava("backends")
    lines = run.stdout.splitlines()
    assert (0, list(BACKENDS)) == (run.exit_code, [line.split()[0] for line in lines[1:]])
    assert "INCLUDE_KROKO_EMBEDDED" in run.stdout


@pytest.mark.parametrize("name", BACKENDS)
def test_every_option_is_listed(aava: Aava, name: str) -> None:
    """With its role, its range and its key."""
    run = aava("backends", name)
    assert 0 == run.exit_code
    for setting in BACKENDS[name].settings:
        assert f"{BACKENDS[name].role}.{setting.option}" in run.stdout
        assert setting.env in run.stdout


def test_a_program_reads_types_and_ranges(aava: Aava) -> None:
    """`--json` has them apart."""
    result = json.loads(aava("backends", "LLAMA", "--json").stdout)["result"]["backend"]
    assert ("llama", "llm", "INCLUDE_LLAMA") == (
        result["name"],
        result["role"],
        result["build_arg"],
    )
    options = {each["option"]: each for each in result["options"]}
    assert {
        "option": "context",
        "type": "integer",
        "accepts": "a whole number from 16 to 16,777,216",
        "choices": [],
        "least": 16,
        "most": 16777216,
        "default": None,
        "env": "LOCAL_LLM_CONTEXT",
        "hot": True,
        "when": None,
        "about": "tokens that it sees at once",
    } == options["context"]
    assert (False, "auto") == (
        options["system_prompt"]["hot"],
        options["chat_format"]["choices"][0],
    )


def test_conditions_and_restarts_are_said(aava: Aava) -> None:
    """What counts only with something else, and what the running daemon does not take."""
    shown = aava("backends", "sherpa").stdout
    assert "only with `type=offline`; needs a restart" in " ".join(shown.split())


def test_unknown_engine_is_exit_10(aava: Aava) -> None:
    """With the nearest names."""
    run = aava("backends", "wisper")
    assert 10 == run.exit_code
    assert "`whisper_cpp`" in run.stderr
