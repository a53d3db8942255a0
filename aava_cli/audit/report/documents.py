"""The files that an audit was asked to write, which say how it ended however it ends."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.audit.report.junit import as_junit, error_as_junit
from aava_cli.audit.report.markdown import as_markdown, error_as_markdown
from aava_cli.audit.report.results import NotShown
from aava_cli.audit.timeline import drawing_of
from aava_cli.errors import AavaError, UsageError
from aava_cli.files import atomic_write
from aava_cli.output import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aava_cli.audit.report.results import Audited
    from aava_cli.audit.report.showing import Showing
    from aava_cli.output import Form

_STDOUT = Path("-")
_WRITABLE = "name a file in a folder that is there and yours"
_NOT_ENDED = NotShown("the audit did not come to an end", hint="run it again")


class Document(Result):
    """An answer that is written as a document of its own form."""

    __slots__ = ("_audited", "_document")

    def __init__(self, document: str, audited: Audited) -> None:
        self._document = document
        self._audited = audited

    def text(self) -> Iterable[str]:
        """Yield the document."""
        yield self._document.removesuffix("\n")

    def failure(self) -> AavaError | None:
        """Return what keeps the audited from being a release."""
        return self._audited.failure()


@dataclass(frozen=True, slots=True)
class Documents:
    """Where each document goes; `-` is printed instead of the answer."""

    junit: Path | None = None
    markdown: Path | None = None
    svg: Path | None = None

    @contextmanager
    def open(self, logs: Sequence[str], showing: Showing, form: Form = "text") -> Iterator[None]:
        """Let what is done meanwhile fail in the documents as well.

        From the beginning no document of an earlier run is left that could be taken for one of
        this: whoever is killed leaves one that says so.

        Raises:
            UsageError: a document cannot be written, or would be written over a log or another.
        """
        is_begun = False
        try:
            self._spare(logs)
            self._require_apart(form)
            self._refuse(_NOT_ENDED)
            is_begun = True
            yield
        except AavaError as error:
            error.message, error.hint = showing.name(error.message), showing.name(error.hint)
            if is_begun:
                self._refuse(error)
            raise

    def write(self, audited: Audited) -> None:
        """Write every document that has a file of its own, and something to show."""
        for path, write in self._made(audited):
            if path != _STDOUT:
                _write(path, write(audited))

    def printed(self, audited: Audited, form: Form) -> Result:
        """Return the document that is printed, or the answer itself."""
        asked = [write for path, write in self._made(audited) if path == _STDOUT]
        return Document(asked[-1](audited), audited) if asked and form == "text" else audited

    def _wanted(self) -> list[tuple[Path, Callable[[Audited], str]]]:
        every = ((self.svg, drawing_of), (self.junit, as_junit), (self.markdown, as_markdown))
        return [(path, write) for path, write in every if path is not None]

    def _made(self, audited: Audited) -> list[tuple[Path, Callable[[Audited], str]]]:
        """Return what is wanted, less a drawing of a call that is not there."""
        is_drawn = audited.drawn is not None
        return [each for each in self._wanted() if is_drawn or each[1] is not drawing_of]

    def _require_apart(self, form: Form) -> None:
        """Refuse documents of which one would take the place of another, or of the answer."""
        paths = [path for path, _ in self._wanted()]
        printed = paths.count(_STDOUT)
        if printed > 1 or (printed and form != "text"):
            hint = "name a file: `aava audit LOG --junit FILE`"
            raise UsageError("only one document can be printed, and not beside JSON", hint=hint)
        written = [path.resolve() for path in paths if path != _STDOUT and not _is_special(path)]
        if len(set(written)) < len(written):
            message = "two documents would be written to one file"
            raise UsageError(message, hint="name a file for each")

    def _spare(self, logs: Sequence[str]) -> None:
        for path in [path for path, _ in self._wanted() if path != _STDOUT]:
            _require_writable(path)
            for log in map(Path, logs):
                if path.exists() and log.exists() and log.samefile(path):
                    message = f"`{path}` is a log, and would be written over"
                    raise UsageError(message, hint="name another file")

    def _refuse(self, error: AavaError) -> None:
        """Say in every document that there is no answer; a drawing says so by its absence."""
        for path, told in ((self.junit, error_as_junit), (self.markdown, error_as_markdown)):
            if path is not None and path != _STDOUT and not _is_special(path):
                _write(path, told(error))
        if self.svg is not None and self.svg.is_file():
            self.svg.unlink()


def _require_writable(path: Path) -> None:
    # A name that is too long raises when it is looked at.
    with suppress(OSError):
        if _is_special(path):
            is_writable = not path.is_dir() and os.access(path, os.W_OK)
        else:
            is_writable = os.access(path.resolve().parent, os.W_OK | os.X_OK)
        if is_writable:
            return
    raise UsageError(f"cannot write `{path}`", hint=_WRITABLE)


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _write(path: Path, document: str) -> None:
    try:
        if _is_special(path):
            # Such as `/dev/stderr` or a pipe: nothing may take its place.
            path.write_bytes(document.encode())
        else:
            atomic_write(path, document.encode())
    except OSError as error:
        message = f"cannot write `{path}`: {error.strerror}"
        raise UsageError(message, hint=_WRITABLE) from error
