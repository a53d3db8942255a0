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
from aava_cli.rebuild.architectures import architectures, require_architecture
from aava_cli.rebuild.causes import BuildFailed, failure_of
from aava_cli.rebuild.plan import Known, RebuildPlan, Wish, build_args, plan_rebuild
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
    configured: Mapping[str, str] = CONFIGURED,
) -> RebuildPlan:
    """Return the plan for *add* and *drop* on an image like that."""
    known = Known(recorded, able, configured, env or {}, frozenset(hidden))
    return plan_rebuild(Wish.of(add, drop), known, IMAGE)


def test_value_is_the_one_word_that_the_image_understands() -> None:
    """What is not asked for stays as the files have it."""
    plan = planned("faster_whisper", able={"vosk": True})
    wanted = (plan.includes["INCLUDE_FASTER_WHISPER"], plan.includes["INCLUDE_VOSK"])
    assert ("true", "true") == wanted
    assert {"INCLUDE_FASTER_WHISPER": "true"} == plan.env


def test_what_only_the_image_knows_stays_in_it() -> None:
    """Somebody built it in with an argument of his own; `.env` says so from now on."""
    plan = planned("faster_whisper", able={"whisper_cpp": True, "vosk": True})
    assert ("faster_whisper",) == plan.add
    expected = {"INCLUDE_WHISPER_CPP": "true", "INCLUDE_FASTER_WHISPER": "true"}
    assert expected == plan.env
    recorded = planned("faster_whisper", recorded={"INCLUDE_TONE": "true"})
    assert "true" == recorded.includes["INCLUDE_TONE"]


def test_image_decides_what_is_there_and_else_the_daemon() -> None:
    """`.env` may say anything; a daemon offers some for the models that it finds."""
    made = {"INCLUDE_VOSK": "true", "INCLUDE_KOKORO": "false"}
    assert planned("vosk", recorded=made).is_empty
    assert planned("vosk", recorded={}, able={"vosk": True}).is_empty
    assert not planned("kokoro", recorded=made, able={"vosk": True, "kokoro": True}).is_empty
    assert not planned("vosk", able={}, recorded={}).is_empty
    assert not planned("vosk", env={"INCLUDE_VOSK": "true"}).is_empty
    # Matcha comes with sherpa's argument.
    assert planned("matcha", recorded={"INCLUDE_SHERPA": "true"}).is_empty


def test_backend_that_its_image_holds_in_vain_is_not_built_again() -> None:
    """The daemon's own words say why it cannot use it."""
    with pytest.raises(NotPossible, match="built with `vosk`, and the daemon in it denies it"):
        planned("vosk", recorded={"INCLUDE_VOSK": "true"}, able={"vosk": False})


def test_backend_that_the_daemon_denies_is_asked_of_the_image() -> None:
    """Silero without models is denied by a daemon whose image holds it: it is not built again."""
    made = {"INCLUDE_SILERO": "true"}
    assert planned("silero", able={"silero": False}, recorded=made, hidden=("silero",)).is_empty
    assert not planned("silero", able={}, recorded={}, hidden=("silero",)).is_empty


def test_backend_goes_only_if_nothing_selects_it() -> None:
    """The daemon could not start with it any more."""
    plan = planned(drop=("melotts",), able={"melotts": True})
    assert (("melotts",), "false") == (plan.drop, plan.includes["INCLUDE_MELOTTS"])
    assert planned(drop=("melotts",), able={}).is_empty
    with pytest.raises(NotPossible, match="selects `melotts`"):
        planned(drop=("melotts",), able={"melotts": True}, env={"LOCAL_TTS_BACKEND": "melotts"})


def test_language_engine_goes_if_it_has_no_model() -> None:
    """It is the only one, so that nothing names it."""
    assert ("llama",) == planned(drop=("llama",), able={"llama": True}).drop
    with pytest.raises(NotPossible, match="selects `llama`"):
        planned(drop=("llama",), able={"llama": True}, env={"LOCAL_LLM_MODEL_PATH": "/x.gguf"})


def test_backend_that_is_not_there_stays_out_whatever_the_files_say() -> None:
    """What is to go is out of the next build as well."""
    files = {"INCLUDE_TONE": "false", "INCLUDE_WHISPER_CPP": "true"}
    lacking = {"INCLUDE_WHISPER_CPP": "false"}
    plan = planned("tone", drop=("whisper_cpp",), recorded=lacking, configured=files)
    assert ("false", ()) == (plan.includes["INCLUDE_WHISPER_CPP"], plan.drop)
    assert {"INCLUDE_TONE": "true", "INCLUDE_WHISPER_CPP": "false"} == plan.env
    alone = planned(drop=("whisper_cpp",), recorded=lacking, configured=files)
    assert (True, {"INCLUDE_WHISPER_CPP": "false"}) == (alone.is_empty, alone.env)


def test_what_the_files_bring_in_besides_is_told() -> None:
    """Somebody has written it there; a build of Compose's own would bring it as well."""
    files = {"INCLUDE_TONE": "false", "INCLUDE_MELOTTS": "true", "INCLUDE_SILERO": "1"}
    plan = planned("tone", recorded={}, able={"vosk": True}, configured=files)
    assert (("INCLUDE_MELOTTS",), 12_000_000_000) == (plan.also, plan.room_bytes)
    assert "besides   INCLUDE_MELOTTS, as the files say" in list(plan.text())
    # Only one word is understood; what means nothing to the build is left as it is written.
    assert ("false", False) == (plan.includes["INCLUDE_SILERO"], "INCLUDE_SILERO" in plan.env)
    assert () == planned("tone", configured=files).also


def test_checksum_that_is_needed_has_to_be_there() -> None:
    """Otherwise a program would be put into the image that nobody checked."""
    with pytest.raises(NotPossible, match="KROKO_SERVER_SHA256"):
        planned("kroko")
    env = {"KROKO_SERVER_SHA256": "ab"}
    assert ("KROKO_SERVER_SHA256",) == planned("kroko", env=env).needs


def test_checksum_goes_with_what_is_built_in_again() -> None:
    """It is not downloaded unchecked because it is there already."""
    made = {"INCLUDE_KROKO_EMBEDDED": "true"}
    with pytest.raises(NotPossible, match="KROKO_SERVER_SHA256"):
        planned("tone", recorded=made)
    known = Known(made, None, CONFIGURED, {"KROKO_SERVER_SHA256": "ab"})
    args = build_args(plan_rebuild(Wish.of(("tone",)), known, IMAGE), known)
    assert ("ab", "true") == (args["KROKO_SERVER_SHA256"], args["INCLUDE_KROKO_EMBEDDED"])


def test_plan_shows_no_value_of_an_argument() -> None:
    """Others than those of the backends may be secrets."""
    known = Known(None, None, {**CONFIGURED, "BUILD_TOKEN": "hunter2secret"}, {})
    assert "hunter2secret" not in repr(plan_rebuild(Wish.of(("tone",)), known, IMAGE))


def test_room_is_that_of_the_largest_backend() -> None:
    """Any other image takes the usual room."""
    assert planned("melotts").room_bytes == 12_000_000_000
    assert planned("tone").room_bytes == 5_000_000_000
    nothing = planned(drop=("vosk",), recorded={"INCLUDE_VOSK": "true"})
    assert nothing.room_bytes == 5_000_000_000


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
    assert ("true", (name,)) == (plan.includes[BACKENDS[name].build_arg], plan.add)
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
        ("the pattern did not match anything", BuildFailed),
        ("nobody knows", BuildFailed),
    ],
)
def test_cause_of_a_failing_step_is_named(said: str, kind: type[AavaError]) -> None:
    """The step is named in any case."""
    failure = failure_of(FailedStep("RUN x", "exit code: 1", (said,)), Path("build.log"))
    assert (kind, True) == (type(failure), "`RUN x` failed" in failure.message)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("fatal error: Killed signal terminated program cc1plus", "lack of memory"),
        ("404  Not Found [IP: 10.0.0.1 80]", "not to be had any more"),
        ("E: Version '1.2' for 'foo' was not found", "not to be had any more"),
        ("wget: ERROR 404: Not Found.", "not to be had any more"),
        ("curl: (22) The requested URL returned error: 404", "not to be had any more"),
    ],
)
def test_cause_is_told_from_its_like(said: str, cause: str) -> None:
    """A compiler that was killed has no mistake in its source."""
    assert cause in failure_of(FailedStep("RUN x", "exit code: 1", (said,)), Path("log")).message


@pytest.mark.parametrize(
    ("named", "fitting", "unfit"),
    [
        ("", ((5, 0), (12, 0)), ()),
        ("native", ((5, 0), (12, 0)), ()),
        ("all-major;90", ((5, 0),), ()),
        ("75", ((7, 5), (8, 6), (12, 0)), ((7, 0),)),
        ("70-real;75-real", ((7, 0), (7, 5)), ((8, 6), (6, 1))),
        ("75-real;90", ((7, 5), (9, 0), (12, 0)), ((8, 6),)),
        ("80-real", ((8, 0), (8, 6), (8, 9)), ((9, 0),)),
        ("89,120", ((8, 9), (9, 0), (12, 0)), ((8, 6),)),
        ("80-virtual", ((8, 0), (9, 0)), ((7, 5),)),
        ("90a", ((9, 0),), ((10, 0),)),
        ("8.6", ((8, 6), (8, 9)), ((8, 0),)),
    ],
)
def test_architectures_are_those_that_code_runs_on(
    named: str, fitting: tuple[tuple[int, int], ...], unfit: tuple[tuple[int, int], ...]
) -> None:
    """Machine code runs within its generation, what is translated on all later ones."""
    require_architecture(fitting, named)
    for device in unfit:
        with pytest.raises(NotPossible, match="leaves out this GPU"):
            require_architecture((device,), named)


def test_one_word_that_stands_for_several_leaves_it_open() -> None:
    """The image's file knows which those are."""
    assert () == architectures("all;75")


def test_secrets_are_taken_out_of_what_others_print() -> None:
    """Values of what is called like a secret, and what stands in an address."""
    secrets = secrets_in({"HF_TOKEN": "hf_abcdef", "SHORT_KEY": "ab", "NAME": "visible"})
    text = scrub("visible ab hf_abcdef https://me:pass@host/x", secrets)
    assert "visible ab *** https://***@host/x" == text


@pytest.mark.parametrize(
    "name", ["DB_PWD", "GH_PAT", "ACCESSTOKEN", "KEY_PASSPHRASE", "jwt.secret", "API_KEY"]
)
def test_secret_is_known_by_its_name(name: str) -> None:
    """However its owner abbreviates."""
    assert "is ***" == scrub("is h4nt", secrets_in({name: "h4nt"}))
    assert "is /srv/x" == scrub("is /srv/x", secrets_in({"PWD": "/srv/x", "MAX_TOKENS": "srv/"}))


def test_secret_is_known_in_other_spellings() -> None:
    """Compose doubles its dollars; a key of several lines is printed a line at a time."""
    secrets = secrets_in({"A_TOKEN": "hun$$ter", "PEM_KEY": "-----BEGIN-----\nMIIEabcdef\n--"})
    assert "*** *** ***" == scrub("hun$ter hun$$ter MIIEabcdef", secrets)
