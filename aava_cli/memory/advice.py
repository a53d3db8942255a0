"""What to do about a plan: the next setting or command, a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.memory.terms import EVERY_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.memory.fitted import FitPlan, LanguageFit
    from aava_cli.memory.terms import FitTerms

_SHORT_CONTEXT = 512
_GIB = 1 << 30


def advise(plan: FitPlan, terms: FitTerms) -> tuple[str, ...]:
    """Return what follows from *plan*, the most urgent first."""
    language = _on_layers(plan, plan.language, terms) if plan.language else ()
    return (
        *_on_lack(plan),
        *_on_cut(plan),
        *language,
        *_on_gpus(plan, terms),
        *_on_chain(plan),
        *_on_reload(plan, terms),
    )


def _on_lack(plan: FitPlan) -> Iterator[str]:
    for device in plan.devices:
        if device.verdict == "no":
            missing = (device.used.likely_bytes - device.free_bytes) / _GIB
            yield (
                f"{device.name} lacks {missing:.1f} GiB: choose a smaller model, or one that is"
                " packed tighter"
            )
        elif device.verdict == "tight":
            yield f"{device.name} may run out of memory: leave it more room, or a shorter context"


def _on_cut(plan: FitPlan) -> Iterator[str]:
    if plan.cut is not None:
        yield (
            f"a context of {plan.cut.asked:,} was asked for, but the model was trained to see"
            f" {plan.cut.trained:,} tokens: only those were counted"
        )


def _on_layers(plan: FitPlan, language: LanguageFit, terms: FitTerms) -> Iterator[str]:
    if len(plan.devices) == 1:
        return
    whole = language.whole_context or 0
    if language.layers < language.of and whole >= _SHORT_CONTEXT:
        yield f"all {language.of} layers fit on the GPU with `--context {whole}`"
    elif language.layers < language.of:
        yield (
            f"{language.layers} of {language.of} layers fit on the GPU, and the rest answers at"
            " the processor's pace: a smaller model answers faster"
        )
    if language.tier_layers is not None and terms.gpu_layers == EVERY_LAYER:
        yield from _on_tier(language, terms)


def _on_gpus(plan: FitPlan, terms: FitTerms) -> Iterator[str]:
    """Yield how to show programs the GPUs of *plan*, where they see others as things are."""
    *gpus, _ = plan.devices
    every = tuple(range(len(gpus)))
    if plan.language is None or not any(gpu.used.likely_bytes for gpu in gpus):
        return
    if terms.native and plan.gpus != every:
        shown = ",".join(map(str, plan.gpus))
        start = f"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={shown} aava serve"
        yield f"the model has more room without the other GPUs: run `{start}`"
    elif not terms.native and plan.gpus != every[:1]:
        ids = ", ".join(f'"{gpu}"' for gpu in plan.gpus)
        instead = "count: all" if plan.gpus == every else f"device_ids: [{ids}]"
        yield f"the project's GPU overlay gives the daemon one GPU: set `{instead}` in it"


def _on_tier(language: LanguageFit, terms: FitTerms) -> Iterator[str]:
    setting = f"`LOCAL_LLM_GPU_LAYERS={language.layers}`"
    if terms.native:
        if language.layers < language.of:
            yield f"set {setting}: `aava serve` takes -1 for all layers, which do not fit"
    elif not language.tier_fits:
        yield f"set {setting}: for -1 the daemon tries {language.tier_layers}, which do not fit"
    elif language.tier_layers != language.layers:
        yield f"set {setting}: for -1 the daemon puts {language.tier_layers} layers there"


def _on_chain(plan: FitPlan) -> Iterator[str]:
    chain = plan.chain
    if chain is None:
        return
    if chain.recommended is None:
        yield "no way of loading fits: choose a smaller model"
    elif chain.spills:
        yield (
            "the model server would leave layers in the host's memory without a word:"
            " choose a smaller model"
        )
    elif chain.upstream != chain.recommended:
        yield (
            f"the model server would load it as {chain.upstream}, where {chain.recommended} fits:"
            f" {_setting(chain.recommended)}"
        )


def _setting(strategy: str) -> str:
    if strategy == "8-bit":
        return "set `MODEL_SERVER_PREFER_4BIT=0`"
    return "run it without bitsandbytes"


def _on_reload(plan: FitPlan, terms: FitTerms) -> Iterator[str]:
    if plan.verdict != "no" and not plan.reload.fits and terms.native:
        yield (
            "the old models stay until the new ones are loaded, and both do not fit:"
            " stop `aava serve`, then switch with `--offline`"
        )
