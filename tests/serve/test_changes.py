"""What a switch request means, for every field and backend."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS, Backend, Selection
from aava_cli.serve.changes import changes_in
from aava_cli.serve.defaults import DEFAULTS, RANGES
from aava_cli.serve.engines import EngineError
from aava_cli.serve.values import with_defaults

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
FIELDS = st.sampled_from(
    ["stt_backend", "stt_model_path", "stt_config", "llm_config", "kroko_port", "tts_config"]
)


def _sample(backend: Backend) -> dict[str, str]:
    kinds = {"number": "0.5", "flag": "1", "language": "de"}
    values = {
        each.option: each.choices[0] if each.choices else kinds.get(each.kind, "/app/models/x")
        for each in backend.settings
    } | {
        each.option: f"{each.most:.0f}"
        for each in backend.settings
        if each.kind == "integer" and each.most is not None
    }
    return {**values, **dict(each.when for each in backend.settings if each.when)}


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
def test_request_of_every_backend_sets_its_keys(backend: Backend) -> None:
    """What `aava switch` sends comes to the values that it writes into `.env`."""
    selection = Selection(backend, _sample(backend))
    values = with_defaults({})
    changed = {**values, **changes_in(selection.request(), values).values}
    sent = {each.env for each in backend.settings if each.request}
    expected = {key: value for key, value in selection.env().items() if key in sent}
    assert expected == {key: changed[key] for key in expected}
    if backend.env_key:
        assert backend.name == changed[backend.env_key]


def test_path_goes_to_the_backend_of_the_request() -> None:
    """A path sent with a backend is that backend's."""
    changes = changes_in({"stt_backend": "SHERPA", "stt_model_path": "/a/b"}, DEFAULTS)
    assert {"LOCAL_STT_BACKEND": "sherpa", "SHERPA_MODEL_PATH": "/a/b"} == changes.values
    assert ("stt_backend=sherpa", "stt_model_path=b") == changes.described


def test_language_is_that_of_the_backend_in_use() -> None:
    """`stt_config.language` means the engine that listens."""
    asked = {"stt_backend": "whisper_cpp", "stt_config": {"language": "de"}}
    assert "de" == changes_in(asked, DEFAULTS).values["WHISPER_CPP_LANGUAGE"]


def test_unknown_backend_in_use_can_be_left() -> None:
    """A bad name in `.env` does not stop a switch to a good one."""
    values = with_defaults({"LOCAL_TTS_BACKEND": "nope"})
    changes = changes_in({"tts_backend": "piper", "tts_model_path": "/v.onnx"}, values)
    assert {"LOCAL_TTS_BACKEND": "piper", "LOCAL_TTS_MODEL_PATH": "/v.onnx"} == changes.values


def test_unknown_backend_in_use_has_no_path() -> None:
    """A path means nothing while nobody knows the backend that it is for."""
    values = with_defaults({"LOCAL_STT_BACKEND": "nope"})
    assert {} == changes_in({"stt_model_path": "/a"}, values).values


@pytest.mark.parametrize("value", [-(10**26), 10**26, 0.5, 1e999, "", "٣", "1" * 5000, True])
@pytest.mark.parametrize("key", [*RANGES])
def test_number_out_of_range_is_refused(key: str, value: object) -> None:
    """Whatever the key, the error names it, the value and the range; some are no error at all."""
    number = str(int(value)) if isinstance(value, bool) else str(value)
    if number in RANGES[key] or not (number or key in DEFAULTS):
        updated = {**DEFAULTS, **changes_in({key.lower(): value}, DEFAULTS).values}
        assert number == updated.get(key, "")
        return
    with pytest.raises(EngineError) as raised:
        changes_in({key.lower(): value}, DEFAULTS)
    assert str(raised.value).startswith(f"`{key}` must be {RANGES[key]}, not `")
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("value", ["", "/app/models/\ud800", "/app/\n", "/app/\0", ["x"], {}])
def test_what_names_no_model_is_refused(value: object) -> None:
    """Not even the project's own folder, which an empty path would mean."""
    with pytest.raises(EngineError, match="`tts_model_path` must"):
        changes_in({"tts_model_path": value}, DEFAULTS)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON))
def test_any_request_is_understood_or_refused(message: dict[str, object]) -> None:
    """Nothing that is sent is a bug of the daemon."""
    try:
        changes = changes_in(message, DEFAULTS)
    except EngineError:
        return
    assert changes.values.keys() <= changes.named
