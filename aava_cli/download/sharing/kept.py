"""What a pull that is stopped has to say: how much is kept, and how to go on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aava_cli.download.sharing.shelf import about, begun, kept_bytes
from aava_cli.errors import Interrupted, Stopped, Terminated
from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aava_cli.catalog import Model
    from aava_cli.errors import AavaError


@contextmanager
def tell_what_is_kept(work: Path, models: Sequence[Model]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block with what is kept of *models*.

    Raises:
        Interrupted: Ctrl-C.
        Stopped: SIGTERM or SIGHUP.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise _stopped(Interrupted, "interrupted", work, models) from error
    except Terminated as error:
        raise _stopped(Stopped, "terminated", work, models) from error


def _stopped(kind: type[AavaError], what: str, work: Path, models: Sequence[Model]) -> AavaError:
    sources = {source for model in models for file in model.files for source in file.sources}
    folders = [folder for source in sources for folder in begun(work, source)]
    kept = human_bytes(sum(map(kept_bytes, folders)))
    sizes = [found.size_bytes for found in map(about, folders) if found]
    total = sum(size for size in sizes if size is not None)
    of_all = f" of {human_bytes(total)}" if total and None not in sizes else ""
    names = " ".join(model.id for model in models)
    message = f"{what}; {kept}{of_all} of what was begun are kept"
    return kind(message, hint=f"run `aava models pull {names}` to go on from there")
