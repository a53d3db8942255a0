"""Whether the daemon can use a GPU: what `GPU_AVAILABLE` has to say, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.gpu.floors import runs_cuda_12, starts_image
from aava_cli.gpu.rungs import broken_cuda, broken_rung, is_busy

if TYPE_CHECKING:
    from aava_cli.gpu.facts import ContainerGpu, Gpus


@dataclass(frozen=True, slots=True)
class GpuAvailable:
    """Whether the daemon can use a GPU, and the reason for people.

    Where that is not known, it is no evidence that it can.
    """

    usable: bool
    reason: str
    is_known: bool = True


def gpu_available(
    gpus: Gpus,
    *,
    is_compose: bool,
    engine_offers: bool | None = None,
    is_elsewhere: bool = False,
    container: ContainerGpu | None = None,
    is_required_waived: bool = False,
) -> GpuAvailable:
    """Return whether the daemon can use a GPU: in its container, or *is_compose* false, here.

    *engine_offers* is whether a container can ask for one, None without an engine; *is_elsewhere*
    that the engine runs on another host than *gpus* are of. *container* is what one found that was
    tried. *is_required_waived*: `NVIDIA_DISABLE_REQUIRE` is set.
    """
    if is_compose and container is not None:
        return _as_proven(container)
    if is_compose and is_elsewhere and engine_offers is not None:
        offer = "a GPU" if engine_offers else "no GPU"
        reason = f"the engine, on another host, offers {offer}"
        return GpuAvailable(usable=engine_offers, reason=reason)
    missing = _missing(gpus)
    if missing is None and is_compose:
        missing = _missing_for_container(
            gpus, engine_offers=engine_offers, is_required_waived=is_required_waived
        )
    if missing is not None:
        # A driver that is slow once may answer the next time.
        is_known = not _is_silent(gpus)
        return GpuAvailable(usable=False, reason=missing, is_known=is_known)
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus.devices))
    where = "containers can ask for it" if is_compose else "this host's programs can use it"
    busy = " once it is free" if is_busy(gpus.cuda) else ""
    return GpuAvailable(usable=True, reason=f"{names}: {where}{busy}")


def _as_proven(container: ContainerGpu) -> GpuAvailable:
    if container.works:
        reason = f"a container of `{container.image}` used it: {container.smi}"
        return GpuAvailable(usable=True, reason=reason)
    return GpuAvailable(usable=False, reason=why_not(container))


def why_not(container: ContainerGpu) -> str:
    """Return what keeps *container* from the GPU."""
    if container.refusal:
        return f"the engine starts no container with it: {container.refusal}"
    if not container.has_smi:
        return f"`nvidia-smi` fails in a container of `{container.image}`: {container.smi}"
    rung = broken_cuda(container.cuda)
    evidence = rung.evidence if rung else "CUDA cannot be used"
    return f"in a container of `{container.image}` `nvidia-smi` works, and {evidence}"


def _is_silent(gpus: Gpus) -> bool:
    return "no-answer" in (gpus.problem, gpus.cuda.problem if gpus.cuda else None)


def _missing(gpus: Gpus) -> str | None:
    """Return why no program of this host can use a GPU."""
    rung = broken_rung(gpus)
    if rung is not None:
        return rung.evidence
    if not gpus.devices:
        makes = ", ".join(gpus.system.others)
        return f"{makes} is not a GPU that the engines use" if makes else "there is no GPU"
    if not runs_cuda_12(gpus):
        return f"driver {gpus.driver} is too old for the engines' CUDA 12"
    broken = broken_cuda(gpus.cuda)
    return broken.evidence if broken and not is_busy(gpus.cuda) else None


def _missing_for_container(
    gpus: Gpus, *, engine_offers: bool | None, is_required_waived: bool
) -> str | None:
    if engine_offers is None:
        return "the daemon is to run in a container, and no engine answers"
    if not engine_offers:
        return "the engine has no NVIDIA runtime: containers get no GPU"
    if not is_required_waived and not starts_image(gpus):
        return f"the image asks for CUDA 12.4, and driver {gpus.driver} does not run it"
    return None
