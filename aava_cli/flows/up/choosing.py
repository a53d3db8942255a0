"""Choose the models for a host: the richest profile that fits, and in it the first that run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.catalog import plain
from aava_cli.errors import NotFound
from aava_cli.memory.describing import catalog_need
from aava_cli.memory.fit import plan_fit
from aava_cli.memory.terms import FitTerms
from aava_cli.output import human_bytes
from aava_cli.preflight.findings import CheckFailed
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.catalog import Catalog, Model
    from aava_cli.catalog_profiles import Mode, Profile
    from aava_cli.memory.fitted import FitPlan
    from aava_cli.memory.host import HostMemory, Loaded
    from aava_cli.roles import Role

AUTO = "auto"
LISTING = "aava up --list-profiles"
_GB = 1_000_000_000
_GIVES_WAY_LAST: tuple[Role, ...] = ("stt", "tts", "llm")


@dataclass(frozen=True, slots=True)
class Host:
    """What there is to run models with.

    *able* are the backends that the daemon has or can have. Where *fetches* is true an engine
    may bring its model itself, as those of the image do. *loaded* are models that make room.
    """

    memory: HostMemory
    processors: float
    able: frozenset[str]
    fetches: bool
    loaded: tuple[Loaded, ...] = ()

    @property
    def largest_gpu_bytes(self) -> int:
        """The memory that one GPU has for models, once those that run are gone."""
        gpus = enumerate(self.memory.gpus)
        return max((gpu.free_bytes + self._given_back(index) for index, gpu in gpus), default=0)

    def _given_back(self, index: int) -> int:
        return sum(sum(each.gpu_bytes[index : index + 1]) for each in self.loaded)


@dataclass(frozen=True, slots=True)
class ModelSet:
    """What is to run: a model's name by role, or None for the one that `.env` selects.

    *backends* are their engines, in the same order, and *pulls* those that a catalog has. Without
    a *mode* that of `.env` stays, and where it *keeps_options* so does all that `.env` says of
    how they run.
    """

    profile: str
    mode: Mode | None
    models: Mapping[Role, str | None] = field(hash=False)
    backends: tuple[str, ...]
    pulls: tuple[str, ...]
    options: tuple[str, ...] = ()
    keeps_options: bool = False

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that get a model."""
        return tuple(role for role in ROLES if role in self.models)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a profile is not for this host; *lacking* are packages that would make it so.

    *wrong_in* is the file that has to be corrected first.
    """

    why: str
    lacking: tuple[str, ...] = ()
    wrong_in: str | None = None

    @property
    def fix(self) -> str:
        """What to do about it."""
        if self.lacking:
            return f"run `python -m pip install {' '.join(self.lacking)}`"
        if self.wrong_in is not None:
            return f"correct it in `{self.wrong_in}`"
        return f"run `{LISTING}` to see what each needs"


def choose_models(name: str, catalog: Catalog, host: Host) -> ModelSet:
    """Return what *host* is to run of the profile *name*; `auto` is the richest that fits.

    Raises:
        NotFound: there is no such profile.
        CheckFailed: it does not fit, or none does; what is missing is named.
    """
    if name == AUTO:
        return _richest(catalog, host)
    profile = catalog.profiles.get(plain(name))
    if profile is None:
        raise NotFound.named("profile", name, catalog.profiles, listing=LISTING)
    found = fit_profile(profile, catalog, host)
    if isinstance(found, Unfit):
        raise CheckFailed(f"`{profile.name}` is not for this host: {found.why}", hint=found.fix)
    return found


def _richest(catalog: Catalog, host: Host) -> ModelSet:
    unfit: Unfit | None = None
    for profile in ranked(catalog):
        found = fit_profile(profile, catalog, host)
        if isinstance(found, ModelSet):
            return found
        unfit = found
    why = unfit.why if unfit else "the catalog has none with a `rank`"
    hint = unfit.fix if unfit else f"run `{LISTING}`, and name one"
    raise CheckFailed(f"no profile is for this host: {why}", hint=hint)


def fit_profile(profile: Profile, catalog: Catalog, host: Host) -> ModelSet | Unfit:
    """Return the first models of *profile* that run and fit together on *host*, or why none do.

    The language model gives way first, then the voice: they have the smaller stand-ins.
    """
    short = _short_of(profile, host)
    if short:
        return Unfit(short)
    try:
        candidates = {
            role: tuple(map(catalog.find, profile.candidates[role]))
            for role in _GIVES_WAY_LAST
            if role in profile.candidates
        }
    except NotFound as unknown:
        # One slip in a file of the user's own leaves every other profile usable.
        why = f"`{profile.name}` names what no catalog has: {unknown.message}"
        return Unfit(why, wrong_in=profile.source)
    runnable = {
        role: [model for model in models if _runs(model, host)]
        for role, models in candidates.items()
    }
    unable = {role: models for role, models in candidates.items() if not runnable[role]}
    if unable:
        return _without_engines(unable)
    fits = {models: _fit(models, profile, host) for models in product(*runnable.values())}
    # Smaller models that surely fit are better than larger ones that do if all goes well.
    for verdict in ("fits", "tight"):
        for models, plan in fits.items():
            if plan.verdict == verdict:
                return _set_of(profile, models)
    # The last ones are the smallest.
    return Unfit(_misfit(tuple(fits.values())[-1]))


def _short_of(profile: Profile, host: Host) -> str | None:
    """Return what *host* has too little of for *profile*, in words."""
    # What is sold as so many gigabytes is a little less: firmware and kernel take their share.
    least = 0.9 * _GB
    for what, needed, have in (
        ("GB of memory", profile.memory_gb, host.memory.total_bytes / least),
        ("processors", profile.processors, host.processors),
        ("GB of free GPU memory", profile.gpu_gb, host.largest_gpu_bytes / least),
    ):
        if needed is not None and have < needed:
            return f"it needs {needed} {what}"
    return None


def _runs(model: Model, host: Host) -> bool:
    return model.backend in host.able and (bool(model.files) or host.fetches)


def _without_engines(candidates: Mapping[Role, tuple[Model, ...]]) -> Unfit:
    """Return that none of *candidates* can run for want of an engine, and which would do."""
    first = {role: BACKENDS[_installable(models).backend] for role, models in candidates.items()}
    missing = ", ".join(f"`{record.name}` for {role}" for role, record in first.items())
    lacking = (record.distribution for record in first.values() if record.distribution)
    return Unfit(f"no engine is installed: {missing}", tuple(lacking))


def _installable(models: tuple[Model, ...]) -> Model:
    """Return the first of *models* that the native daemon could have an engine and files for."""
    known = (each for each in models if each.files and BACKENDS[each.backend].distribution)
    return next(known, models[0])


def _fit(models: tuple[Model, ...], profile: Profile, host: Host) -> FitPlan:
    """Return how *models* fit on *host* together, with the options of *profile*."""
    options = dict(option.split("=", 1) for option in profile.options)
    on_gpu = {option.partition(".")[0] for option, value in options.items() if value == "cuda"}
    gpu_layers = int(options.get("llm.gpu_layers", "0"))
    # What computes on the processor is not the worse for a GPU that it leaves alone.
    memory = host.memory if on_gpu or gpu_layers else replace(host.memory, gpus=())
    terms = FitTerms(
        context=int(options["llm.context"]) if "llm.context" in options else None,
        gpu_layers=gpu_layers,
        native=not host.fetches,
        speech_on_gpu=frozenset(role for role in ROLES if role in on_gpu),
        loaded=host.loaded,
    )
    return plan_fit(tuple(map(catalog_need, models)), memory, terms)


def _misfit(plan: FitPlan) -> str:
    for device in plan.devices:
        if device.verdict == "no":
            used, free = human_bytes(device.used.likely_bytes), human_bytes(device.free_bytes)
            return f"its models take {used} of {device.name}, where {free} are free"
    language = plan.language
    layers = f"{language.layers} of {language.of}" if language else "not all"
    return f"the GPU has room for {layers} layers of its language model"


def _set_of(profile: Profile, models: tuple[Model, ...]) -> ModelSet:
    return ModelSet(
        profile=profile.name,
        mode=profile.mode,
        models={model.role: model.id for model in models},
        backends=tuple(model.backend for model in models),
        pulls=tuple(model.id for model in models),
        options=tuple(option for option in profile.options if _counts(option, models)),
    )


def _counts(option: str, models: Iterable[Model]) -> bool:
    """Return whether the engine of one of *models* has *option*."""
    role, _, rest = option.partition(".")
    name = rest.partition("=")[0]
    return any(
        name == setting.option
        for model in models
        if model.role == role
        for setting in BACKENDS[model.backend].settings
    )


def ranked(catalog: Catalog) -> list[Profile]:
    """Return the profiles that are chosen from by themselves, the richest first."""
    found = [each for each in catalog.profiles.values() if each.rank is not None]
    return sorted(found, key=lambda each: each.rank or 0, reverse=True)
