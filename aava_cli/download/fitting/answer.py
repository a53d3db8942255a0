"""What `aava models fit` answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import EXIT_CHECK_FAILED, AavaError
from aava_cli.memory.amounts import GIB, MIB
from aava_cli.output import Result, Table, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.download.fitting.looking import Seen
    from aava_cli.memory.amounts import Amount
    from aava_cli.memory.checkpoints import Chain
    from aava_cli.memory.fitted import (
        ContextCut,
        DeviceFit,
        FitPlan,
        LanguageFit,
        ModelFit,
        ReloadFit,
        Verdict,
    )

_WORDS = {"fits": "fits", "tight": "fits, barely", "partly": "fits partly", "no": "does not fit"}
_OF_MODELS = ("MODEL", "ROLE", "WEIGHTS", "CACHE", "COMPUTE", "TOTAL", "RANGE", "BY", "READ")
_OF_DEVICES = ("DEVICE", "LAYERS", "FREE", "USED", "RANGE", "VERDICT")
_BASES = {"header": "its header", "sizes": "its size", "guess": "its size alone"}


class NotFitting(AavaError):
    """The models do not fit on the host together."""

    exit_code = EXIT_CHECK_FAILED
    code = "does-not-fit"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model, where it was looked at, and how many bytes that took from the network."""

    fit: ModelFit
    source: str
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class Fitted(Result):
    """Whether models fit together, and how.

    *gpus* are those that programs should see. *strict* makes fitting partly, and a context that
    is cut, a failure.
    """

    verdict: Verdict
    gpus: tuple[int, ...]
    cut: ContextCut | None
    models: tuple[ModelRow, ...]
    devices: tuple[DeviceFit, ...]
    language: LanguageFit | None
    chain: Chain | None
    reload: ReloadFit
    advice: tuple[str, ...]
    strict: bool = False

    @classmethod
    def of(cls, plan: FitPlan, seen: tuple[Seen, ...], *, strict: bool) -> Fitted:
        """Return the answer that *plan* is for the models that were *seen*."""
        rows = tuple(
            ModelRow(fit, each.source, each.fetched_bytes)
            for fit, each in zip(plan.models, seen, strict=True)
        )
        return cls(
            plan.verdict,
            plan.gpus,
            plan.cut,
            rows,
            plan.devices,
            plan.language,
            plan.chain,
            plan.reload,
            plan.advice,
            strict,
        )

    def failure(self) -> AavaError | None:
        """Return that the models do not fit as asked, if they do not."""
        hint = self.advice[0] if self.advice else "choose smaller models"
        if self.verdict == "no" or (self.strict and self.verdict == "partly"):
            return NotFitting(f"the set {_WORDS[self.verdict]}", hint=hint)
        if self.strict and self.cut is not None:
            message = f"no context of {self.cut.asked:,} tokens is to be had"
            return NotFitting(message, hint=f"ask for `--context {self.cut.trained}`")
        return None

    def text(self) -> Iterator[str | Table]:
        """Yield what each model takes, where it goes, and what follows."""
        yield Table(_OF_MODELS, tuple(map(_model_cells, self.models)))
        yield ""
        yield Table(_OF_DEVICES, tuple(map(_device_cells, self.devices)))
        yield ""
        yield f"the set {_WORDS[self.verdict]}"
        if self.language is not None:
            yield from _language_lines(self.language)
        if self.chain is not None:
            yield from _chain_lines(self.chain)
        if self.reload.freed_bytes:
            yield f"{shown(self.reload.freed_bytes)} of what is free is what runs now"
        yield from (f"- {each}" for each in self.advice)


def _model_cells(row: ModelRow) -> tuple[str, ...]:
    fit = row.fit
    amounts = (fit.weights, fit.cache, fit.compute, fit.all)
    likely = (shown(each.likely_bytes) if each.likely_bytes else "-" for each in amounts)
    read = human_bytes(row.fetched_bytes) if row.fetched_bytes else "-"
    return (fit.id, fit.role, *likely, _range(fit.all), _BASES[fit.basis], read)


def _device_cells(device: DeviceFit) -> tuple[str, ...]:
    layers = str(device.layers) if device.layers else "-"
    free, used = shown(device.free_bytes), shown(device.used.likely_bytes)
    return (device.name, layers, free, used, _range(device.used), _WORDS[device.verdict])


def _language_lines(language: LanguageFit) -> Iterator[str]:
    longest = f"{language.largest_context:,}" if language.largest_context else "none"
    if language.tier_layers is None:
        yield f"context {language.context:,}; the longest that fits: {longest}"
        return
    where = f"{language.layers} of {language.of} layers on GPUs"
    yield f"{where} with a context of {language.context:,}; the longest that fits: {longest}"
    whether = "which fits" if language.tier_fits else "which does not fit"
    yield (
        f"the daemon's own rule for -1: {language.tier_layers} layers, {whether},"
        f" and a context of {language.tier_context:,}"
    )


def _chain_lines(chain: Chain) -> Iterator[str]:
    for choice in chain.choices:
        fits = "fits" if choice.fits else "does not fit"
        amount = choice.amount
        yield f"{choice.strategy:<6}{shown(amount.likely_bytes)} ({_range(amount)}): {fits}"
    spilling = ", with layers in the host's memory" if chain.spills else ""
    yield f"the model server would choose {chain.upstream or 'nothing'}{spilling}"
    yield f"recommended: {chain.recommended or 'another model'}"


def _range(amount: Amount) -> str:
    return f"{shown(amount.low_bytes)} - {shown(amount.high_bytes)}"


def shown(count: int) -> str:
    """Return *count* bytes in the binary units that memory is made in."""
    return f"{count / GIB:.2f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"
