"""Will a set of models fit on a host, and how: the one question that other parts ask.

    plan = plan_fit(needs, host, FitTerms(context=4096))
    plan.verdict, plan.language.layers, plan.advice

A need comes from a file's header where that can be had (`describing.gguf_need`), else from sizes
alone (`describing.sized_need`, `describing.catalog_need`). Nothing here asks anybody anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from aava_cli.errors import UsageError
from aava_cli.memory.advice import advise
from aava_cli.memory.amounts import total
from aava_cli.memory.fitted import ContextCut, DeviceFit, FitPlan, ReloadFit
from aava_cli.memory.laying import (
    Ground,
    lay_checkpoint,
    lay_language,
    lay_speech,
    trained_context,
)
from aava_cli.memory.needs import Language, Speech
from aava_cli.memory.room import room_for, verdict_of
from aava_cli.memory.spreading import Beside
from aava_cli.memory.visible import gpu_sets

if TYPE_CHECKING:
    from aava_cli.memory.amounts import Amount
    from aava_cli.memory.checkpoints import Checkpoint
    from aava_cli.memory.fitted import Verdict
    from aava_cli.memory.host import HostMemory
    from aava_cli.memory.laying import Laid
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.memory.terms import FitTerms

HOST = "memory"
_WORST_FIRST: tuple[Verdict, ...] = ("no", "partly", "tight", "fits")


def plan_fit(needs: tuple[ModelNeed, ...], host: HostMemory, terms: FitTerms) -> FitPlan:
    """Return whether *needs*, one model for each role, fit on *host* together, and how.

    Raises:
        UsageError: two models are of one role.
    """
    _check_roles(needs)
    room = room_for(needs, host, terms)
    sets = gpu_sets(room, native=terms.native)
    if not any(isinstance(need.kind, Language) for need in needs):
        sets = (tuple(range(len(host.gpus))),)
    plans = (_plan(needs, Ground(host, room, terms, gpus)) for gpus in sets)
    best = max(plans, key=lambda plan: _worth(plan, native=terms.native))
    return replace(best, advice=advise(best, terms))


def _worth(plan: FitPlan, *, native: bool) -> tuple[int, ...]:
    """Return what makes one plan better than another; a container is to be given few GPUs."""
    language = plan.language
    layers, context = (language.layers, language.largest_context) if language else (0, 0)
    thrift = 0 if native else -len(plan.gpus)
    return (_WORST_FIRST.index(plan.verdict), layers, thrift, context)


def _plan(needs: tuple[ModelNeed, ...], ground: Ground) -> FitPlan:
    laid = _lay(needs, ground)
    on_host = total(each.host for each in laid)
    every = range(len(ground.host.gpus))
    on_gpus = tuple(total(each.gpus[gpu] for each in laid) for gpu in every)
    devices = (*_gpus(laid, on_gpus, ground), _host(on_host, on_gpus, ground))
    return FitPlan(
        verdict=_verdict(devices, laid),
        gpus=ground.gpus,
        cut=_cut(needs, ground.terms),
        models=tuple(each.fit for each in laid),
        devices=devices,
        language=next((each.language for each in laid if each.language), None),
        chain=next((each.chain for each in laid if each.chain), None),
        reload=_reload(on_host, on_gpus, ground),
        advice=(),
    )


def _cut(needs: tuple[ModelNeed, ...], terms: FitTerms) -> ContextCut | None:
    asked = terms.context or 0
    trained = filter(None, map(trained_context, needs))
    return next((ContextCut(asked, each) for each in trained if each < asked), None)


def _check_roles(needs: tuple[ModelNeed, ...]) -> None:
    roles = [need.role for need in needs]
    for role in roles:
        if roles.count(role) > 1:
            names = " and ".join(f"`{need.id}`" for need in needs if need.role == role)
            hint = "name one model for each role; ask twice to compare"
            raise UsageError(f"{names} are both of the role `{role}`", hint=hint)


def _lay(needs: tuple[ModelNeed, ...], ground: Ground) -> tuple[Laid, ...]:
    speaking = {
        need: lay_speech(need, need.kind, ground) for need in needs if isinstance(need.kind, Speech)
    }
    beside = Beside(
        total(each.host for each in speaking.values()),
        total(each.gpus[gpu] for each in speaking.values() for gpu in ground.gpus[:1]),
    )
    return tuple(speaking.get(need) or _lay_thinking(need, ground, beside) for need in needs)


def _lay_thinking(need: ModelNeed, ground: Ground, beside: Beside) -> Laid:
    if isinstance(need.kind, Language):
        return lay_language(need, need.kind, ground, beside)
    return lay_checkpoint(need, cast("Checkpoint", need.kind), ground, beside)


def _gpus(
    laid: tuple[Laid, ...], on_gpus: tuple[Amount, ...], ground: Ground
) -> tuple[DeviceFit, ...]:
    layers = next((each.layers for each in laid if each.layers), (0,) * len(on_gpus))
    return tuple(
        DeviceFit(gpu.name, gpu.total_bytes, free, used, count, verdict_of(used, free))
        for gpu, free, used, count in zip(
            ground.host.gpus, ground.room.gpu_bytes, on_gpus, layers, strict=True
        )
    )


def _host(on_host: Amount, on_gpus: tuple[Amount, ...], ground: Ground) -> DeviceFit:
    """Return what the host's memory holds, with what is on a GPU that shares it."""
    shared = zip(on_gpus, ground.room.shares, strict=True)
    used = on_host + total(amount for amount, shares in shared if shares)
    free = ground.room.host_bytes
    return DeviceFit(HOST, ground.host.total_bytes, free, used, 0, verdict_of(used, free))


def _verdict(devices: tuple[DeviceFit, ...], laid: tuple[Laid, ...]) -> Verdict:
    found = {device.verdict for device in devices}
    has_gpus = len(devices) > 1
    for each in laid:
        if has_gpus and _is_partly_there(each):
            found.add("partly")
        if each.chain and each.chain.recommended is None:
            found.add("no")
    return next(verdict for verdict in _WORST_FIRST if verdict in found)


def _is_partly_there(laid: Laid) -> bool:
    language, chain = laid.language, laid.chain
    if language is not None:
        return language.layers < language.of
    return chain is not None and chain.recommended == "cpu"


def _reload(on_host: Amount, on_gpus: tuple[Amount, ...], ground: Ground) -> ReloadFit:
    """Return what the switch takes at its height.

    `aava serve` loads the new models while the old are there; the other daemon drops them first.
    """
    room, host = ground.room, ground.host
    if not ground.terms.native:
        fits = verdict_of(on_host, room.host_bytes) != "no"
        return ReloadFit(room.freed_bytes, on_host, on_gpus, fits)
    free = (host.available_bytes, *(gpu.free_bytes for gpu in host.gpus))
    taken = zip((on_host, *on_gpus), free, strict=True)
    fits = all(used.likely_bytes <= there for used, there in taken)
    return ReloadFit(room.freed_bytes, on_host, on_gpus, fits)
