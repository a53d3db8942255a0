"""Ask the hub whether it has a model, whole, for who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.download.resolving.wholeness import CONFIG, lacks_among
from aava_cli.download.sources.hub import find_host, list_repository, resolve_file
from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from aava_cli.download.resolving.plan import Asked


@dataclass(frozen=True, slots=True)
class OnHub:
    """A model at the commit that its revision names now; the size is that of all its files."""

    commit: str
    size_bytes: int


def ask_hub(asked: Asked) -> OnHub:
    """Return what the hub has of *asked*.

    Raises:
        NotFound: there is no such model or revision, or none that who asks may know of.
        AccessDenied: it is gated, or the token is refused.
        NetworkError: the hub cannot be asked.
        IntegrityError: what it has is not all that a model needs.
    """
    find_host()
    snapshot = list_repository(asked.repository, asked.revision)
    names = {file.path for file in snapshot.files}
    lacks = tuple(lacks_among(names))
    if CONFIG in names:
        # The list of a gated model's files is public; its files are not.
        resolve_file(asked.repository, snapshot.commit, CONFIG)
    if lacks:
        message = f"`{asked.repository}` on the hub is no whole model of transformers"
        hint = "name another model; `aava models pull` takes single files from the hub"
        raise IntegrityError(f"{message}: {', '.join(map(str, lacks))}", hint=hint)
    return OnHub(snapshot.commit, sum(file.size_bytes or 0 for file in snapshot.files))
