"""What a status reply says, read without believing more than it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.backends import BACKENDS
from aava_cli.daemon.status import (
    Expectation,
    Slot,
    fallbacks,
    is_minimal,
    is_native,
    loaded_roles,
    slots_of,
)
from aava_cli.roles import ROLES
from tests.daemon.conftest import status_of

if TYPE_CHECKING:
    from aava_cli.roles import Role

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


@pytest.mark.parametrize(
    ("said", "roles", "expected"),
    [
        ({}, ("stt", "llm", "tts"), ()),
        ({"stt": "no CUDA"}, ("stt",), ("stt: the daemon fell back: no CUDA",)),
        ({"stt": "no CUDA"}, ("llm",), ()),
        ({"melotts": "no CUDA"}, ("llm",), ("melotts: the daemon fell back: no CUDA",)),
    ],
)
def test_fallback_of_a_role_is_said(
    said: dict[str, str], roles: tuple[Role, ...], expected: tuple[str, ...]
) -> None:
    """What is not of a known role may concern any of them."""
    assert expected == fallbacks({"config": {"runtime_fallbacks": said}}, roles)


def test_layers_that_are_not_on_the_gpu_are_said() -> None:
    """They were asked for, and the daemon tells that none is there."""
    config = {"gpu_layers_configured": -1, "gpu_layers_effective": 0}
    status = {"models": {"llm": {"config": config}}}
    assert ("llm: -1 layers were to be on the GPU, and none is",) == fallbacks(status, ("llm",))
    assert fallbacks(status, ("stt",)) == ()
    config["gpu_layers_effective"] = 12
    assert fallbacks(status, ("llm",)) == ()
