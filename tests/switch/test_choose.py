"""What a command line selects: models by any of their names, and options in range."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS, Selection
from aava_cli.errors import IntegrityError, NotFound, UsageError
from aava_cli.output import Output
from aava_cli.roles import ROLES
from aava_cli.session import Session
from aava_cli.store import Receipt, ReceiptFile, write_receipt
from aava_cli.switch.choose import Choice, check_installed, choose, choose_all
from aava_cli.switch.options import parse_options, with_options
from tests.tiny_models import write_piper
from tests.tiny_parts import (
    DETECTOR,
    OFFLINE,
    ONLINE,
    write_matcha,
    write_onnx,
    write_transducer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.backends import Backend
    from tests.conftest import Aava


@pytest.fixture
def session(project: Path) -> Session:
    """Return a session on a project whose models are in `models`."""
    return Session({"project": str(project)}, Output())


@pytest.fixture
def models(project: Path) -> Path:
    """Return the folder of the project's models."""
    return project / "models"


def select(project: Path, *lines: str) -> None:
    """Write what `.env` selects."""
    (project / ".env").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


LLAMA = Selection(BACKENDS["llama"], {"path": "/app/models/llm/a.gguf"})
KROKO = Selection(BACKENDS["kroko"], {"path": "/app/models/kroko/a.data"})


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), {}),
        (("llm.context=4096",), {"llm": {"context": "4096"}}),
        (
            ("STT.language=de", "tts.voice=a=b"),
            {"stt": {"language": "de"}, "tts": {"voice": "a=b"}},
        ),
        (("llm.a=", "llm.b=1"), {"llm": {"a": "", "b": "1"}}),
    ],
)
def test_options_are_read_by_role(
    texts: tuple[str, ...], expected: dict[str, dict[str, str]]
) -> None:
    """`role.option=value`, as often as needed."""
    assert expected == parse_options(texts)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("context=1",), r"`context=1` is no `ROLE\.OPTION=VALUE`"),
        (("llm.context",), r"is no `ROLE\.OPTION=VALUE`"),
        (("llm.=1",), r"is no `ROLE\.OPTION=VALUE`"),
        (("ltm.context=1",), "no role named `ltm`; nearest: `llm`"),
        (("llm.context=1", "llm.context=2"), r"`llm\.context` is given twice"),
    ],
)
def test_malformed_options_are_exit_2(texts: tuple[str, ...], said: str) -> None:
    """The message says what was expected."""
    with pytest.raises(UsageError, match=said) as caught:
        parse_options(texts)
    assert 2 == caught.value.exit_code


@pytest.mark.parametrize(
    ("option", "value", "stored"),
    [
        ("context", "4096", "4096"),
        ("context", " 0512 ", "512"),
        ("gpu_layers", "-1", "-1"),
        ("gpu-layers", "35", "35"),
        ("temperature", "0.70", "0.70"),
        ("use_mlock", "Yes", "1"),
        ("use_mlock", "off", "0"),
        ("chat_format", "llama-3", "llama-3"),
        ("system_prompt", "Be brief, be kind.", "Be brief, be kind."),
    ],
)
def test_values_in_range_are_taken(option: str, value: str, stored: str) -> None:
    """Each value has one spelling, which is the one that is written."""
    chosen = with_options(LLAMA, {option: value})
    assert stored == chosen.values[option.replace("-", "_")]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("context", "0", "a whole number from 16 to 16,777,216, not `0`"),
        ("context", "20000000", "a whole number from 16 to 16,777,216"),
        ("context", "-5", "a whole number from 16"),
        ("context", "many", "a whole number from 16"),
        ("context", "", "a whole number from 16"),
        ("batch", "0", "a whole number from 1 to 16,384"),
        ("gpu_layers", "auto", "a whole number from -1 to 9,999"),
        ("temperature", "hot", "a number from 0 to 2"),
        ("temperature", "2.1", "a number from 0 to 2"),
        ("temperature", "nan", "a number from 0 to 2"),
        ("use_mlock", "maybe", "`1` or `0`"),
        ("chat_format", "nope", "one of 28, such as `auto`"),
        ("chat_format", "lama-3", "nearest: `llama-3`"),
        ("system_prompt", "two\nlines", "text on one line"),
        ("path", "a.gguf", "a path as the daemon sees it"),
    ],
)
def test_values_out_of_range_are_exit_2(option: str, value: str, said: str) -> None:
    """The message names the range."""
    with pytest.raises(UsageError) as caught:
        with_options(LLAMA, {option: value})
    assert 2 == caught.value.exit_code
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "option", "value", "said"),
    [
        ("whisper_cpp", "language", "klingon", "one of 101, such as `auto`"),
        ("faster_whisper", "device", "gpu", "`cpu` or `cuda` or `auto`"),
        ("faster_whisper", "compute_type", "int4", "nearest: `int8`"),
        ("kroko", "language", "english, please", "a language, such as `de` or `en-US`"),
        ("kroko", "url", "wss://user:secret@host/", "an address without a secret"),
        ("kroko", "url", "host:6006", "an address without a secret"),
        ("sherpa", "type", "streaming", "`online` or `offline`"),
        ("silero", "sample_rate", "44100", "`8000` or `24000` or `48000`"),
    ],
)
def test_each_engine_has_ranges_of_its_own(name: str, option: str, value: str, said: str) -> None:
    """Enumerations, languages and addresses are checked as well."""
    with pytest.raises(UsageError) as caught:
        with_options(Selection(BACKENDS[name], {}), {option: value})
    assert said in caught.value.message


def test_unknown_option_is_exit_10() -> None:
    """With the nearest names, and the command that lists them all."""
    with pytest.raises(
        NotFound, match="no llama option named `contxt`; nearest: `context`"
    ) as caught:
        with_options(LLAMA, {"contxt": "1"})
    assert (10, "run `aava backends llama` to see every llama option") == (
        caught.value.exit_code,
        caught.value.hint,
    )


def test_option_that_means_nothing_is_refused() -> None:
    """An address of a service means nothing while Kroko is embedded."""
    with pytest.raises(UsageError, match="`url` means nothing unless `embedded=0`") as caught:
        with_options(KROKO, {"url": "wss://host/path"})
    assert "add `--set stt.embedded=0`, or leave it out" == caught.value.hint
    cloud = with_options(KROKO, {"url": "wss://host/path", "embedded": "0"})
    assert {"embedded": "0", "url": "wss://host/path"} == cloud.values


def test_what_an_engine_cannot_do_without_is_asked_for() -> None:
    """Kokoro by a service needs its address."""
    kokoro = Selection(BACKENDS["kokoro"], {"path": "/app/models/tts/kokoro"})
    with pytest.raises(UsageError, match="`kokoro` needs `api_base_url` as well"):
        with_options(kokoro, {"mode": "api"})
    service = with_options(kokoro, {"mode": "api", "api_base_url": "http://host:8880/v1"})
    assert ("cloud", True, {}) == (service.model, service.is_elsewhere, service.paths())
    assert "kokoro:hub" == str(with_options(kokoro, {"mode": "hf"}))


@given(
    st.sampled_from(tuple(BACKENDS.values())),
    st.lists(st.tuples(st.integers(0, 20), st.text(max_size=20)), max_size=3),
)
def test_any_values_are_taken_or_refused(backend: Backend, typed: list[tuple[int, str]]) -> None:
    """Nothing that is typed is a bug of the program; what is taken can be sent and written."""
    known = [setting.option for setting in backend.settings]
    options = {known[index % len(known)]: value for index, value in typed}
    with suppress(UsageError):
        chosen = with_options(Selection(backend, {}), options)
        assert options.keys() <= chosen.values.keys()
        assert all("\n" not in value for value in chosen.env().values())
        assert json.dumps(chosen.request())


def test_options_alone_are_for_what_env_selects(session: Session, project: Path) -> None:
    """The model stays; the option is added to what `.env` says."""
    select(project, "LOCAL_LLM_MODEL_PATH=/app/models/llm/a.gguf", "LOCAL_LLM_THREADS=2")
    (choice,) = choose_all(session, {}, ["llm.context=4096"])
    expected = {"path": "/app/models/llm/a.gguf", "threads": "2", "context": "4096"}
    assert (expected, None) == (choice.selection.values, choice.model_id)


def test_options_for_nothing_are_refused(session: Session, project: Path) -> None:
    """Where `.env` selects no model, one has to be named."""
    select(project, "LOCAL_TTS_BACKEND=piper")
    for option in ("stt.language=de", "tts.path=/app/models/tts/a.onnx"):
        with pytest.raises(NotFound, match=f"selects no {option[:3]} model") as caught:
            choose_all(session, {}, [option])
        assert f"aava switch --{option[:3]} WHAT" in str(caught.value.hint)


def test_roles_come_in_their_order_with_their_options(session: Session, models: Path) -> None:
    """Names and options meet by role."""
    write_piper(models / "tts/low.onnx")
    (models / "llm/a.gguf").write_bytes(b"GGUF")
    chosen = choose_all(session, {"tts": "low", "llm": "a"}, ["llm.context=512"])
    assert ["llm", "tts"] == [each.selection.backend.role for each in chosen]
    assert "512" == chosen[0].selection.values["context"]
    assert set(ROLES) >= {each.selection.backend.role for each in chosen}


def test_another_path_is_no_longer_the_catalogs_model(session: Session) -> None:
    """The catalog's entry says nothing of a file that was named instead."""
    kept = choose(session, "llm", "smollm2-135m", {"context": "512"})
    other = choose(session, "llm", "smollm2-135m", {"path": "/app/models/llm/mine.gguf"})
    assert ("smollm2-135m", None) == (kept.model_id, other.model_id)


@pytest.mark.parametrize(("metadata", "kind"), [(ONLINE, "online"), (OFFLINE, "offline")])
def test_sherpa_type_is_read_from_the_model(
    session: Session, models: Path, metadata: dict[str, str], kind: str
) -> None:
    """Who copied a folder into place need not know how the model was trained."""
    write_transducer(models / "stt/my-sherpa", metadata)
    choice = choose(session, "stt", "sherpa:my-sherpa")
    assert kind == choice.selection.values["type"]


def test_matcha_vocoder_is_found_beside_the_model(session: Session, models: Path) -> None:
    """A folder as it was unpacked is enough."""
    write_matcha(models / "tts/matcha-icefall-mine")
    choice = choose(session, "tts", "matcha")
    vocoder = "/app/models/tts/matcha-icefall-mine/hifigan_v2.onnx"
    assert vocoder == choice.selection.values["vocoder"]
    check_installed(session, choice)


def test_vosk_is_named_as_the_daemon_will_name_it(session: Session, models: Path) -> None:
    """The daemon loads the folder inside, and its status says so."""
    (models / "stt/vosk-model-x/inner/conf").mkdir(parents=True)
    choice = choose(session, "stt", "vosk-model-x")
    assert "/app/models/stt/vosk-model-x/inner" == choice.selection.model


def test_faster_whisper_folders_are_known_by_their_weights(session: Session, models: Path) -> None:
    """Any folder with `model.bin` is one."""
    (models / "stt/any-name").mkdir()
    (models / "stt/any-name/model.bin").write_bytes(b"weights")
    choice = choose(session, "stt", "faster_whisper:any-name")
    assert {"model": "/app/models/stt/any-name"} == choice.selection.values


def test_cloud_is_never_chosen_because_nothing_else_is_there(session: Session) -> None:
    """Nobody's words leave the host unless that was asked for by name."""
    assert Choice(Selection(BACKENDS["kroko"], {})) == choose(session, "stt", "kroko")
    asked = choose(session, "stt", "kroko:cloud")
    assert (True, "kroko:cloud") == (asked.selection.is_elsewhere, str(asked.selection))
    check_installed(session, asked)


def test_missing_detector_names_what_brings_it(session: Session, models: Path) -> None:
    """The daemon would download one, unchecked."""
    write_transducer(models / "stt/my-sherpa", OFFLINE)
    choice = choose(session, "stt", "my-sherpa")
    with pytest.raises(NotFound, match=r"there is no `.*silero_vad\.onnx`") as caught:
        check_installed(session, choice)
    assert "run `aava models pull sherpa-en-offline`" == caught.value.hint
    write_onnx(models / "vad/silero_vad.onnx", names=DETECTOR)
    check_installed(session, choice)


def test_a_missing_file_outside_the_models_is_named(session: Session, tmp_path: Path) -> None:
    """What no catalog brings is named by itself."""
    choice = choose(session, "llm", "smollm2-135m", {"path": f"{tmp_path}/a.gguf"})
    with pytest.raises(NotFound, match=r"`a\.gguf` is not installed"):
        check_installed(session, choice)


def pulled(session: Session, *files: tuple[str, bytes]) -> None:
    """Record that *files* were pulled with this content."""
    from hashlib import sha256

    recorded = tuple(
        ReceiptFile(PurePosixPath(path), len(data), digest, "file:/a", "tofu", digest)
        for path, data, digest in ((p, d, sha256(d).hexdigest()) for p, d in files)
    )
    write_receipt(session.settings, Receipt("low", recorded, "2026-01-01", "test"))


def test_bytes_are_those_that_were_pulled(session: Session, models: Path) -> None:
    """A file that changed since its receipt is exit 7, whatever its format says."""
    voice = write_piper(models / "tts/low.onnx")
    config = models / "tts/low.onnx.json"
    pulled(
        session, ("tts/low.onnx", voice.read_bytes()), ("tts/low.onnx.json", config.read_bytes())
    )
    choice = choose(session, "tts", "low")
    check_installed(session, choice)
    text = config.read_bytes()
    for data, said in (
        (text.replace(b"tiny", b"TINY"), "has other bytes than what was pulled"),
        (text + b" ", "has another size than what was pulled"),
    ):
        config.write_bytes(data)
        with pytest.raises(IntegrityError, match=said) as caught:
            check_installed(session, choice)
        assert (7, "run `aava models pull low` to fetch it again") == (
            caught.value.exit_code,
            caught.value.hint,
        )


def test_a_file_that_was_pulled_and_is_gone_is_named(session: Session, models: Path) -> None:
    """Nothing of a model may be missing, even what only the engine would look for."""
    voice = write_piper(models / "tts/low.onnx")
    pulled(session, ("tts/low.onnx", voice.read_bytes()), ("tts/low.card", b"gone"))
    with pytest.raises(IntegrityError, match=r"low\.card` is gone"):
        check_installed(session, choose(session, "tts", "low"))


def test_receipts_of_others_do_not_matter(session: Session, models: Path) -> None:
    """Another model may be broken for ever."""
    write_piper(models / "tts/high.onnx")
    pulled(session, ("tts/low.onnx", b"gone"))
    check_installed(session, choose(session, "tts", "high"))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--set", "llm.contxt=1"), 10, "nearest: `context`"),
        (("--set", "llm.context=0"), 2, "a whole number from 16 to 16,777,216"),
        (("--set", "context=0"), 2, "ROLE.OPTION=VALUE"),
        (("--set", "stt.language=de"), 10, "selects no stt model"),
        (("--llm", "smollm2-135m", "--set", "llm.context=4"), 2, "from 16"),
    ],
)
def test_options_are_checked_before_anything_is_asked(
    aava: Aava, project: Path, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    """No daemon runs here, and none is missed."""
    select(project, "LOCAL_LLM_MODEL_PATH=/app/models/llm/a.gguf")
    before = (project / ".env").read_bytes()
    run = aava("switch", *arguments)
    assert (exit_code, before) == (run.exit_code, (project / ".env").read_bytes())
    assert said in run.stderr
