"""What a rebuild decides before anything is asked to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.backends import BACKENDS
from aava_cli.docker.buildlog import FailedStep
from aava_cli.errors import (
    AavaError,
    IntegrityError,
    NetworkError,
    NoSpace,
    NotFound,
    NotPossible,
    UsageError,
)
from aava_cli.rebuild.causes import BuildFailed, failure_of
from aava_cli.rebuild.conditions import architectures
from aava_cli.rebuild.plan import Known, RebuildPlan, Wish, plan_rebuild
from aava_cli.redact import scrub, secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

# As the daemon's own Compose file has them.
CONFIGURED = {"INCLUDE_VOSK": "true", "INCLUDE_FASTER_WHISPER": "false", "ONNX_RUNTIME_SHA256": ""}
IMAGE = "agent-local-ai-server:latest"


def planned(
    *add: str,
    drop: tuple[str, ...] = (),
    able: Mapping[str, bool] | None = None,
    recorded: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    hidden: tuple[str, ...] = (),
) -> RebuildPlan:
    """Return the plan for *add* and *drop* on an image like that."""
    known = Known(able, recorded or {}, CONFIGURED, env or {}, frozenset(hidden))
    return plan_rebuild(Wish.of(add, drop), known, IMAGE)


def test_value_is_the_one_word_that_the_image_understands() -> None:
    """What is not asked for stays as the files have it."""
    plan = planned("faster_whisper", able={"vosk": True})
    assert ("true", "true") == (plan.args["INCLUDE_FASTER_WHISPER"], plan.args["INCLUDE_VOSK"])
    assert {"INCLUDE_FASTER_WHISPER": "true"} == plan.env


def test_what_only_the_image_knows_stays_in_it() -> None:
    """Somebody built it in with an argument of his own; `.env` says so from now on."""
    plan = planned("faster_whisper", able={"whisper_cpp": True, "vosk": True})
    assert ("faster_whisper",) == plan.add
    expected = {"INCLUDE_WHISPER_CPP": "true", "INCLUDE_FASTER_WHISPER": "true"}
    assert expected == plan.env
    recorded = planned("faster_whisper", recorded={"INCLUDE_TONE": "true"})
    assert "true" == recorded.args["INCLUDE_TONE"]


def test_daemon_decides_what_is_there_and_else_the_image() -> None:
    """`.env` may say anything."""
    assert planned("vosk", able={"vosk": True}).is_empty
    assert planned("vosk", recorded={"INCLUDE_VOSK": "true"}).is_empty
    assert not planned("vosk", able={}, recorded={"INCLUDE_VOSK": "true"}).is_empty
    assert not planned("vosk", env={"INCLUDE_VOSK": "true"}).is_empty


def test_backend_that_the_daemon_denies_is_asked_of_the_image() -> None:
    """Silero without models is denied by a daemon whose image holds it: it is not built again."""
    made = {"INCLUDE_SILERO": "true"}
    assert planned("silero", able={"silero": False}, recorded=made, hidden=("silero",)).is_empty
    assert not planned("silero", able={"silero": False}, recorded=made).is_empty
    assert not planned("silero", able={}, hidden=("silero",)).is_empty


def test_backend_goes_only_if_nothing_selects_it() -> None:
    """The daemon could not start with it any more."""
    plan = planned(drop=("melotts",), able={"melotts": True})
    assert (("melotts",), "false") == (plan.drop, plan.args["INCLUDE_MELOTTS"])
    assert planned(drop=("melotts",), able={}).is_empty
    with pytest.raises(NotPossible, match="selects `melotts`"):
        planned(drop=("melotts",), able={"melotts": True}, env={"LOCAL_TTS_BACKEND": "melotts"})


def test_language_engine_goes_if_it_has_no_model() -> None:
    """It is the only one, so that nothing names it."""
    assert ("llama",) == planned(drop=("llama",), able={"llama": True}).drop
    with pytest.raises(NotPossible, match="selects `llama`"):
        planned(drop=("llama",), able={"llama": True}, env={"LOCAL_LLM_MODEL_PATH": "/x.gguf"})


def test_checksum_that_is_needed_has_to_be_there() -> None:
    """Otherwise a program would be put into the image that nobody checked."""
    with pytest.raises(NotPossible, match="KROKO_SERVER_SHA256"):
        planned("kroko")
    given = planned("kroko", env={"KROKO_SERVER_SHA256": "ab"})
    assert "ab" == given.args["KROKO_SERVER_SHA256"]


def test_room_is_that_of_the_largest_backend() -> None:
    """Any other image takes the usual room."""
    assert planned("melotts").room_bytes == 12_000_000_000
    assert planned("tone").room_bytes == 5_000_000_000


@pytest.mark.parametrize(("add", "drop"), [((), ()), (("vosk",), ("vosk",))])
def test_wish_that_cannot_be_is_a_wrong_command_line(
    add: tuple[str, ...], drop: tuple[str, ...]
) -> None:
    """For nothing, or for a thing and its opposite."""
    with pytest.raises(UsageError):
        Wish.of(add, drop)


def test_unknown_backend_is_not_found() -> None:
    """The nearest is named."""
    with pytest.raises(NotFound, match="faster_whisper"):
        Wish.of(("fast-whisper",))


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_can_be_built(name: str) -> None:
    """A newcomer needs no more than its record."""
    env = dict.fromkeys(BACKENDS[name].build_needs, "00")
    plan = planned(name, env=env)
    assert ("true", (name,)) == (plan.args[BACKENDS[name].build_arg], plan.add)
    assert f"build {name}" == plan.name


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("write /x: no space left on device", NoSpace),
        ("curl: (6) Could not resolve host: x", NetworkError),
        ("sha256sum: WARNING: 1 computed checksum did NOT match", IntegrityError),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", IntegrityError),
        ("ERROR: No matching distribution found for sherpa-onnx==1.9", BuildFailed),
        ("could not select device driver", BuildFailed),
        ("x.c:1:10: fatal error: x.h: No such file", BuildFailed),
        ("nobody knows", BuildFailed),
    ],
)
def test_cause_of_a_failing_step_is_named(said: str, kind: type[AavaError]) -> None:
    """The step is named in any case."""
    failure = failure_of(FailedStep("RUN x", "exit code: 1", (said,)), Path("build.log"))
    assert (kind, True) == (type(failure), "`RUN x` failed" in failure.message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("75;86-real", ((7, 5), (8, 6))),
        ("89,120", ((8, 9), (12, 0))),
        ("native", ()),
        ("all-major;90a", ()),
    ],
)
def test_architectures_are_read_as_cmake_has_them(
    text: str, expected: tuple[tuple[int, int], ...]
) -> None:
    """Words say nothing about numbers."""
    assert expected == architectures(text)


def test_secrets_are_taken_out_of_what_others_print() -> None:
    """Values of what is called like a secret, and what stands in an address."""
    secrets = secrets_in({"HF_TOKEN": "hf_abcdef", "SHORT_KEY": "ab", "NAME": "visible"})
    text = scrub("visible ab hf_abcdef https://me:pass@host/x", secrets)
    assert "visible ab *** https://***@host/x" == text
