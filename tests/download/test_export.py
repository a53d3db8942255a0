"""Models carried to a host without a network, and what is refused on the way in."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.app import main
from tests.conftest import Ran
from tests.download.conftest import known, sha256, unknown
from tests.download.run_models import build
from tests.download.server import wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

    Edit: TypeAlias = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]

BODY = b"weights" * 1000
MANIFEST = "aava-export.json"


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """Return where an export goes."""
    return tmp_path / "models.tar"


@pytest.fixture
def other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Models:
    """Return a function that runs `aava models` on another, bare project."""
    root = tmp_path / "other"
    (root / ".aava").mkdir(parents=True)

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(["--project", str(root), "models", *words], build=build)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def exported(server: Server, catalog: CatalogFile, models: Models, tar: Path) -> Path:
    """Export a model of one file, and one that came out of an archive."""
    packed = wheel({"v/conf/a": b"1", "v/conf/b": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(server.serve("/a", BODY)))
    catalog.add("v", "vosk", "stt/v", f"{known(packed, server.serve('/v', packed))}, {archive}")
    assert 0 == models("pull", "mine", "v").exit_code
    ran = models("export", "mine", "v", str(tar))
    assert (0, True) == (ran.exit_code, "exported  mine, v" in ran.stdout), ran.stderr
    return tar


def rewrite(tar: Path, edit: Edit) -> None:
    """Write *tar* anew with its members as *edit* leaves them."""
    with tarfile.open(tar) as archive:
        members = [(each, read(archive, each)) for each in archive]
    edit(members)
    with tarfile.open(tar, "w") as archive:
        for info, body in members:
            info.size = len(body) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(body))


def read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """Return the bytes of a member."""
    content = archive.extractfile(info)
    assert content is not None
    return content.read()


def manifest_with(change: Callable[[dict[str, Any]], None]) -> Edit:
    """Return an edit that changes the manifest."""

    def edit(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest = json.loads(members[0][1])
        change(manifest)
        members[0] = (members[0][0], json.dumps(manifest).encode())

    return edit


def installed(root: Path) -> dict[str, bytes]:
    """Return every file under the models folder."""
    folder = root / "models"
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


def test_models_arrive_as_they_were(
    exported: Path, project: Path, other: Models, server: Server
) -> None:
    """Files, entries and receipts are on the other host, without a network; twice is as once."""
    server.close()
    root = project.parent / "other"
    ran = other("import", str(exported))
    assert (0, installed(project)) == (ran.exit_code, installed(root)), ran.stderr
    assert 0o644 == (root / "models/kroko/mine.onnx").stat().st_mode & 0o777
    assert {1} == {(root / "models/stt/v/conf" / name).stat().st_nlink for name in "ab"}
    receipts = {each.name for each in (root / ".aava/receipts").iterdir()}
    assert {"mine.json", "v.json"} == receipts
    receipt = json.loads((root / ".aava/receipts/mine.json").read_bytes())
    assert "tofu" == receipt["files"][0]["provenance"]
    assert 0 == other("verify", "--deep").exit_code
    assert "nothing was downloaded" in other("pull", "mine", "v").stdout
    assert "nothing was found that is not here already" in other("import", str(exported)).stdout
    assert [] == list((root / ".aava/staging").iterdir())


def test_names_come_from_stdin(exported: Path, project: Path, tmp_path: Path) -> None:
    """A list of names makes the same export as the names themselves."""
    again = tmp_path / "again.tar"
    words = ["-m", "aava_cli", "--project", str(project), "models", "export", "-", str(again)]
    subprocess.run([sys.executable, *words], input="mine\nv # both\n", text=True, check=True)
    assert exported.read_bytes() == again.read_bytes()


def test_same_models_make_the_same_bytes(exported: Path, models: Models, tmp_path: Path) -> None:
    """Neither times nor owners are in the file; each file is there once, named by its digest."""
    again = tmp_path / "again.tar"
    assert 0 == models("export", "mine", "v", str(again)).exit_code
    assert exported.read_bytes() == again.read_bytes()
    with tarfile.open(again) as archive:
        names = archive.getnames()
    bodies = {BODY, b"1", b"2"}
    assert (MANIFEST, {f"sha256/{sha256(body)}" for body in bodies}) == (names[0], set(names[1:]))
    assert len(names) == len(set(names))


def test_one_model_of_the_export_is_here(exported: Path, other: Models, project: Path) -> None:
    """What is missing or damaged is put right, the rest stays."""
    root = project.parent / "other"
    other("import", str(exported))
    (root / "models/stt/v/conf/a").write_bytes(b"rot")
    before = (root / "models/kroko/mine.onnx").stat().st_mtime_ns
    ran = other("import", str(exported))
    assert (0, ["imported  v: stt/v, 3 B, verified"]) == (ran.exit_code, ran.stdout.splitlines())
    assert before == (root / "models/kroko/mine.onnx").stat().st_mtime_ns
    assert b"1" == (root / "models/stt/v/conf/a").read_bytes()


def drop_last(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Leave a file out."""
    members.pop()


def flip(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Change a byte of a file."""
    info, body = members[1]
    members[1] = (info, bytes([body[0] ^ 1]) + body[1:])


def lengthen(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Add a byte to a file."""
    info, body = members[1]
    members[1] = (info, body + b"x")


def repeat(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Have a file twice."""
    members.append(members[1])


def put_manifest_last(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Have the files come first."""
    members.append(members.pop(0))


def named(name: str, kind: bytes = tarfile.REGTYPE) -> Edit:
    """Return an edit that adds a member *name*."""

    def edit(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        members.append((info, b""))

    return edit


def path_of(value: str) -> Edit:
    """Return an edit that has the first model's file go to *value*."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["models"][0]["files"][0]["path"] = value

    return manifest_with(change)


def entry_path(value: str) -> Edit:
    """Return an edit that has the entry of the first model say *value*."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["models"][0]["entry"]["path"] = value
        manifest["models"][0]["files"][0]["path"] = value

    return manifest_with(change)


HOSTILE = {
    "lacks a file": drop_last,
    "flipped bit": flip,
    "longer file": lengthen,
    "file twice": repeat,
    "manifest last": put_manifest_last,
    "absolute name": named("/etc/cron.d/x"),
    "name that climbs": named("../../x"),
    "unknown digest": named(f"sha256/{'a' * 64}"),
    "digest in capitals": named(f"sha256/{'A' * 64}"),
    "link": named(f"sha256/{sha256(BODY)}", tarfile.SYMTYPE),
    "hard link": named(f"sha256/{sha256(BODY)}", tarfile.LNKTYPE),
    "device": named("sha256/x", tarfile.CHRTYPE),
    "fifo": named("fifo", tarfile.FIFOTYPE),
    "folder": named("folder", tarfile.DIRTYPE),
    "file path absolute": path_of("/etc/x"),
    "file path climbs": path_of("kroko/../../x"),
    "file of another model": path_of("llm/x.gguf"),
    "entry path absolute": entry_path("/etc/x"),
    "entry path climbs": entry_path("../x/y"),
    "entry of one part": entry_path("kroko"),
    "other version": manifest_with(lambda manifest: manifest.update(version=2)),
    "no models": manifest_with(lambda manifest: manifest.pop("models")),
    "models of another kind": manifest_with(lambda manifest: manifest.update(models=[1])),
    "negative size": manifest_with(
        lambda manifest: manifest["models"][0]["files"][0].update(size_bytes=-1)
    ),
    "digest that is none": manifest_with(
        lambda manifest: manifest["models"][0]["files"][0].update(sha256="../x")
    ),
}


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_export(exported: Path, project: Path, other: Models, edit: Edit) -> None:
    """Whatever is wrong with it, nothing is installed, nothing is left, and nothing leads out."""
    rewrite(exported, edit)
    root = project.parent / "other"
    before = sorted(project.parent.iterdir())
    ran = other("import", str(exported))
    assert (7, True) == (ran.exit_code, "the export is not sound" in ran.stderr), ran.stderr
    assert {} == installed(root)
    assert not (root / "config").exists()
    staging = root / ".aava/staging"
    assert [] == (list(staging.iterdir()) if staging.exists() else [])
    assert before == sorted(project.parent.iterdir())


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_export(exported: Path, other: Models, damage: str) -> None:
    """A file that was cut short, or is no tar, is refused."""
    data = exported.read_bytes()
    exported.write_bytes({"cut": data[: len(data) // 2], "text": b"x" * 999, "empty": b""}[damage])
    assert 7 == other("import", str(exported)).exit_code


def test_huge_manifest_and_huge_model(exported: Path, other: Models) -> None:
    """Sizes that a manifest claims are looked at before anything is read or written."""

    def claim(manifest: dict[str, Any]) -> None:
        manifest["models"][0]["files"][0]["size_bytes"] = 1 << 60

    rewrite(exported, manifest_with(claim))
    ran = other("import", str(exported))
    assert (8, True) == (ran.exit_code, "need 1152921.5 TB" in ran.stderr)
    rewrite(exported, manifest_with(lambda manifest: manifest.update(pad="x" * (17 << 20))))
    assert "its manifest is too large" in other("import", str(exported)).stderr


def test_catalog_of_the_other_host_has_the_last_word(
    exported: Path, project: Path, other: Models
) -> None:
    """Where it knows other bytes, the export is not believed."""
    config = project.parent / "other/config"
    config.mkdir()
    entry = "[models.mine]\nbackend = 'kroko'\npath = 'kroko/{}.onnx'\nfiles = [{{ {} }}]\n"
    own = config / "catalog.local.toml"
    own.write_text(entry.format("mine", known(b"x", "file:/x")))
    ran = other("import", str(exported))
    assert (7, True) == (ran.exit_code, "other bytes of `mine`" in ran.stderr)
    own.write_text(entry.format("elsewhere", unknown("file:/x")))
    assert 7 == other("import", str(exported)).exit_code
    own.write_text(entry.format("mine", unknown("file:/x")))
    assert 0 == other("import", str(exported)).exit_code
    assert own.read_text().startswith(entry.format("mine", unknown("file:/x")))


def test_what_cannot_be_exported(exported: Path, models: Models, project: Path) -> None:
    """What is not here, or not what it was, is not carried on; the old file stays."""
    before = exported.read_bytes()
    assert 10 == models("export", "smollm2-135m", str(exported)).exit_code
    assert 1 == models("export", "faster-whisper-small", str(exported)).exit_code
    assert 1 == models("export", "mine", str(exported.parent / "none/x.tar")).exit_code
    (project / "models/kroko/mine.onnx").write_bytes(b"rot")
    assert 7 == models("export", "mine", str(exported)).exit_code
    assert (before, [exported.name]) == (
        exported.read_bytes(),
        [each.name for each in exported.parent.iterdir() if each.is_file()],
    )


def test_bytes_that_rotted_unseen_are_found_while_they_are_read(
    exported: Path, models: Models, project: Path
) -> None:
    """The digest is of what is written, whatever the cache of digests says."""
    path = project / "models/kroko/mine.onnx"
    cache = project / ".aava/digests.json"
    path.write_bytes(b"x" * len(BODY))
    models("verify", "mine")
    cache.write_text(cache.read_text().replace(sha256(b"x" * len(BODY)), sha256(BODY)))
    ran = models("export", "mine", str(exported))
    assert (7, True) == (ran.exit_code, "changed while it was read" in ran.stderr), ran.stderr


@pytest.mark.parametrize(
    ("words", "exit_code"), [(("none.tar",), 10), ((), 2), (("a.tar", "b.tar"), 2)]
)
def test_what_cannot_be_imported(other: Models, words: tuple[str, ...], exit_code: int) -> None:
    """One file is named, and it is there."""
    assert exit_code == other("import", *words).exit_code


def test_model_that_its_engine_could_not_load(exported: Path, other: Models, project: Path) -> None:
    """Digests that are right do not make a model: nothing of it is installed."""

    def relabel(manifest: dict[str, Any]) -> None:
        entry = manifest["models"][0]["entry"]
        entry.update(backend="llama", role="llm", path="llm/mine.gguf")
        manifest["models"][0]["files"][0]["path"] = "llm/mine.gguf"
        del manifest["models"][1:]
        entry.pop("options", None)

    def edit(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        manifest_with(relabel)(members)
        del members[2:]

    rewrite(exported, edit)
    ran = other("import", str(exported))
    assert (7, {}) == (ran.exit_code, installed(project.parent / "other")), ran.stderr


def test_file_inside_an_archive_of_its_own(
    server: Server, catalog: CatalogFile, models: Models, other: Models, tar: Path
) -> None:
    """A model that adds a file to what an archive has is carried whole."""
    packed = wheel({"v/conf/a": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    more = known(b"3", server.serve("/m", b"3"), path="stt/v/am/more")
    whole = f"{known(packed, server.serve('/v', packed))}, {archive}"
    catalog.add("v", "vosk", "stt/v", whole, more)
    assert (0, 0) == (models("pull", "v").exit_code, models("export", "v", str(tar)).exit_code)
    root = tar.parent / "other"
    (root / "config").mkdir()
    (root / "config/catalog.local.toml").write_bytes(catalog.path.read_bytes())
    ran = other("import", str(tar))
    assert (0, b"3") == (ran.exit_code, (root / "models/stt/v/am/more").read_bytes()), ran.stderr
    assert 0 == other("verify", "--deep").exit_code


def test_export_replaces_files_only(exported: Path, models: Models, tmp_path: Path) -> None:
    """A device, a pipe or a folder stays what it is; a link leads to where the export goes."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "linked.tar")
    assert [1, 1, 0] == [
        models("export", "mine", str(each)).exit_code for each in (pipe, tmp_path, link)
    ]
    assert (True, True, True) == (pipe.is_fifo(), link.is_symlink(), exported.is_file())
    assert tarfile.is_tarfile(tmp_path / "linked.tar")
