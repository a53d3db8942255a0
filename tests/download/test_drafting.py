"""An entry drafted from a source: the engine, the place, the name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.backends import BACKENDS
from aava_cli.catalog import Catalog
from aava_cli.download.cataloguing.drafting import (
    Wanted,
    check_new,
    draft_model,
    file_name,
    is_address,
    slug,
)
from aava_cli.download.sources.hub import HubFile, Snapshot
from aava_cli.errors import AavaError, NotFound, UsageError

if TYPE_CHECKING:
    from aava_cli.roles import Role

HOST = "https://host.example"


@pytest.mark.parametrize(
    ("source", "options", "backend", "path"),
    [
        (f"{HOST}/x.gguf", {}, "llama", "llm/x.gguf"),
        (f"{HOST}/x.gguf?download=true", {"role": "llm"}, "llama", "llm/x.gguf"),
        ("hf:a/b@main/deep/x.gguf", {"name": "Mine"}, "llama", "llm/Mine.gguf"),
        ("pypi:p==1#p/x.gguf", {}, "llama", "llm/x.gguf"),
        (f"{HOST}/ggml-base.bin", {"role": "stt"}, "whisper_cpp", "stt/ggml-base.bin"),
        (f"{HOST}/v.onnx", {"role": "tts"}, "piper", "tts/v.onnx"),
        (f"{HOST}/k.onnx", {"role": "stt"}, "kroko", "kroko/k.onnx"),
        (f"{HOST}/k.data", {}, "kroko", "kroko/k.data"),
        (f"{HOST}/vosk-model-xx.zip", {}, "vosk", "stt/vosk-model-xx"),
        (f"{HOST}/other.zip", {"backend": "vosk"}, "vosk", "stt/vosk-model-other"),
        (f"{HOST}/sherpa-x.tar.bz2", {"role": "stt"}, "sherpa", "stt/sherpa-x"),
        (f"{HOST}/x.tgz", {"backend": "sherpa"}, "sherpa", "stt/sherpa-x"),
        (f"{HOST}/x.tar.xz", {"backend": "kokoro"}, "kokoro", "tts/kokoro"),
        (f"{HOST}/x.tar", {"backend": "sherpa"}, "sherpa", "stt/sherpa-x"),
        (f"{HOST}/x.tar.zst", {"backend": "sherpa"}, "sherpa", "stt/sherpa-x"),
        (f"{HOST}/x.tzst", {"backend": "sherpa"}, "sherpa", "stt/sherpa-x"),
        ("npm:@a/b@1#package/x.zip", {"backend": "faster-whisper"}, "faster_whisper", "stt/x"),
    ],
)
def test_engine_and_place(source: str, options: dict[str, str], backend: str, path: str) -> None:
    """Role, suffix and name tell the engine, and its record tells the place."""
    model = draft_model(Wanted(source, **options))  # type: ignore[arg-type]
    assert (backend, PurePosixPath(path)) == (model.backend, model.path)
    assert model.files[0].sources == (source,)


def test_voice_brings_its_description() -> None:
    """Piper reads a second file, beside the first one, wherever that is asked for."""
    model = draft_model(Wanted(f"{HOST}/v.onnx?download=true", "tts"))
    assert [f"{HOST}/v.onnx?download=true", f"{HOST}/v.onnx.json?download=true"] == [
        file.sources[0] for file in model.files
    ]
    assert PurePosixPath("tts/v.onnx.json") == model.files[1].path


def test_digest_is_of_the_file() -> None:
    """What was said of the bytes is held against them."""
    model = draft_model(Wanted(f"{HOST}/x.zip", None, "vosk", "a" * 64))
    assert ("a" * 64, "x") == (model.files[0].sha256, str(model.files[0].archive.root))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (f"{HOST}/x.onnx", {}, "could be for several engines: `kroko`, `piper`"),
        (f"{HOST}/x", {}, "could be for several engines"),
        (f"{HOST}/x.zip", {"role": "tts"}, "`kokoro`, `matcha`"),
        (f"{HOST}/x.bin", {"backend": "llama"}, "`llama` loads no file like `x.bin`"),
        (f"{HOST}/x.onnx", {"backend": "matcha"}, "`matcha` loads no file like"),
        (f"{HOST}/x.zip", {"backend": "llama"}, "`llama` loads single files"),
        (f"{HOST}/x.zip", {"backend": "melotts"}, "`melotts` loads no folder"),
        (f"{HOST}/x.onnx", {"backend": "melotts"}, "`melotts` loads no file"),
        (f"{HOST}/", {"role": "llm"}, "names no file"),
        (f"{HOST}/x.gguf", {"sha256": "short"}, "64 lower-case"),
    ],
)
def test_what_is_not_clear_is_asked_for(source: str, options: dict[str, str], said: str) -> None:
    """A guess would end in a folder where no engine looks."""
    with pytest.raises(UsageError, match=said):
        draft_model(Wanted(source, **options))  # type: ignore[arg-type]


def test_engine_that_does_not_exist() -> None:
    """The nearest engines are named."""
    with pytest.raises(NotFound, match="no llm backend named `lama`; nearest: `llama`"):
        draft_model(Wanted(f"{HOST}/x.gguf", "llm", "lama"))


def snapshot(*paths: str, name: str = "whisper-mini") -> Snapshot:
    """Return a repository of *paths*."""
    files = tuple(HubFile(path, number, None) for number, path in enumerate(paths))
    return Snapshot(f"org/{name}", "c" * 40, files)


def test_repository_is_a_folder() -> None:
    """Each file is pinned, and what is empty has no size that a catalog could say."""
    model = draft_model(Wanted("hf:org/whisper-mini"), snapshot("model.bin", "sub/x.json"))
    assert (PurePosixPath("stt/whisper-mini"), "faster_whisper") == (model.path, model.backend)
    assert [("stt/whisper-mini/model.bin", None), ("stt/whisper-mini/sub/x.json", 1)] == [
        (str(file.path), file.size_bytes) for file in model.files
    ]
    assert (f"hf:org/whisper-mini@{'c' * 40}/sub/x.json",) == model.files[1].sources


@pytest.mark.parametrize(
    ("wanted", "paths", "said"),
    [
        (Wanted("hf:a/b", "llm"), ("README.md",), "`llama` loads single files"),
        (Wanted("hf:a/b", "stt", sha256="a" * 64), ("x",), "has no `--sha256`"),
        (Wanted("hf:a/b"), ("x",), "several engines"),
        (Wanted("hf:a/b", "stt", "faster_whisper"), ("../x",), "must be relative"),
    ],
)
def test_repository_that_is_no_model(wanted: Wanted, paths: tuple[str, ...], said: str) -> None:
    """What cannot be placed is refused before anything is fetched."""
    with pytest.raises(UsageError, match=said):
        draft_model(wanted, snapshot(*paths, name="b"))


def test_new_known_and_taken() -> None:
    """The same entry is known; another with its name or its file is refused."""
    first = draft_model(Wanted(f"{HOST}/x.gguf"))
    catalog = Catalog({first.id: first}, {})
    assert (True, False) == (check_new(first, Catalog({}, {})), check_new(first, catalog))
    with pytest.raises(UsageError, match="another model `x`"):
        check_new(draft_model(Wanted(f"{HOST}/other/x.gguf")), catalog)
    with pytest.raises(UsageError, match="another model `x`"):
        check_new(draft_model(Wanted(f"{HOST}/x.data", name="x")), catalog)
    renamed = Catalog({"y": first}, {})
    with pytest.raises(UsageError, match=r"`llm/x.gguf` is a file of the model `x`"):
        check_new(draft_model(Wanted(f"{HOST}/other/x.gguf", name="x")), renamed)
    assert check_new(draft_model(Wanted(f"{HOST}/z.gguf")), catalog)


def test_names() -> None:
    """A name is what stands last, decoded; an id has what ids have."""
    assert "ü.gguf" == file_name(f"{HOST}/a/%C3%BC.gguf?x=/y")
    assert "x" == file_name("file:/a/x") == file_name("pypi:p==1#a/x") == file_name("npm:p@1#x")
    assert "qwen2.5-7b-q4" == slug("Qwen2.5_7B Q4")
    assert (True, False, False) == (is_address("hf:a/b"), is_address("a"), is_address("C:/x"))


@given(
    st.text(max_size=20),
    st.sampled_from([None, "stt", "llm", "tts"]),
    st.sampled_from([None, *BACKENDS]),
    st.sampled_from(["", ".gguf", ".onnx", ".zip", ".bin", ".tar.gz"]),
    st.none() | st.text(max_size=20),
)
def test_any_source_is_placed_below_a_folder_or_refused(
    stem: str, role: Role | None, backend: str | None, suffix: str, name: str | None
) -> None:
    """Whatever is typed, the place is inside the models folder, or there is an error."""
    try:
        model = draft_model(Wanted(f"{HOST}/{stem}{suffix}", role, backend, name=name))
    except AavaError:
        return
    assert model.path is not None
    for file in model.files:
        assert len(file.path.parts) > 1
        assert not file.path.is_absolute()
        assert ".." not in file.path.parts
