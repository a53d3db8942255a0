"""What a status reply says, read without believing more than it says."""

from __future__ import annotations

from typing import Any

import pytest

from aava_cli.backends import BACKENDS
from aava_cli.daemon.status import (
    Expectation,
    Slot,
    is_minimal,
    is_native,
    loaded_roles,
    slots_of,
)
from aava_cli.roles import ROLES
from tests.daemon.conftest import status_of

RUNNING = status_of("vosk", "/app/models/a")
WANTED = {"stt_backend": "vosk", "models.stt.path": "/app/models/a"}


def test_slots_are_what_the_reply_says() -> None:
    """One per role, each with its backend, path, state and error."""
    stt, llm, tts = slots_of(status_of("vosk", "/a", loaded=False, stt="no such folder"))
    assert Slot("stt", BACKENDS["vosk"], "/a", loaded=False, error="no such folder") == stt
    assert Slot("llm", BACKENDS["llama"], None, loaded=False, error=None) == llm
    assert Slot("tts", BACKENDS["piper"], None, loaded=False, error=None) == tts


@pytest.mark.parametrize(
    "status", [{}, {"models": None}, {"models": {"stt": None}, "config": {"startup_errors": None}}]
)
def test_reply_without_parts_has_empty_slots(status: dict[str, Any]) -> None:
    """An older or newer daemon leaves things out."""
    assert ROLES == tuple(slot.role for slot in slots_of(status))
    assert [(None, False, None)] * 3 == [
        (slot.path, slot.loaded, slot.error) for slot in slots_of(status)
    ]


def test_backend_that_we_do_not_know_is_none() -> None:
    """A daemon may run more engines than we know."""
    assert slots_of(status_of("nemo", "/a"))[0].backend is None


def test_expected_state_has_no_mismatch() -> None:
    """All values are there and all that must be loaded is."""
    assert Expectation(WANTED, ("stt",)).mismatches(RUNNING) == ()


def test_success_without_the_model_is_a_mismatch() -> None:
    """The right path says nothing while the model is not loaded."""
    status = status_of("vosk", "/app/models/a", loaded=False)
    assert Expectation(WANTED, ("stt",)).mismatches(status) == ("the stt model is not loaded",)


def test_other_value_is_named_with_what_was_expected() -> None:
    """The message shows both sides."""
    status = status_of("vosk", "/app/models/b")
    assert Expectation(WANTED, ("stt",)).mismatches(status) == (
        "`models.stt.path` is `/app/models/b` instead of `/app/models/a`",
    )


def test_error_of_a_role_that_must_be_loaded_counts() -> None:
    """A daemon that says loaded and reports an error has not loaded it."""
    status = status_of("vosk", "/app/models/a", stt="failed", tts="no voice")
    assert Expectation(WANTED, ("stt",)).mismatches(status) == ("stt: failed",)


def test_roles_that_need_not_be_loaded_are_left_alone() -> None:
    """A language model that was down before the switch may be down after it."""
    status = status_of("vosk", "/app/models/a", llm="no file")
    assert Expectation(WANTED, ("stt",)).mismatches(status) == ()


def test_loaded_roles() -> None:
    """Only what the daemon itself calls loaded, of what was asked about."""
    assert loaded_roles(RUNNING, ROLES) == ("stt",)
    assert loaded_roles(RUNNING, ("llm", "tts")) == ()


def test_kind_of_daemon_is_told_by_its_reply() -> None:
    """Ours tells its version; the original may run without a language model."""
    assert (False, True) == (is_native(RUNNING), is_native({"version": "0.1.0"}))
    assert (False, True) == (
        is_minimal(RUNNING),
        is_minimal({"config": {"runtime_mode": "minimal"}}),
    )
