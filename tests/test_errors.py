"""Failures: each has its code, its exit code and a next command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli import errors
from aava_cli.errors import AavaError, ConfigError, NotFound, nearest, with_nearest

EXITS = {
    "UsageError": 2,
    "ConfigError": 1,
    "NotPossible": 1,
    "RolledBack": 3,
    "RecoveryDue": 4,
    "Busy": 5,
    "NetworkError": 6,
    "IntegrityError": 7,
    "NoSpace": 8,
    "NotFound": 10,
    "DaemonUnreachable": 11,
    "AccessDenied": 12,
    "Offline": 13,
    "Bug": 70,
    "Interrupted": 130,
    "Stopped": 143,
}


def _own_errors() -> dict[str, type[AavaError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, AavaError) and value is not AavaError
    }


def test_exit_codes_are_the_documented_ones() -> None:
    """Scripts rely on the numbers."""
    assert {name: kind.exit_code for name, kind in _own_errors().items()} == EXITS


def test_each_failure_has_a_code_of_its_own() -> None:
    """Programs tell failures apart by their code."""
    codes = [AavaError.code, *(kind.code for kind in _own_errors().values())]
    assert len(set(codes)) == len(codes)


def test_the_module_lists_every_failure() -> None:
    """The tree at the top of the module leaves nothing out."""
    text = str(errors.__doc__)
    assert [] == [name for name in _own_errors() if f"─ {name} " not in text]


@pytest.mark.parametrize("kind", _own_errors().values(), ids=lambda kind: str(kind.__name__))
def test_failure_carries_message_and_hint(kind: type[AavaError]) -> None:
    """Nobody is left without a next step."""
    error = kind("it failed", hint="run `aava status`")
    assert ("it failed", "it failed", "run `aava status`") == (
        str(error),
        error.message,
        error.hint,
    )


def test_only_busy_network_and_daemon_are_worth_a_retry() -> None:
    """A retry of anything else would fail the same way."""
    retryable = {name for name, kind in _own_errors().items() if kind.retryable}
    assert {"Busy", "NetworkError", "DaemonUnreachable"} == retryable


def test_termination_is_not_caught_by_except_exception() -> None:
    """Code between undo and `main` cannot swallow a signal."""
    assert not issubclass(errors.Terminated, Exception)


def test_config_error_names_file_line_and_expectation() -> None:
    """A person can go to the line."""
    error = ConfigError.at("a/.env", 7, "expected KEY=VALUE")
    assert ("a/.env:7: expected KEY=VALUE", "correct line 7 of `a/.env`") == (
        error.message,
        error.hint,
    )


def test_not_found_names_the_three_nearest_best_first() -> None:
    """A typing error is seen at once."""
    known = ("vosk", "sherpa", "kroko", "faster_whisper", "whisper_cpp", "tone")
    error = NotFound.named("backend", "fasterwhisper", known, listing="aava models list")
    assert error.message == (
        "no backend named `fasterwhisper`; nearest: `faster_whisper`, `whisper_cpp`, `sherpa`"
    )
    assert error.hint == "run `aava models list` to see every backend"


def test_not_found_without_candidates_names_none() -> None:
    """An empty catalog offers nothing."""
    error = NotFound.named("model", "x", (), listing="aava models list")
    assert error.message == "no model named `x`"


def test_with_nearest_keeps_the_message_when_nothing_is_known() -> None:
    """No dangling `nearest:`."""
    assert with_nearest("no option `-x`", "-x", ()) == "no option `-x`"


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.data())
def test_an_exact_name_is_its_own_nearest(known: list[str], data: st.DataObject) -> None:
    """The right name comes first, whatever its neighbours are."""
    name = data.draw(st.sampled_from(known))
    found = nearest(name, known)
    assert name.lower() == found[0].lower()
    assert len(found) == min(3, len(known))


@given(st.text(), st.lists(st.text()))
def test_nearest_does_not_depend_on_the_order_of_names(name: str, known: list[str]) -> None:
    """Two runs give the same answer."""
    assert nearest(name, known) == nearest(name, reversed(known))
