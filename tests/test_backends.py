"""The backend records: complete, consistent, and the only source of what is written or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import (
    BACKENDS,
    Backend,
    Selection,
    Setting,
    backend_in_env,
    backend_in_status,
    backend_named,
    lookup,
    running_in,
    selected_in,
)
from aava_cli.errors import NotFound, UsageError
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY = pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda each: str(each.name))
VALUES = {
    "text": st.text("abcXYZ019/._-", min_size=1),
    "path": st.text("abcXYZ019._-/", min_size=1).map(lambda text: f"/{text}"),
    "language": st.sampled_from(("de", "en-US", "zh_Hans")),
    "url": st.sampled_from(("wss://host/path", "http://127.0.0.1:8880/v1")),
    "integer": st.integers(0, 99_999).map(str),
    "number": st.integers(0, 400).map(lambda hundredths: str(hundredths / 100)),
    "flag": st.sampled_from(("0", "1")),
}
TYPES = {"integer": int, "number": float, "flag": bool}


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """Any backend with values for some of its settings."""
    backend = draw(st.sampled_from(tuple(BACKENDS.values())))
    chosen = draw(st.lists(st.sampled_from(backend.settings), unique_by=lambda each: each.option))
    return Selection(backend, {each.option: draw(values_of(each)) for each in chosen})


def values_of(setting: Setting) -> st.SearchStrategy[str]:
    """Any value that *setting* may have."""
    return st.sampled_from(setting.choices) if setting.choices else VALUES[setting.kind]


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message that holds each value at its dotted path."""
    message: dict[str, Any] = {}
    for path, value in dotted.items():
        *folders, last = path.split(".")
        inner = message
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = value
    return message


@EVERY
def test_model_is_one_of_the_settings(backend: Backend) -> None:
    """What names the model can be written and sent."""
    setting = backend.setting(backend.model)
    assert setting.env
    assert setting.request


@EVERY
def test_settings_have_names_and_places_of_their_own(backend: Backend) -> None:
    """No setting overwrites another."""
    for places in (
        [each.option for each in backend.settings],
        [each.env for each in backend.settings],
        [each.yaml for each in backend.settings if each.yaml],
        [each.request for each in backend.settings if each.request],
        [each.status for each in backend.settings if each.status],
    ):
        assert len(set(places)) == len(places)


@EVERY
def test_what_the_native_daemon_runs_can_be_installed(backend: Backend) -> None:
    """A package to import has an extra that brings it."""
    assert (backend.package is None) == (backend.distribution is None)
    assert backend.build_arg.startswith("INCLUDE_")


def test_each_role_has_a_backend() -> None:
    """Nothing can be chosen for a role without one."""
    assert set(ROLES) == {each.role for each in BACKENDS.values()}


@EVERY
def test_named_in_any_spelling(backend: Backend) -> None:
    """`Faster-Whisper` is `faster_whisper`."""
    assert backend is backend_named(backend.name.replace("_", "-").upper())
    assert backend is backend_named(backend.name, role=backend.role)


def test_unknown_backend_names_the_nearest_of_its_role() -> None:
    """A voice is not offered where an ear is asked for."""
    with pytest.raises(NotFound) as caught:
        backend_named("wisper", role="stt")
    assert caught.value.message.startswith("no stt backend named `wisper`; nearest: `whisper_cpp`")
    with pytest.raises(NotFound, match="no tts backend named `vosk`"):
        backend_named("vosk", role="tts")
    with pytest.raises(NotFound, match="no backend named `x`"):
        backend_named("x")


def test_unknown_option_names_the_nearest() -> None:
    """A typing error in a setting is seen at once."""
    with pytest.raises(NotFound, match="no kroko option named `prt`; nearest: `port`"):
        BACKENDS["kroko"].setting("prt")


@given(selections())
def test_env_reads_back_as_what_was_selected(selection: Selection) -> None:
    """What is written to `.env` selects the same again."""
    assert selection == selected_in(selection.backend, selection.env())
    assert selection.backend is backend_in_env(selection.backend.role, selection.env())


@given(selections())
def test_expected_status_reads_back_as_what_runs(selection: Selection) -> None:
    """A daemon that says what is expected runs what was selected, as far as it can tell."""
    status = nested(selection.expected())
    told = {each.option for each in selection.backend.settings if each.status}
    running = running_in(selection.backend, status)
    expected = {key: value for key, value in selection.values.items() if key in told}
    assert expected == {key: value for key, value in running.values.items() if key in expected}
    asked = {each.option for each in selection.backend.settings if each.request} - told
    believed = running_in(selection.backend, status, selection.env()).values
    untold = {key: value for key, value in selection.values.items() if key in asked}
    assert untold == {key: value for key, value in believed.items() if key in untold}
    assert selection.backend is backend_in_status(selection.backend.role, status)


@given(selections())
def test_request_holds_each_value_at_its_place(selection: Selection) -> None:
    """Every setting that can be asked for is asked for, in its own type."""
    request = selection.request()
    for option in selection.values:
        setting = selection.backend.setting(option)
        if setting.request:
            assert type(lookup(request, setting.request)) is TYPES.get(setting.kind, str)
    if selection.backend.key:
        assert selection.backend.name == request[selection.backend.key]


@given(selections())
def test_yaml_stays_below_the_local_provider(selection: Selection) -> None:
    """The overlay of other providers is never touched."""
    assert {("providers", "local")} >= {path[:2] for path in selection.yaml()}
    assert all(len(path) == 3 for path in selection.yaml())


def test_whisper_cpp_request_is_the_one_that_works() -> None:
    """The daemon ignores every other place for this path."""
    selection = Selection(BACKENDS["whisper_cpp"], {"path": "/app/models/stt/x.bin"})
    assert selection.request() == {
        "stt_backend": "whisper_cpp",
        "stt_model_path": "/app/models/stt/x.bin",
    }
    assert selection.model == "/app/models/stt/x.bin"


def test_faster_whisper_model_is_asked_for_inside_its_config() -> None:
    """A top-level path would set Vosk's."""
    selection = Selection(BACKENDS["faster_whisper"], {"model": "small", "device": "cpu"})
    assert selection.request() == {
        "stt_backend": "faster_whisper",
        "stt_config": {"model": "small", "device": "cpu"},
    }


def test_language_model_is_named_by_its_path_alone() -> None:
    """The daemon has one language engine, so nothing says which."""
    selection = Selection(BACKENDS["llama"], {"path": "/m.gguf", "context": "2048"})
    assert selection.request() == {"llm_model_path": "/m.gguf", "llm_config": {"context": 2048}}
    assert selection.env() == {"LOCAL_LLM_MODEL_PATH": "/m.gguf", "LOCAL_LLM_CONTEXT": "2048"}
    assert (None, None) == (selection.backend.key, selection.backend.env_key)


def test_selection_without_a_model_names_none() -> None:
    """An empty `.env` selects a backend at most."""
    assert Selection(BACKENDS["vosk"], {}).model == ""


def test_empty_values_are_not_selected() -> None:
    """`KEY=` in `.env` and `""` in a status mean that nothing was chosen."""
    assert selected_in(BACKENDS["vosk"], {"LOCAL_STT_MODEL_PATH": ""}).values == {}
    status = {"models": {"stt": {"path": ""}}}
    assert running_in(BACKENDS["vosk"], status).values == {}


def test_what_no_status_tells_is_compared_with_what_was_asked_before() -> None:
    """Another vocoder, or another device, is asked for although the status would be the same."""
    whisper = BACKENDS["faster_whisper"]
    wanted = Selection(whisper, {"model": "small", "device": "cuda", "compute_type": "int8"})
    status = {"models": {"stt": {"path": "small", "device": "cpu"}}}
    unset = running_in(whisper, status, {})
    assert ["device"] == [each.option for each in wanted.unseen_changes(unset)]
    assert ["device"] == [each.option for each in wanted.unseen_changes(None)]
    asked = running_in(whisper, status, {"FASTER_WHISPER_DEVICE": "cuda"})
    assert () == wanted.unseen_changes(asked)


def test_undo_takes_back_what_was_said_for_the_first_time() -> None:
    """The old request without it would leave the new value in place."""
    whisper = BACKENDS["faster_whisper"]
    wanted = Selection(whisper, {"model": "small", "device": "cuda"})
    before = Selection(whisper, {"model": "base"})
    assert {"model": "base", "device": "cpu"} == wanted.undoing(before).values
    said = Selection(whisper, {"model": "base", "device": "auto"})
    assert said == wanted.undoing(said)
    other = Selection(BACKENDS["vosk"], {"path": "/app/models/stt/vosk-x"})
    assert other == wanted.undoing(other)
    chatty = Selection(BACKENDS["llama"], {"path": "/a.gguf", "chat_format": "chatml"})
    plain = Selection(BACKENDS["llama"], {"path": "/b.gguf"})
    assert "auto" == chatty.undoing(plain).values["chat_format"]
    matcha = Selection(BACKENDS["matcha"], {"path": "/a.onnx", "vocoder": "/v.onnx"})
    assert {} == matcha.undoing(Selection(BACKENDS["matcha"], {})).values


@pytest.mark.parametrize(
    ("option", "value"), [("context", "many"), ("temperature", "hot"), ("use_mlock", "perhaps")]
)
def test_malformed_values_of_env_are_named(option: str, value: str) -> None:
    """What somebody wrote into `.env` is no bug of the program."""
    selection = Selection(BACKENDS["llama"], {option: value})
    with pytest.raises(UsageError, match=f"`{option}` takes .*, not `{value}`"):
        selection.request()


@pytest.mark.parametrize(
    ("option", "told", "expected"),
    [
        ("context", 512, "512"),
        ("context", "512", None),
        ("context", True, None),
        ("temperature", 0.4, "0.4"),
        ("temperature", 1, "1"),
        ("temperature", float("nan"), None),
        ("use_mlock", True, "1"),
        ("use_mlock", "1", None),
        ("path", "/a", "/a"),
        ("path", ["/a"], None),
        ("path", None, None),
    ],
)
def test_status_is_believed_where_it_has_the_right_type(
    option: str, told: object, expected: str | None
) -> None:
    """Anything else in a reply says nothing."""
    assert expected == BACKENDS["llama"].setting(option).told(told)


def test_unknown_backends_of_others_are_none() -> None:
    """A daemon newer than we are is no crash."""
    assert backend_in_env("stt", {"LOCAL_STT_BACKEND": "nemo"}) is None
    assert backend_in_env("stt", {}) is None
    assert backend_in_status("tts", {"tts_backend": 7}) is None


@pytest.mark.parametrize(
    ("dotted", "expected"), [("a.b", 1), ("a", {"b": 1}), ("a.c", None), ("a.b.c", None)]
)
def test_lookup_ends_where_the_path_ends(dotted: str, expected: object) -> None:
    """A reply without a part is a reply without its value."""
    assert expected == lookup({"a": {"b": 1}}, dotted)
