"""Which models a host gets: the richest profile that fits, and in it the first that run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.backends import BACKENDS
from aava_cli.catalog import Catalog, Model, RemoteFile, parse_catalog
from aava_cli.errors import NotFound
from aava_cli.flows.up.choosing import AUTO, Host, ModelSet, Unfit, choose_models, fit_profile
from aava_cli.flows.up.listing import list_profiles
from aava_cli.flows.up.remembering import (
    AS_SELECTED,
    Remembered,
    as_selected,
    definition_of,
    go_on_with,
    recall,
    remember,
)
from aava_cli.memory.host import GpuMemory, HostMemory, Loaded
from aava_cli.preflight.findings import CheckFailed
from aava_cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

GB = 1 << 30
SHIPPED = Path(__file__).parents[3] / "catalog.toml"
CATALOG = parse_catalog(SHIPPED.read_text(encoding="utf-8"), name="catalog.toml")
NATIVE = frozenset(name for name, each in BACKENDS.items() if each.distribution)


def host(
    memory_gb: int,
    *gpus_gb: int,
    processors: int = 8,
    able: Iterable[str] = BACKENDS,
    fetches: bool = True,
) -> Host:
    """Return a host with so much memory, all of it free."""
    gpus = tuple(GpuMemory("GPU", size * GB, size * GB) for size in gpus_gb)
    memory = HostMemory(memory_gb * GB, memory_gb * GB, gpus)
    return Host(memory, processors, frozenset(able), fetches)


HOSTS = {
    "a small box": (host(2, processors=1), "cpu-minimal", ["vosk-en-us-small"]),
    "a server": (host(32), "cpu", ["vosk-en-us", "qwen25-1-5b"]),
    "two processors": (host(64, processors=2), "cpu-minimal", []),
    "RTX 2060": (host(16, 6), "gpu-small", ["qwen25-3b"]),
    "RTX 3060": (host(32, 12), "gpu", ["qwen25-7b"]),
    "RTX 4090": (host(64, 24), "gpu", ["qwen25-14b", "faster-whisper-large-v3-turbo"]),
    "RTX 4090, little memory": (host(8, 24), "gpu-small", []),
    "without Docker": (
        host(64, 24, able=NATIVE, fetches=False),
        "gpu",
        ["qwen25-14b", "whisper-cpp-small-en"],
    ),
}


@pytest.mark.parametrize("name", HOSTS)
def test_richest_profile_that_fits_is_chosen(name: str) -> None:
    """Memory, processors and GPU decide, and which engines there are."""
    there, profile, models = HOSTS[name]
    chosen = choose_models(AUTO, CATALOG, there)
    assert profile == chosen.profile
    assert set(models) <= set(chosen.pulls), chosen.pulls


def test_minimal_profile_has_no_language_model() -> None:
    """Vosk and Piper, in the mode that loads no other."""
    chosen = choose_models("CPU_minimal", CATALOG, host(4))
    assert ("minimal", ("stt", "tts")) == (chosen.mode, chosen.roles)
    assert {"vosk", "piper"} == set(chosen.backends)


def test_options_count_where_the_engine_has_them() -> None:
    """`device` means nothing to whisper.cpp."""
    native = choose_models("gpu", CATALOG, host(64, 24, able=NATIVE, fetches=False))
    assert ("llm.gpu_layers=-1",) == native.options
    docker = choose_models("gpu", CATALOG, host(64, 24))
    assert {"stt.device=cuda", "llm.gpu_layers=-1"} < set(docker.options)


@pytest.mark.parametrize("profile", CATALOG.profiles.values(), ids=lambda each: each.name)
def test_shipped_profile_names_models_of_its_roles(profile: object) -> None:
    """Each candidate is in the catalog, runs in an engine, and is for its role."""
    named = CATALOG.profiles[getattr(profile, "name", "")]
    for role, names in named.candidates.items():
        assert {role} == {CATALOG.find(name).role for name in names}
    everything = host(1024, 1024, processors=64)
    assert isinstance(fit_profile(named, CATALOG, everything), ModelSet)
    # Without Docker too: files from somewhere, and an engine that pip installs.
    native = replace(everything, able=NATIVE, fetches=False)
    assert isinstance(fit_profile(named, CATALOG, native), ModelSet)


def test_auto_chooses_from_four_and_starter_is_for_those_who_name_it() -> None:
    """The order is that of their ranks."""
    ranks = {name: each.rank for name, each in CATALOG.profiles.items() if each.rank}
    assert ["cpu-minimal", "cpu", "gpu-small", "gpu"] == sorted(ranks, key=lambda name: ranks[name])
    assert CATALOG.profiles["starter"].rank is None


def test_missing_engines_are_named_with_the_command() -> None:
    """One for each role that has none, so that one command is enough."""
    with pytest.raises(CheckFailed, match="`vosk` for stt, `piper` for tts") as refused:
        choose_models("cpu-minimal", CATALOG, host(8, able=(), fetches=False))
    assert "run `python -m pip install vosk piper-tts`" == refused.value.hint
    with pytest.raises(CheckFailed, match="no profile is for this host: no engine"):
        choose_models(AUTO, CATALOG, host(64, able=(), fetches=False))


def test_engine_that_pip_does_not_install_is_not_advised() -> None:
    """What the image alone can run is no help without Docker."""
    text = """
[models.mine]
backend = 'tone'
path = 'stt/t-one'
files = [{ sources = ['file:/x'], path = 'stt/t-one/model.onnx' }]
[profiles.russian]
mode = 'minimal'
stt = ['mine']
tts = ['mine']
"""
    catalog = parse_catalog(text, name="mine")
    unfit = fit_profile(catalog.profiles["russian"], catalog, host(8, able=(), fetches=False))
    assert isinstance(unfit, Unfit)
    assert ("run `aava up --list-profiles` to see what each needs", ()) == (
        unfit.fix,
        unfit.lacking,
    )


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (host(4, 24), "it needs 16 GB of memory"),
        (host(64, 24, processors=2), "it needs 4 processors"),
        (host(64), "it needs 9 GB of free GPU memory"),
    ],
)
def test_what_is_short_is_named(there: Host, why: str) -> None:
    """The first of memory, processors and GPU."""
    with pytest.raises(CheckFailed, match=f"`gpu` is not for this host: {why}") as refused:
        choose_models("gpu", CATALOG, there)
    assert "run `aava up --list-profiles` to see what each needs" == refused.value.hint


def sized(name: str, backend: str, size_bytes: int, role: str = "llm") -> Model:
    """Return a model of one file."""
    path = PurePosixPath(f"{role}/{name}")
    file = RemoteFile(path, ("file:/x",), size_bytes)
    return Model(
        name, name, BACKENDS[backend].role, backend, path=path, files=(file,),
        approx_bytes=size_bytes,
    )  # fmt: skip


def grown(llm: str, *options: str) -> Catalog:
    """Return a catalog of one profile without demands, whose language models are *llm*."""
    models = (
        sized("ear", "vosk", 40_000_000),
        sized("voice", "piper", 60_000_000),
        sized("large", "llama", 30_000_000_000),
        sized("small", "llama", 1_000_000_000),
    )
    listed = ", ".join(f"'{option}'" for option in options)
    text = (
        f"[profiles.mine]\nmode = 'full'\nrank = 1\nstt = ['ear']\ntts = ['voice']\n"
        f"llm = [{llm}]\noptions = [{listed}]\n"
    )
    profiles = parse_catalog(text, name="mine").profiles
    return Catalog({model.id: model for model in models}, {}, profiles)


def test_smaller_stand_in_is_taken_where_the_first_has_no_room() -> None:
    """On the processor as on the GPU."""
    both = "'large', 'small'"
    assert "small" in choose_models(AUTO, grown(both), host(16)).pulls
    assert "large" in choose_models(AUTO, grown(both), host(64)).pulls
    on_gpu = grown(both, "llm.gpu_layers=-1", "llm.context=4096")
    assert "small" in choose_models(AUTO, on_gpu, host(64, 12)).pulls


def test_models_without_room_are_told_with_their_size() -> None:
    """What they take, and what is free."""
    with pytest.raises(CheckFailed, match=r"its models take \d.* of memory, where .* are free"):
        choose_models("mine", grown("'large'"), host(8))
    on_gpu = grown("'large'", "llm.gpu_layers=-1")
    with pytest.raises(CheckFailed, match=r"room for \d+ of \d+ layers"):
        choose_models("mine", on_gpu, host(128, 8))


def test_gpu_that_is_left_alone_does_not_count() -> None:
    """A model for the processor fits beside a small GPU."""
    assert "small" in choose_models("mine", grown("'small'"), host(16, 1)).pulls


def test_models_that_run_make_room_for_others() -> None:
    """What our own daemon holds of a GPU does not speak against the profile."""
    memory = HostMemory(64 * GB, 60 * GB, (GpuMemory("GPU", 24 * GB, 4 * GB),))
    busy = Host(memory, 8, frozenset(BACKENDS), fetches=True)
    assert "cpu" == choose_models(AUTO, CATALOG, busy).profile
    ours = Loaded("llm", "llama", 1 * GB, (19 * GB,))
    assert "gpu" == choose_models(AUTO, CATALOG, replace(busy, loaded=(ours,))).profile


def test_profile_that_nobody_knows_is_not_found() -> None:
    """The nearest are named."""
    with pytest.raises(NotFound, match="nearest: `gpu`"):
        choose_models("gpus", CATALOG, host(8))
    empty = Catalog(CATALOG.models, {})
    with pytest.raises(CheckFailed, match="the catalog has none with a `rank`"):
        choose_models(AUTO, empty, host(8))


def test_listing_says_what_each_needs_and_why_not() -> None:
    """Those without a rank come last, and say that they are for who names them."""
    listed = list_profiles(CATALOG, host(4))
    assert ["gpu", "gpu-small", "cpu", "cpu-minimal", "starter"] == [
        each.name for each in listed.profiles
    ]
    table, *words = listed.text()
    assert not isinstance(table, str)
    assert ("gpu", "16 GB, 4 processors, 9 GB of GPU", "no: it needs 16 GB of memory") == (
        table.rows[0]
    )
    assert table.rows[-1][2].endswith("(by name only)")
    assert 5 == len(words)


ENV = {
    "LOCAL_STT_BACKEND": "vosk",
    "LOCAL_STT_MODEL_PATH": "/app/models/stt/vosk-model-small-en-us-0.15",
    "LOCAL_TTS_BACKEND": "piper",
    "LOCAL_TTS_MODEL_PATH": "/app/models/tts/en_US-lessac-medium.onnx",
}


def test_choice_is_kept_between_runs(tmp_path: Path) -> None:
    """What was remembered comes back as it was; garbage is nothing."""
    settings = Settings(tmp_path, tmp_path / "models")
    chosen = choose_models("gpu", CATALOG, host(64, 24))
    assert recall(settings.state_dir) is None
    remember(settings, Remembered(chosen, is_proven=True))
    assert Remembered(chosen, is_proven=True) == recall(settings.state_dir)
    tried = Remembered(replace(chosen, profile="other"), definition="x", before=chosen)
    remember(settings, tried)
    assert (tried, chosen) == (recall(settings.state_dir), tried.settled)


@pytest.mark.parametrize(
    "damage",
    [
        {"models": 5},
        {"models": {"ear": "vosk-en-us"}},
        {"models": {}},
        {"mode": "half"},
        {"backends": ["vosk"]},
        {"backends": ["no", "such"]},
        {"pulls": "vosk"},
        {"options": [1]},
        {"profile": None},
        {"surplus": 1},
    ],
    ids=str,
)
def test_damaged_choice_is_none(tmp_path: Path, damage: dict[str, object]) -> None:
    """Whatever JSON is there."""
    settings = Settings(tmp_path, tmp_path / "models")
    remember(settings, Remembered(choose_models("cpu-minimal", CATALOG, host(4))))
    kept = settings.state_dir / "up.json"
    whole = json.loads(kept.read_text())
    kept.write_text(json.dumps({**whole, "chosen": {**whole["chosen"], **damage}}))
    assert recall(settings.state_dir) is None
    kept.write_text(json.dumps({**whole, "before": {**whole["chosen"], **damage}}))
    assert recall(settings.state_dir) is None
    for text in ("{}", "5", "[]"):
        kept.write_text(text)
        assert recall(settings.state_dir) is None


def test_profile_that_is_named_is_chosen_anew() -> None:
    """Unless it was only begun, and nobody has written it otherwise since."""
    chosen = choose_models("cpu-minimal", CATALOG, host(4))
    same = definition_of(CATALOG.profiles["cpu-minimal"])
    begun = Remembered(chosen, definition=same)
    for name in (AUTO, "cpu-minimal"):
        assert chosen == go_on_with(begun, name, {}, CATALOG)
        assert go_on_with(Remembered(chosen, definition="other"), name, {}, CATALOG) is None
    assert go_on_with(begun, "gpu", {}, CATALOG) is None
    assert go_on_with(replace(begun, is_proven=True), "cpu-minimal", {}, CATALOG) is None
    gone = Catalog(CATALOG.models, {})
    assert go_on_with(begun, AUTO, {}, gone) is None
    assert "" == definition_of(None)


def test_what_ran_before_comes_back_after_a_try() -> None:
    """With its mode, and its options where the try has overwritten them."""
    before = choose_models("cpu-minimal", CATALOG, host(4))
    wish = choose_models("cpu", CATALOG, host(64))
    tried = Remembered(wish, before=before)
    mind = {"LOCAL_LLM_MODEL_PATH": "/app/models/llm/qwen2.5-1.5b-instruct-q4_k_m.gguf"}
    kept = replace(before, options=(), keeps_options=True)
    assert kept == go_on_with(tried, AUTO, ENV, CATALOG)
    model = CATALOG.find(wish.models["stt"] or "")
    heard = {**ENV, **mind, "LOCAL_STT_MODEL_PATH": f"/app/models/{model.path}"}
    speech = Remembered(replace(before, models={**before.models, "stt": model.id}), before=before)
    assert before == go_on_with(speech, AUTO, heard, CATALOG)
    own = {**ENV, "LOCAL_TTS_MODEL_PATH": "/app/models/tts/own.onnx"}
    by_hand = go_on_with(tried, AUTO, own, CATALOG)
    assert by_hand is not None
    assert (AS_SELECTED, None) == (by_hand.profile, by_hand.mode)


def test_profile_with_an_unknown_model_leaves_the_others_usable() -> None:
    """It is named, with the file that has to be corrected."""
    text = """
[profiles.slip]
mode = 'minimal'
rank = 900
stt = ['vosk-en-su']
tts = ['piper-en-us-lessac-medium']
"""
    slip = parse_catalog(text, name="/own/catalog.toml").profiles
    catalog = Catalog(CATALOG.models, {}, {**CATALOG.profiles, **slip})
    assert "cpu-minimal" == choose_models(AUTO, catalog, host(4)).profile
    with pytest.raises(CheckFailed, match=r"`slip` names what no .*vosk-en-su") as said:
        choose_models("slip", catalog, host(4))
    assert "correct it in `/own/catalog.toml`" == said.value.hint
    row = list_profiles(catalog, host(4)).profiles[0]
    assert ("slip", True) == (row.name, "vosk-en-su" in str(row.unfit))


def test_what_was_selected_since_is_meant() -> None:
    """As long as it is what was chosen, nothing is different; what `.env` lacks is chosen."""
    chosen = choose_models("cpu-minimal", CATALOG, host(4))
    same = replace(chosen, mode=None, options=(), keeps_options=True)
    assert same == as_selected(chosen, ENV, CATALOG)
    assert chosen == as_selected(chosen, {}, CATALOG)
    other = as_selected(
        chosen, {**ENV, "LOCAL_TTS_MODEL_PATH": "/app/models/tts/own.onnx"}, CATALOG
    )
    assert (AS_SELECTED, None, ("vosk-en-us-small",)) == (other.profile, other.mode, other.pulls)
    assert {"stt": None, "tts": None} == other.models
    heard = as_selected(
        chosen, {"LOCAL_STT_BACKEND": "faster_whisper", "FASTER_WHISPER_MODEL": "tiny"}, CATALOG
    )
    assert {"stt": None, "tts": "piper-en-us-lessac-medium"} == heard.models
    assert ("faster_whisper", "piper") == heard.backends
    assert ("faster-whisper-tiny", "piper-en-us-lessac-medium") == heard.pulls
