"""Answer whether models fit: look at them, at the host, and at what the daemon runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.daemon.client import connect
from aava_cli.download.fitting.answer import Fitted
from aava_cli.download.fitting.looking import Looker
from aava_cli.errors import AavaError
from aava_cli.measuring.host import read_host
from aava_cli.measuring.observed import Observations
from aava_cli.measuring.running import running_models
from aava_cli.memory.fit import plan_fit
from aava_cli.memory.host import HostMemory
from aava_cli.memory.terms import DEFAULT_BATCH, FitTerms
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.memory.host import GpuMemory, Loaded
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.roles import Role
    from aava_cli.session import Session

_ON_GPU = ("cuda", "auto")
# Engines of the daemon's image that compute on a GPU wherever they find one.
_FINDS_ITS_GPU = frozenset({"kokoro"})


@dataclass(frozen=True, slots=True)
class Question:
    """Which models, and how they are to run; *gpus* and *memory_bytes* are another host's."""

    models: tuple[str, ...]
    context: int | None = None
    parallel: int = 1
    cache_type: str = "f16"
    gpus: tuple[GpuMemory, ...] | None = None
    memory_bytes: int | None = None
    strict: bool = False


def answer_fit(session: Session, asked: Question) -> Fitted:
    """Return whether the models of *asked* fit together, on this host or the one that it names.

    Raises:
        NotFound: no model goes by a name.
        NetworkError: a model's source cannot be asked.
        IntegrityError: a model's header is damaged.
        UsageError: two models are of one role.
    """
    looker = Looker.of(session)
    seen = tuple(map(looker.look, asked.models))
    needs = tuple(each.need for each in seen)
    host = _host(asked)
    terms = make_terms(session, asked, needs)
    if asked.gpus is None and asked.memory_bytes is None:
        terms = replace(terms, loaded=_loaded(session, host))
    return Fitted.of(plan_fit(needs, host, terms), seen, strict=asked.strict)


def make_terms(session: Session, asked: Question, needs: tuple[ModelNeed, ...]) -> FitTerms:
    """Return how the models would run in this project."""
    env = session.env()
    native = not is_compose_project(session.settings.project)
    return FitTerms(
        context=asked.context or _number(env, "LOCAL_LLM_CONTEXT"),
        parallel=asked.parallel,
        cache_type=asked.cache_type,
        batch=_number(env, "LOCAL_LLM_BATCH") or DEFAULT_BATCH,
        flash_attention=True if native else None,
        native=native,
        speech_on_gpu=_on_gpu(needs, env, native=native),
        factors=Observations(session.settings.state_dir).factors(),
    )


def _loaded(session: Session, host: HostMemory) -> tuple[Loaded, ...]:
    """Return what the daemon has loaded; one that cannot be asked has nothing."""
    with suppress(AavaError), connect(session) as daemon:
        status = daemon.status()
        found = running_models(session.settings, status, host.gpus)
        return tuple(each.loaded() for each in found)
    return ()


def _host(asked: Question) -> HostMemory:
    host = read_host(gpus=asked.gpus)
    if asked.memory_bytes is None:
        return host
    return HostMemory(asked.memory_bytes, asked.memory_bytes, host.gpus)


def _on_gpu(
    needs: tuple[ModelNeed, ...], env: Mapping[str, str], *, native: bool
) -> frozenset[Role]:
    return frozenset(
        need.role
        for need in needs
        if _device(need.backend, env) in _ON_GPU or (need.backend in _FINDS_ITS_GPU and not native)
    )


def _device(backend: str, env: Mapping[str, str]) -> str | None:
    record = BACKENDS.get(backend)
    settings = record.settings if record else ()
    found = next((each for each in settings if each.option == "device"), None)
    return env.get(found.env, found.default) if found else None


def _number(env: Mapping[str, str], key: str) -> int | None:
    value = env.get(key, "").strip()
    return int(value) if value.isdecimal() and int(value) else None
