"""Decide what a rebuild puts into the image, and what `.env` says of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.backends import BACKENDS, backend_in_env, backend_named, selected_in
from aava_cli.errors import NotPossible, UsageError
from aava_cli.output import Result, Table
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.backends import Backend

# The Dockerfile compares text: anything else, `1` and `True` too, leaves the backend out.
_IN, _OUT = "true", "false"


@dataclass(frozen=True, slots=True)
class Wish:
    """The backends that the image is to hold, and those that it is not to hold any more."""

    add: tuple[Backend, ...]
    drop: tuple[Backend, ...] = ()

    @classmethod
    def of(cls, add: Iterable[str], drop: Iterable[str] = ()) -> Wish:
        """Return the wish for the backends named *add* to come, and for *drop* to go.

        Raises:
            NotFound: there is no such backend.
            UsageError: nothing is named, or one is to come and to go.
        """
        return cls(tuple(map(backend_named, dict.fromkeys(add))), tuple(map(backend_named, drop)))

    def __post_init__(self) -> None:
        """Refuse a wish for nothing, and one that contradicts itself.

        Raises:
            UsageError: it is one of these.
        """
        if not self.add and not self.drop:
            message = "no backend is named"
            raise UsageError(message, hint="run `aava backends` to see them")
        both = {each.build_arg for each in self.add} & {each.build_arg for each in self.drop}
        for backend in self.drop:
            if backend.build_arg in both:
                message = f"`{backend.name}` is to come and to go"
                raise UsageError(message, hint="name it once")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the image: of the daemon in it, of itself, and of the files.

    *capabilities* is None where no daemon answers; *recorded* are the build arguments that the
    image was made with, and *configured* those that a build would use now. *hidden* are the
    backends that the daemon would deny even if the image held them.
    """

    capabilities: Mapping[str, bool] | None
    recorded: Mapping[str, str]
    configured: Mapping[str, str]
    env: Mapping[str, str]
    hidden: frozenset[str] = frozenset()

    def holds(self, backend: Backend) -> bool:
        """Return whether the image has *backend*: the daemon in it decides, where one answers."""
        if self.capabilities is not None and backend.name not in self.hidden:
            return self.capabilities.get(backend.capability, False)
        return self.recorded.get(backend.build_arg) == _IN

    def may_hold(self, backend: Backend) -> bool:
        """Return whether the image was made with *backend*, even if it is of no use yet."""
        return self.holds(backend) or self.recorded.get(backend.build_arg) == _IN


@dataclass(frozen=True, slots=True)
class RebuildPlan(Result):
    """What one rebuild does; nothing where the image already is as wished.

    *args* are all build arguments; *env* those values of `.env` that say so to the next build.
    """

    add: tuple[str, ...]
    drop: tuple[str, ...]
    args: Mapping[str, str]
    env: Mapping[str, str | None]
    image: str
    room_bytes: int

    @property
    def is_empty(self) -> bool:
        """Whether the image already is as wished."""
        return not self.add and not self.drop

    @property
    def name(self) -> str:
        """What builds of this sort are remembered by."""
        return "build " + ",".join((*self.add, *(f"-{each}" for each in self.drop)))

    def text(self) -> Iterable[str | Table]:
        """Yield what would be built, and with which arguments."""
        if self.is_empty:
            yield "already so: the image holds what was asked for"
            return
        yield f"image     {self.image}"
        yield f"added     {', '.join(self.add) or '-'}"
        yield f"left out  {', '.join(self.drop) or '-'}"
        yield Table((".env", "then"), tuple((key, value or "-") for key, value in self.env.items()))


def plan_rebuild(wish: Wish, known: Known, image: str) -> RebuildPlan:
    """Return what makes *image* hold what *wish* says, and all else that it holds now.

    Raises:
        NotPossible: what is to go is selected, or an argument of what is to come is missing.
    """
    add = tuple(each for each in wish.add if not known.holds(each))
    drop = tuple(each for each in wish.drop if known.may_hold(each))
    for backend in drop:
        refuse_selected(backend, known.env)
    includes = _includes(add, drop, known)
    needs = {key: known.env.get(key) for backend in add for key in backend.build_needs}
    for key, value in needs.items():
        if not value:
            message = f"`{key}` is not set: what is downloaded could not be checked"
            raise NotPossible(message, hint=f"add `{key}=` with the digest you trust to `.env`")
    named = {each.build_arg for each in (*add, *drop)}
    return RebuildPlan(
        add=tuple(each.name for each in add),
        drop=tuple(each.name for each in drop),
        args={**known.configured, **includes, **{key: value or "" for key, value in needs.items()}},
        env={
            key: value
            for key, value in includes.items()
            if key in named or value != known.configured.get(key)
        },
        image=image,
        room_bytes=_room(includes),
    )


def _includes(add: tuple[Backend, ...], drop: tuple[Backend, ...], known: Known) -> dict[str, str]:
    """Return the arguments that say what the image holds: all that is in it stays, but *drop*."""
    present = {each.build_arg for each in BACKENDS.values() if known.may_hold(each)}
    wanted = (present | {each.build_arg for each in add}) - {each.build_arg for each in drop}
    found = {key: value for key, value in known.configured.items() if key in _keys()}
    found |= dict.fromkeys(sorted(wanted), _IN)
    return {**found, **{each.build_arg: _OUT for each in drop}}


def _keys() -> frozenset[str]:
    return frozenset(each.build_arg for each in BACKENDS.values())


def _room(includes: Mapping[str, str]) -> int:
    held = (each for each in BACKENDS.values() if includes.get(each.build_arg) == _IN)
    return max((each.image_bytes for each in held), default=0)


def refuse_selected(backend: Backend, env: Mapping[str, str]) -> None:
    """Raise `NotPossible` if `.env`, which says *env*, selects the *backend* that would go."""
    for role in ROLES:
        selected = backend_in_env(role, env)
        if selected is None or selected.build_arg != backend.build_arg:
            continue
        # The one language engine is named nowhere; its model is, or it does nothing.
        if selected.env_key is not None or selected_in(selected, env).model:
            message = f"`.env` selects `{selected.name}`, which would go"
            raise NotPossible(message, hint=f"choose another one first: `aava switch --{role} ...`")


def include_values(env: Mapping[str, str]) -> dict[str, str | None]:
    """Return what *env* says of each backend's place in the image; None where it says nothing."""
    return {key: env.get(key) for key in sorted(_keys())}


def edited_env(text: str, changes: Mapping[str, str | None], *, name: str) -> str:
    """Return the *text* of `.env` with *changes*, every other byte as it is."""
    return envfile.edit(text, changes, name=name)
