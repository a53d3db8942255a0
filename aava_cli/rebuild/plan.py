"""Decide what a rebuild puts into the image, and what `.env` says of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli import envfile
from aava_cli.backends import BACKENDS, backend_in_env, backend_named, selected_in
from aava_cli.backends.record import LEAST_IMAGE_BYTES
from aava_cli.errors import NotPossible, UsageError
from aava_cli.output import Result, Table
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    """What is known of the image: of itself, of the daemon in it, and of the files.

    *recorded* are the build arguments that the image was made with, None where there is no
    image yet; *capabilities* is None where no daemon answers. *configured* are the arguments
    that a build would use now. *hidden* are backends that the daemon denies even if its image
    holds them.
    """

    recorded: Mapping[str, str] | None
    capabilities: Mapping[str, bool] | None
    configured: Mapping[str, str]
    env: Mapping[str, str]
    hidden: frozenset[str] = frozenset()

    def holds(self, backend: Backend) -> bool:
        """Return whether the image has *backend*; the daemon is asked where it does not say so.

        The daemon alone would not do: it offers some for their models, and hides others.
        """
        said = (self.recorded or {}).get(backend.build_arg)
        if said is not None:
            return said == _IN
        return self.offers(backend)

    def offers(self, backend: Backend) -> bool:
        """Return whether the daemon says that it can use *backend*."""
        return (self.capabilities or {}).get(backend.capability, False)

    def denies(self, backend: Backend) -> bool:
        """Return whether the image has *backend*, and the daemon in it cannot use it."""
        is_asked = self.capabilities is not None and backend.name not in self.hidden
        return is_asked and self.holds(backend) and not self.offers(backend)


@dataclass(frozen=True, slots=True)
class RebuildPlan(Result):
    """What one rebuild does; nothing where the image already is as wished.

    *also* are the arguments of what comes in besides, because the files say so. *includes* says
    of each backend's argument whether it is in, and *needs* names those that have to be given
    beside them. *env* are the values of `.env` that say so to the next build.
    """

    add: tuple[str, ...]
    drop: tuple[str, ...]
    also: tuple[str, ...]
    includes: Mapping[str, str]
    needs: tuple[str, ...]
    env: Mapping[str, str | None]
    image: str
    room_bytes: int

    @property
    def is_empty(self) -> bool:
        """Whether the image already is as wished."""
        return not self.add and not self.drop

    def brings(self, backend: Backend) -> bool:
        """Return whether the image holds *backend* then."""
        return self.includes.get(backend.build_arg) == _IN

    @property
    def name(self) -> str:
        """What builds of this sort are remembered by."""
        return "build " + ",".join((*self.add, *(f"-{each}" for each in self.drop)))

    def text(self) -> Iterable[str | Table]:
        """Yield what would be built, and what `.env` says then."""
        if self.is_empty:
            yield "already so: the image holds what was asked for"
        else:
            yield f"image     {self.image}"
            yield f"added     {', '.join(self.add) or '-'}"
            yield f"left out  {', '.join(self.drop) or '-'}"
            if self.also:
                yield f"besides   {', '.join(self.also)}, as the files say"
        if self.env:
            rows = tuple((key, value or "-") for key, value in self.env.items())
            yield Table((".env", "then"), rows)


def plan_rebuild(wish: Wish, known: Known, image: str) -> RebuildPlan:
    """Return what makes *image* hold what *wish* says, and all else that it holds now.

    Raises:
        NotPossible: what is to go is selected, or an argument of what is to come is missing, or
            the daemon cannot use what its image holds.
    """
    add = tuple(each for each in wish.add if not known.holds(each))
    drop = tuple(each for each in wish.drop if known.holds(each))
    for backend in drop:
        refuse_selected(backend, known.env)
    for backend in wish.add:
        _refuse_denied(backend, known)
    named = {each.build_arg for each in (*wish.add, *wish.drop)}
    includes = _includes(wish, known)
    needs = tuple(_needs(includes, known)) if add or drop else ()
    return RebuildPlan(
        add=tuple(each.name for each in add),
        drop=tuple(each.name for each in drop),
        also=tuple(sorted(_besides(named, includes, known))) if add or drop else (),
        includes=includes,
        needs=needs,
        env=_env_values(includes, known, named=named, builds=bool(add or drop)),
        image=image,
        room_bytes=_room(includes),
    )


def _refuse_denied(backend: Backend, known: Known) -> None:
    if known.denies(backend):
        message = f"the image is built with `{backend.name}`, and the daemon in it denies it"
        raise NotPossible(message, hint="read `docker compose logs local_ai_server`")


def _includes(wish: Wish, known: Known) -> dict[str, str]:
    """Return what the image is to hold: all that is in it or that the files say, and the wish."""
    held = {each.build_arg for each in BACKENDS.values() if known.holds(each)}
    said = {key for key, value in known.configured.items() if key in _keys() and value == _IN}
    wanted = held | said | {each.build_arg for each in wish.add}
    wanted -= {each.build_arg for each in wish.drop}
    mentioned = wanted | (known.configured.keys() & _keys())
    mentioned |= {each.build_arg for each in wish.drop}
    return {key: _IN if key in wanted else _OUT for key in sorted(mentioned)}


def _besides(named: set[str], includes: Mapping[str, str], known: Known) -> Iterator[str]:
    if known.recorded is None:
        # Of an image that is not there yet, all is as the files say.
        return
    told = named | {each.build_arg for each in BACKENDS.values() if known.holds(each)}
    yield from (key for key, value in includes.items() if value == _IN and key not in told)


def _needs(includes: Mapping[str, str], known: Known) -> Iterator[str]:
    """Yield the arguments without which something could not be checked that is downloaded.

    Raises:
        NotPossible: one has no value.
    """
    held = (each for each in BACKENDS.values() if includes.get(each.build_arg) == _IN)
    for key in dict.fromkeys(key for backend in held for key in backend.build_needs):
        if not known.env.get(key):
            message = f"`{key}` is not set: what is downloaded could not be checked"
            raise NotPossible(message, hint=f"add `{key}=` with the digest you trust to `.env`")
        yield key


def _env_values(
    includes: Mapping[str, str], known: Known, *, named: set[str], builds: bool
) -> dict[str, str | None]:
    """Return what `.env` has to say, so that the next build makes the same image."""
    would = {key for key in includes if known.configured.get(key) == _IN}
    differing = {key for key, value in includes.items() if (key in would) != (value == _IN)}
    written = named | differing if builds else named & differing
    return {key: includes[key] for key in sorted(written)}


def build_args(plan: RebuildPlan, known: Known) -> dict[str, str]:
    """Return all arguments of the build of *plan*; some may be secrets."""
    return {**known.configured, **plan.includes, **{key: known.env[key] for key in plan.needs}}


def _keys() -> frozenset[str]:
    return frozenset(each.build_arg for each in BACKENDS.values())


def _room(includes: Mapping[str, str]) -> int:
    held = (each for each in BACKENDS.values() if includes.get(each.build_arg) == _IN)
    return max((each.image_bytes for each in held), default=LEAST_IMAGE_BYTES)


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
