"""The images that the daemon ran before: kept under tags of ours, and taken away only by us."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aava_cli.docker.engine import find_image, remove_tag
from aava_cli.docker.problems import EngineFailed
from aava_cli.docker.tagging import sibling
from aava_cli.errors import NotFound
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder
from aava_cli.output import Result, Table, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_KEPT = 3
_TAG = "aava-generation-"
_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Generation(Result):
    """One image as it was replaced; *env* are the values of `.env` that said what it holds."""

    number: int
    tag: str
    image_id: str
    since: float
    env: Mapping[str, str | None]

    def text(self) -> Iterable[str | Table]:
        """Yield what going back to it would bring."""
        yield f"image  {self.tag}"
        yield Table((".env", "then"), tuple((key, value or "-") for key, value in self.env.items()))


@dataclass(frozen=True, slots=True)
class Listed:
    """A generation as it is told; *number* is what `aava rebuild rollback` calls it."""

    number: int
    when: str
    image: str
    size_bytes: int
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Generations(Result):
    """The images that can be gone back to, the newest first."""

    generations: tuple[Listed, ...]

    def text(self) -> Iterable[str | Table]:
        """Yield a row per image."""
        if not self.generations:
            yield "no earlier image is kept"
            return
        rows = tuple(
            (str(each.number), each.when, each.image, human_bytes(each.size_bytes), _words(each))
            for each in self.generations
        )
        yield Table(("", "replaced", "image", "size", "holds"), rows)


def _words(listed: Listed) -> str:
    return ", ".join(listed.holds)


class Shelf:
    """The generations of one project: a file each, beside a tag each on the engine."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "generations"

    def next(self, image: str, image_id: str, env: Mapping[str, str | None]) -> Generation:
        """Write down the generation that *image* becomes; it counts once its tag is there."""
        number = 1 + max((each.number for each in self._read()), default=0)
        # A project whose state was removed finds its old tags.
        while find_image(sibling(image, f"{_TAG}{number}")) is not None:
            number += 1
        tag = sibling(image, f"{_TAG}{number}")
        made = Generation(number, tag, image_id, time.time(), env)
        private_folder(self._folder.parent)
        path = private_folder(self._folder) / f"{number}.json"
        atomic_write(path, json.dumps(asdict(made)).encode(), mode=PRIVATE_FILE)
        return made

    def all(self) -> tuple[Generation, ...]:
        """Return the generations that are there, the newest first."""
        found = sorted(self._read(), key=lambda each: each.number, reverse=True)
        return tuple(each for each in found if _is_there(each))

    def find(self, back: int) -> Generation:
        """Return the generation that was current *back* rebuilds ago.

        Raises:
            NotFound: so many are not kept.
        """
        kept = self.all()
        if back > len(kept):
            message = f"no image {back}: {len(kept)} are kept"
            raise NotFound(message, hint="run `aava rebuild list` to see them")
        return kept[back - 1]

    def prune(self, current_id: str) -> None:
        """Take the tags away that are too many, and those of the image that runs."""
        kept = [each for each in self.all() if each.image_id != current_id][:_KEPT]
        for old in tuple(self._read()):
            if old in kept:
                continue
            # A container that somebody made of it keeps it, until the next time.
            with suppress(EngineFailed):
                # A tag that names something else by now is not ours.
                if _is_there(old):
                    remove_tag(old.tag)
                (self._folder / f"{old.number}.json").unlink(missing_ok=True)

    def _read(self) -> Iterator[Generation]:
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):
                yield Generation(**json.loads(path.read_bytes()))


def _is_there(generation: Generation) -> bool:
    image = find_image(generation.tag)
    return image is not None and image.id == generation.image_id


def tell_generations(state_dir: Path) -> Generations:
    """Return the images that can be gone back to."""
    return Generations(tuple(_told(state_dir)))


def _told(state_dir: Path) -> Iterator[Listed]:
    from aava_cli.backends import BACKENDS
    from aava_cli.docker.engine import image_args

    for back, each in enumerate(Shelf(state_dir).all(), start=1):
        image, args = find_image(each.tag), image_args(each.tag)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.since))
        holds = tuple(
            backend.name for backend in BACKENDS.values() if args.get(backend.build_arg) == "true"
        )
        size = image.size_bytes if image else 0
        yield Listed(back, when, each.image_id.rpartition(":")[2][:_LETTERS], size, holds)
