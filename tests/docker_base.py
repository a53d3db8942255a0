"""An image with this machine's Python in it, made without a network: what `aava serve` needs.

The engines lie apart in `/parts`. An image built on this one has those that it links into
`/app/site`, so that the daemon in it can do what was built in, and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PYTHON = Path(sys.executable).resolve()
STDLIB = Path(sysconfig.get_path("stdlib"))
PARTS = {"llama": "xllamacpp", "whisper_cpp": "pywhispercpp", "piper": "piper-tts"}
SHELL = "busybox"

_SERVER = (
    *("starlette", "uvicorn", "python-multipart", "websockets", "typer", "rich"),
    *("filelock", "platformdirs", "psutil", "PyYAML", "python-dotenv"),
)
_LEFT_OUT = frozenset(
    {
        *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo"),
        *("ensurepip", "lib2to3", "pydoc_data", "unittest"),
    }
)
_LEFT_OUT_ENDS = (".a", ".opt-1.pyc", ".opt-2.pyc", ".pyi", ".h")
_IMPORT_S = 300


def base_image() -> str:
    """Return the tag of the image, which is made if this content was not imported before.

    Of tests that run at once, one makes it: made twice, it would be another for the engine, which
    then builds anew what it had already.
    """
    tag = f"aava-test-base:{_content()}"
    with FileLock(Path(tempfile.gettempdir()) / f"{tag.replace(':', '-')}.lock"):
        if not _is_here(tag):
            _import(tag)
    return tag


def _import(tag: str) -> None:
    with subprocess.Popen(["docker", "import", "-", tag], stdin=subprocess.PIPE) as importing:
        assert importing.stdin is not None
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            programs = [*_add_system(archive), *_add_packages(archive)]
            _add_libraries(archive, programs)
        importing.stdin.close()
        assert 0 == importing.wait(_IMPORT_S)


def _is_here(tag: str) -> bool:
    found = subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False)
    return found.returncode == 0


def _content() -> str:
    """Return a name for what would be in the image: another interpreter is another image."""
    names = closure((*_SERVER, *PARTS.values()))
    versions = [f"{name}=={metadata.version(name)}" for name in sorted(names)]
    source = Path(__file__).read_text(encoding="utf-8")
    described = "\n".join((sys.version, str(PYTHON), *versions, source))
    return hashlib.sha256(described.encode()).hexdigest()[:12]


@cache
def closure(roots: tuple[str, ...]) -> frozenset[str]:
    """Return the packages *roots* and all that they need here."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += [need.name for need in _needs(name)]
    return frozenset(found)


def _needs(name: str) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield need


def _add_system(archive: tarfile.TarFile) -> list[Path]:
    """Add a shell and the interpreter, and return which of the files are programs."""
    shell = shutil.which(SHELL)
    assert shell is not None
    listed = subprocess.run([shell, "--list"], capture_output=True, text=True, check=True).stdout
    archive.add(Path(shell).resolve(), "bin/busybox")
    for name in set(listed.split()) - {SHELL}:
        _add_link(archive, f"bin/{name}", "/bin/busybox")
    archive.add(PYTHON, str(PYTHON))
    _add_link(archive, "bin/python", str(PYTHON))
    archive.add(STDLIB, str(STDLIB), filter=_without_ballast)
    for folder in ("tmp", "app/models", "app/data"):
        _add_folder(archive, folder)
    # The daemon wants a project; its values come from the container's environment.
    _add_text(archive, "app/.env", "")
    _add_text(archive, "etc/passwd", "root:x:0:0:root:/app:/bin/sh\n")
    return [*STDLIB.glob("lib-dynload/*.so"), PYTHON, Path(shell)]


def _add_packages(archive: tarfile.TarFile) -> list[Path]:
    """Add the daemon's packages and each engine's own, and return which files are programs."""
    server = closure(_SERVER)
    extensions = _add_distributions(archive, server, "app/site")
    for part, package in PARTS.items():
        needed = closure((package,)) - server
        extensions += _add_distributions(archive, needed, f"parts/{part}")
    return extensions


def _add_distributions(archive: tarfile.TarFile, names: Iterable[str], folder: str) -> list[Path]:
    """Add the installed files of *names* to *folder*, and return which are extensions."""
    files = [file for name in sorted(names) for file in metadata.files(name) or ()]
    # What a package installs beside its folder are scripts.
    inside = [
        file
        for file in files
        if not {"..", "tests"} & set(file.parts) and not file.name.endswith(_LEFT_OUT_ENDS)
    ]
    for file in inside:
        archive.add(Path(str(file.locate())), f"{folder}/{file}")
    return [Path(str(file.locate())) for file in inside if ".so" in file.suffixes]


def _add_libraries(archive: tarfile.TarFile, programs: Iterable[Path]) -> None:
    """Add the shared libraries that *programs* are linked to, where the linker looks for them."""
    printed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=False
    ).stdout
    words = {word for word in printed.split() if word.startswith("/") and not word.endswith(":")}
    for library in sorted(words - {str(path) for path in programs}):
        # A package brings its own along.
        if "site-packages" not in library:
            archive.add(Path(library).resolve(), library)


def _without_ballast(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(member.name)
    return None if path.name in _LEFT_OUT or path.name.endswith(_LEFT_OUT_ENDS) else member


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, target
    archive.addfile(link)


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    folder = tarfile.TarInfo(name)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o777
    archive.addfile(folder)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    file = tarfile.TarInfo(name)
    file.size = len(text.encode())
    archive.addfile(file, io.BytesIO(text.encode()))
