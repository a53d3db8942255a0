"""Where models go: divided over GPUs, beside each other, in place of those that run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import UsageError
from aava_cli.memory.amounts import GIB, MIB, Amount, exactly, total
from aava_cli.memory.checkpoints import Checkpoint
from aava_cli.memory.correction import LEAST, MOST, factor_of
from aava_cli.memory.course import divide
from aava_cli.memory.describing import sized_need
from aava_cli.memory.fit import HOST, plan_fit
from aava_cli.memory.host import GpuMemory, HostMemory, Loaded, parse_gpus, parse_size
from aava_cli.memory.needs import Language, ModelNeed, Speech
from aava_cli.memory.shape import Layer, Shape
from aava_cli.memory.terms import FitTerms
from aava_cli.memory.tiers import tier_context, tier_layers
from aava_cli.memory.weights import Weights

if TYPE_CHECKING:
    from aava_cli.memory.fitted import FitPlan

LAYERS = 32


def llama(layer_mib: int = 110, *, layers: int = LAYERS, trained: int = 131_072) -> ModelNeed:
    """Return a language model like Llama 3.1 8B, of so much for each layer."""
    shape = Shape(
        *("llama", (Layer(1024, 1024),) * layers, 4096, 32, 128_256, 14_336),
        trained_context=trained,
    )
    weights = Weights((layer_mib * MIB,) * layers, 280 * MIB, 410 * MIB, 0, 40 * MIB)
    return ModelNeed(
        "llama", "llm", "llama", "header", weights.total_bytes, Language(shape, weights)
    )


def host(*gpus_gib: float, memory_gib: float = 64) -> HostMemory:
    """Return a host, all of which is free."""
    gpus = tuple(GpuMemory(f"GPU {size}", int(size * GIB), int(size * GIB)) for size in gpus_gib)
    return HostMemory(int(memory_gib * GIB), int(memory_gib * GIB), gpus)


def fit(*needs: ModelNeed, on: HostMemory, terms: FitTerms | None = None) -> FitPlan:
    """Return the plan of *needs*."""
    return plan_fit(needs, on, terms or FitTerms(context=4096))


HEARS = sized_need("hears", "stt", "whisper_cpp", 148_000_000)
SPEAKS = sized_need("speaks", "tts", "piper", 63_000_000)


def test_all_of_it_on_one_gpu() -> None:
    """Each layer and the output are on the GPU; the host keeps the table of tokens."""
    plan = fit(llama(), on=host(24))
    assert plan.language is not None
    assert ("fits", LAYERS + 1, LAYERS + 1) == (
        plan.verdict,
        plan.language.layers,
        plan.language.of,
    )
    gpu, memory = plan.devices
    assert (LAYERS + 1, "fits", HOST) == (gpu.layers, gpu.verdict, memory.name)
    on_gpu = LAYERS * 110 * MIB + 410 * MIB + 512 * MIB
    assert on_gpu < gpu.used.low_bytes < gpu.used.likely_bytes < gpu.used.high_bytes
    assert exactly(512 * MIB) == plan.models[0].cache
    assert "gpu" == plan.models[0].place


def test_as_many_layers_as_fit() -> None:
    """The rest stays with the host, and what would help is said."""
    plan = fit(llama(), on=host(3))
    assert plan.language is not None
    assert "partly" == plan.verdict
    assert 0 < plan.language.layers < LAYERS
    assert plan.devices[0].used.high_bytes <= 3 * GIB
    more = fit(llama(), on=host(3), terms=FitTerms(4096, gpu_layers=plan.language.layers + 1))
    assert more.devices[0].used.high_bytes > 3 * GIB
    assert "both" == plan.models[0].place
    assert any("layers fit on the GPU" in each for each in plan.advice)
    assert any(f"LOCAL_LLM_GPU_LAYERS={plan.language.layers}" in each for each in plan.advice)


def test_no_gpu_takes_any() -> None:
    """A GPU that is too small is left alone, and the model still runs."""
    plan = fit(llama(), on=host(0.5))
    assert plan.language is not None
    assert ("partly", 0, "host") == (plan.verdict, plan.language.layers, plan.models[0].place)
    assert Amount() == plan.devices[0].used


def test_host_without_a_gpu() -> None:
    """All is in memory; nothing is said of layers or tiers."""
    plan = fit(llama(), HEARS, SPEAKS, on=host())
    assert plan.language is not None
    assert ("fits", None, None) == (
        plan.verdict,
        plan.language.tier_layers,
        plan.language.whole_context,
    )
    assert [HOST] == [device.name for device in plan.devices]
    assert ["host"] * 3 == [model.place for model in plan.models]
    assert total(model.all for model in plan.models) == plan.devices[0].used
    assert () == plan.advice


def test_too_little_memory_anywhere() -> None:
    """It does not fit, how much is missing is said, and what to do."""
    plan = fit(llama(), on=host(memory_gib=2))
    assert "no" == plan.verdict
    assert plan.language is not None
    assert 0 == plan.language.largest_context
    assert "memory lacks" in plan.advice[0]


def test_barely_fitting() -> None:
    """Between what is likely and what may be, a plan is tight."""
    plenty = fit(llama(), on=host(24)).devices[0].used
    between = (plenty.likely_bytes + plenty.high_bytes) / 2 / GIB
    plan = fit(llama(), on=host(between))
    assert plan.language is not None
    assert ("tight", LAYERS + 1) == (plan.verdict, plan.language.layers)
    assert any("may run out of memory" in each for each in plan.advice)


@pytest.mark.parametrize(
    ("count", "free", "parts"),
    [
        (33, (1, 1), ((0, 17), (17, 33))),
        (33, (2, 1), ((0, 22), (22, 33))),
        (10, (1, 1), ((23, 28), (28, 33))),
        (0, (1, 1), ((33, 33), (33, 33))),
        (33, (0, 1), ((0, 0), (0, 33))),
        (33, (0, 0), ((33, 33), (33, 33))),
        (33, (5,), ((0, 33),)),
    ],
)
def test_layers_are_divided_by_what_is_free(
    count: int, free: tuple[int, ...], parts: tuple[tuple[int, int], ...]
) -> None:
    """Neighbouring layers go to one GPU, in proportion; the first ones stay with the host."""
    assert parts == divide(33, count, free)


@given(st.integers(0, 129), st.lists(st.integers(0, 1 << 40), min_size=1, max_size=8))
def test_no_layer_is_lost(count: int, free: list[int]) -> None:
    """Parts are neighbours, and all that were asked for unless nothing is free."""
    parts = divide(129, count, free)
    assert len(free) == len(parts)
    assert all(first <= last for first, last in parts)
    wanted = count if any(free) else 0
    assert wanted == sum(last - first for first, last in parts)


def test_two_gpus() -> None:
    """A model for which one is too small is spread over both, and the daemon needs both."""
    plan = fit(llama(500), on=host(12, 12))
    assert plan.language is not None
    assert ("fits", [17, 16]) == (plan.verdict, [each.layers for each in plan.devices[:2]])
    assert any("`count: all`" in each for each in plan.advice)
    alone = fit(llama(500), on=host(12))
    assert "partly" == alone.verdict


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("gpus", "alone", "seen"),
    [
        ((8, 1), 8, (0,)),
        ((1, 8), 8, (1,)),
        ((24, 2), 24, (0,)),
        ((2, 24, 1), 24, (1,)),
    ],
)
def test_smaller_gpu_beside_it_takes_nothing_away(
    gpus: tuple[float, ...], alone: float, seen: tuple[int, ...], *, native: bool
) -> None:
    """Layers, context and the daemon's rule are those of the one GPU that programs should see."""
    terms = FitTerms(4096, native=native)
    one, more = (fit(llama(), on=host(*each), terms=terms) for each in ((alone,), gpus))
    assert one.language is not None
    assert more.language is not None
    assert seen == more.gpus
    assert one.language == more.language
    assert [more.devices[seen[0]].layers] == [each.layers for each in more.devices if each.layers]
    told = [each for each in more.advice if each not in one.advice]
    if native:
        assert len(told) == 1
        assert f"CUDA_VISIBLE_DEVICES={seen[0]} aava serve" in told[0]
    elif seen == (0,):
        assert [] == told
    else:
        assert len(told) == 1
        assert f'`device_ids: ["{seen[0]}"]`' in told[0]


def test_largest_gpus_of_several() -> None:
    """Where one is too small, those that are large enough share it, and the small one is out."""
    plan = fit(llama(500), on=host(12, 1, 12))
    assert plan.language is not None
    assert ((0, 2), [17, 0, 16]) == (plan.gpus, [each.layers for each in plan.devices[:3]])
    assert any('`device_ids: ["0", "2"]`' in each for each in plan.advice)
    # The container has one of them: what the daemon would try there does not fit.
    assert plan.language.tier_fits is False
    native = fit(llama(500), on=host(12, 1, 12), terms=FitTerms(4096, native=True))
    assert any("CUDA_VISIBLE_DEVICES=0,2 aava serve" in each for each in native.advice)


def test_speech_goes_to_the_gpu_that_is_seen() -> None:
    """What hears is on the GPU of the language model, where that is not the first."""
    hears = sized_need("hears", "stt", "faster_whisper", 1_500_000_000)
    terms = FitTerms(4096, speech_on_gpu=frozenset({"stt"}))
    plan = fit(llama(), hears, on=host(1, 24), terms=terms)
    assert ((1,), "fits", "gpu") == (plan.gpus, plan.verdict, plan.models[1].place)
    assert Amount() == plan.devices[0].used
    assert plan.devices[1].layers


def test_context_beyond_what_the_model_knows() -> None:
    """It is cut, and that is said; the daemon's own choice was nobody's wish."""
    plan = fit(llama(trained=2048), on=host(24), terms=FitTerms(1_000_000))
    assert plan.cut is not None
    assert (1_000_000, 2048) == (plan.cut.asked, plan.cut.trained)
    assert "a context of 1,000,000 was asked for" in plan.advice[0]
    assert "trained to see 2,048 tokens" in plan.advice[0]
    kind = Checkpoint(1_000_000, 1000, 100, "qwen2", 4096)
    server = ModelNeed("qwen", "llm", "transformers", "header", 2_000_000, kind)
    assert fit(server, on=host(24), terms=FitTerms(8192)).cut is not None
    for terms in (FitTerms(), FitTerms(2048)):
        assert fit(llama(trained=2048), on=host(24), terms=terms).cut is None
    assert fit(HEARS, on=host(24), terms=FitTerms(1_000_000)).cut is None


def test_models_beside_it_take_their_part() -> None:
    """What hears on the first GPU leaves less for layers; in the host's memory it does not."""
    hears = sized_need("hears", "stt", "faster_whisper", 1_500_000_000)
    terms = FitTerms(4096, speech_on_gpu=frozenset({"stt"}))
    beside = fit(llama(), hears, on=host(5), terms=terms)
    apart = fit(llama(), hears, on=host(5))
    assert beside.language is not None
    assert apart.language is not None
    assert ["both", "gpu"] == [model.place for model in beside.models]
    assert "host" == apart.models[1].place
    assert beside.language.layers < apart.language.layers
    assert beside.devices[0].used.high_bytes <= 5 * GIB
    # An engine that knows no GPU stays with the host, whatever is asked.
    piper = fit(SPEAKS, on=host(5), terms=FitTerms(speech_on_gpu=frozenset({"tts"})))
    assert "host" == piper.models[0].place


def test_gpu_that_shares_the_hosts_memory() -> None:
    """What is on it is taken from the host: both are one memory."""
    shared = GpuMemory("Tegra", 16 * GIB, 16 * GIB, is_unified=True)
    plan = fit(llama(), on=HostMemory(16 * GIB, 16 * GIB, (shared,)))
    assert plan.language is not None
    assert (LAYERS + 1, "fits") == (plan.language.layers, plan.verdict)
    gpu, memory = plan.devices
    assert memory.used.likely_bytes > gpu.used.likely_bytes
    less = fit(llama(), on=HostMemory(5 * GIB, 5 * GIB, (replace(shared, total_bytes=5 * GIB),)))
    assert less.language is not None
    assert less.language.layers <= LAYERS
    assert less.devices[1].used.likely_bytes <= 5 * GIB


def test_longest_context() -> None:
    """It fits, and one step more does not; more than the model knows is not offered."""
    plan = fit(llama(), on=host(8))
    assert plan.language is not None
    longest = plan.language.largest_context
    assert 4096 < longest < 131_072
    assert 0 == longest % 256
    assert "fits" == fit(llama(), on=host(8), terms=FitTerms(longest)).verdict
    assert "fits" != fit(llama(), on=host(8), terms=FitTerms(longest + 256)).verdict
    short = fit(llama(trained=2048), on=host(80)).language
    assert short is not None
    assert (2048, 2048) == (short.context, short.largest_context)


def test_context_that_lets_all_layers_fit() -> None:
    """Where a shorter one would do, it is named."""
    plan = fit(llama(), on=host(6), terms=FitTerms(65_536))
    assert plan.language is not None
    whole = plan.language.whole_context or 0
    assert plan.language.layers < LAYERS
    assert any(f"--context {whole}" in each for each in plan.advice)
    assert "fits" == fit(llama(), on=host(6), terms=FitTerms(whole)).verdict


def test_callers_at_the_same_time() -> None:
    """Each has a cache of its own; one that is packed tighter takes less."""
    one, four = (fit(llama(), on=host(), terms=FitTerms(4096, count)).models[0] for count in (1, 4))
    packed = fit(llama(), on=host(), terms=FitTerms(4096, cache_type="q8_0")).models[0]
    assert 4 * one.cache.likely_bytes == four.cache.likely_bytes
    assert one.cache.likely_bytes * 34 // 64 == packed.cache.likely_bytes


@pytest.mark.parametrize(
    ("size_mib", "layers", "context"),
    [
        (24_564, 50, 4096),
        (18_000, 50, 3072),
        (17_999, 35, 3072),
        (12_288, 35, 3072),
        (8_188, 20, 1536),
        (8_192, 20, 2048),
        (6_000, 12, 1536),
    ],
)
def test_rule_of_the_daemon(size_mib: int, layers: int, context: int) -> None:
    """It counts the first GPU's memory by steps, and knows nothing of models."""
    assert (layers, context) == (tier_layers(size_mib * MIB), tier_context(size_mib * MIB))


def test_rule_of_the_daemon_beside_what_fits() -> None:
    """Fewer layers than fit, or more than do, are set right; `aava serve` takes all."""
    deep = llama(100, layers=80)
    fewer = fit(deep, on=host(24))
    assert fewer.language is not None
    assert (81, 50, True) == (
        fewer.language.layers,
        fewer.language.tier_layers,
        fewer.language.tier_fits,
    )
    assert any("for -1 the daemon puts 50 layers there" in each for each in fewer.advice)
    more = fit(llama(400), on=host(8))
    assert more.language is not None
    assert more.language.tier_fits is False
    assert any("which do not fit" in each for each in more.advice)
    native = fit(llama(400), on=host(8), terms=FitTerms(4096, native=True))
    assert any("`aava serve` takes -1 for all layers" in each for each in native.advice)
    chosen = fit(deep, on=host(24), terms=FitTerms(4096, gpu_layers=10))
    assert chosen.language is not None
    assert (10, "partly") == (chosen.language.layers, chosen.verdict)


def test_context_that_nobody_chose() -> None:
    """The daemon's own: by the GPU's memory, or the little that it takes without one."""
    for gpus, native, context in (((24,), False, 4096), ((8,), False, 2048), ((), False, 768)):
        plan = fit(llama(), on=host(*gpus), terms=FitTerms(native=native))
        assert plan.language is not None
        assert context == plan.language.context
    native_plan = fit(llama(), on=host(24), terms=FitTerms(native=True))
    assert native_plan.language is not None
    assert 768 == native_plan.language.context


def test_what_runs_is_given_back() -> None:
    """A model of the same engine makes room; `aava serve` first needs room for both."""
    running = Loaded("llm", "llama", 1 * GIB, (4 * GIB,))
    busy = HostMemory(64 * GIB, 32 * GIB, (GpuMemory("GPU", 8 * GIB, 3 * GIB),))
    freed = fit(llama(), on=busy, terms=FitTerms(4096, loaded=(running,)))
    assert ("fits", 7 * GIB, 33 * GIB) == (
        freed.verdict,
        freed.devices[0].free_bytes,
        freed.devices[1].free_bytes,
    )
    assert (5 * GIB, True) == (freed.reload.freed_bytes, freed.reload.fits)
    native = fit(llama(), on=busy, terms=FitTerms(4096, native=True, loaded=(running,)))
    assert ("fits", False) == (native.verdict, native.reload.fits)
    assert any("the old models stay until the new ones are loaded" in a for a in native.advice)
    other = Loaded("stt", "vosk", 4 * GIB)
    kept = fit(HEARS, on=busy, terms=FitTerms(loaded=(other, running)))
    assert 0 == kept.reload.freed_bytes
    replaced = fit(HEARS, on=busy, terms=FitTerms(native=True, loaded=(other, running)))
    assert 4 * GIB == replaced.reload.freed_bytes


def test_models_known_by_their_size_alone() -> None:
    """Bounds are wide, and what is likely is near what a header would say."""
    known = llama()
    guess = sized_need("guess", "llm", "llama", known.file_bytes)
    guessed, exact = (fit(each, on=host()).models[0] for each in (guess, known))
    assert "guess" == guessed.basis
    assert guessed.all.low_bytes < exact.all.likely_bytes < guessed.all.high_bytes
    assert guessed.weights.low_bytes < exact.weights.likely_bytes < guessed.weights.high_bytes
    for size in (90_000_000, 900_000_000, 2_000_000_000, 9_000_000_000, 20_000_000_000, 40 * GIB):
        need = sized_need("a", "llm", "llama", size)
        assert isinstance(need.kind, Language)
        assert need.kind.weights.total_bytes == pytest.approx(size, rel=0.01)


def test_engines_that_hear_and_speak() -> None:
    """Those of PyTorch need more than the network; without files something is assumed."""
    kinds = {
        name: sized_need("a", "tts", name, 60_000_000).kind for name in ("piper", "silero", "vosk")
    }
    assert all(isinstance(each, Speech) for each in kinds.values())
    piper, silero = kinds["piper"], kinds["silero"]
    assert isinstance(piper, Speech)
    assert isinstance(silero, Speech)
    assert piper.gpu is None
    assert silero.gpu is not None
    assert silero.host.likely_bytes > piper.host.likely_bytes
    none = sized_need("a", "stt", "faster_whisper", 0).kind
    assert isinstance(none, Speech)
    assert none.host.likely_bytes > 0


def test_two_models_of_one_role() -> None:
    """A daemon runs one of each."""
    with pytest.raises(UsageError, match="`hears` and `hears` are both of the role `stt`"):
        fit(HEARS, HEARS, on=host())


# Qwen2.5 7B as its repository describes it; the weights are counted from the architecture.
QWEN = Checkpoint(7_615_616_512, 2 * 152_064 * 3584, 2 * 28 * 4 * 128, "qwen2", 32_768)


def checkpoint() -> ModelNeed:
    """Return the model as a need."""
    return ModelNeed("qwen", "llm", "transformers", "header", 15_231_233_024, QWEN)


@pytest.mark.parametrize(
    ("gpus", "memory_gib", "upstream", "recommended", "spills", "verdict"),
    [
        ((24,), 64, "4-bit", "fp16", False, "fits"),
        ((12,), 64, "4-bit", "8-bit", False, "fits"),
        ((8,), 64, "4-bit", "4-bit", False, "fits"),
        ((4,), 64, "fp16", "cpu", True, "partly"),
        ((), 64, "cpu", "cpu", False, "fits"),
        ((), 16, "cpu", None, False, "no"),
        ((12, 12), 64, "4-bit", "fp16", False, "fits"),
        ((2,), 4, None, None, False, "no"),
    ],
)
def test_ways_of_loading(
    *,
    gpus: tuple[float, ...],
    memory_gib: float,
    upstream: str | None,
    recommended: str | None,
    spills: bool,
    verdict: str,
) -> None:
    """The server takes the first that does not raise; the best that fits is recommended."""
    plan = fit(checkpoint(), on=host(*gpus, memory_gib=memory_gib), terms=FitTerms(2048))
    assert plan.chain is not None
    found = (plan.chain.upstream, plan.chain.recommended, plan.chain.spills, plan.verdict)
    assert (upstream, recommended, spills, verdict) == found
    assert bool(plan.advice) == (upstream != recommended or verdict == "no")


def test_sizes_of_the_ways() -> None:
    """They are those that were counted for Qwen2.5 7B: 5.2, 8.1, 14.2 and 28.4 GiB."""
    plan = fit(checkpoint(), on=host(80), terms=FitTerms(1))
    assert plan.chain is not None
    weights = {"4-bit": 5.2, "8-bit": 8.1, "fp16": 14.2, "cpu": 28.4}
    for choice in plan.chain.choices:
        size = weights[choice.strategy] * GIB
        assert size < choice.amount.likely_bytes < 1.12 * size + 0.5 * GIB


def test_packed_to_four_bits_as_it_was_seen() -> None:
    """Llama 3.1 8B in nf4 took 6.44 GB at its peak.

    https://huggingface.co/datasets/derekl35/quantization-benchmarks, "peak process vram".
    """
    kind = Checkpoint(8_030_261_248, 2 * 128_256 * 4096, 2 * 32 * 8 * 128)
    need = ModelNeed("llama", "llm", "transformers", "header", 1, kind)
    plan = fit(need, on=host(80), terms=FitTerms(2048))
    assert plan.chain is not None
    found = next(each.amount for each in plan.chain.choices if each.strategy == "4-bit")
    assert found.low_bytes < 6.44e9 < found.high_bytes
    assert found.likely_bytes == pytest.approx(6.44e9, rel=0.1)


@pytest.mark.parametrize(
    ("pairs", "factor"),
    [
        ((), 1.0),
        (((100, 110),), 1 + 0.1 / 3),
        (((100, 110),) * 8, 1.08),
        (((100, 1000),) * 8, 1.8),
        (((100, 1),) * 8, 0.6),
        (((0, 10), (100, 0)), 1.0),
        (((100, 110), (100, 110), (100, 900)), 1.06),
    ],
)
def test_past_loads_correct_a_little(pairs: tuple[tuple[int, int], ...], factor: float) -> None:
    """By their middle, more the more there are, and never beyond the bounds."""
    assert factor_of(pairs) == pytest.approx(factor)
    assert LEAST <= factor_of(pairs) <= MOST


def test_correction_moves_the_middle() -> None:
    """The range only grows, and another engine's loads count for nothing."""
    plain = fit(llama(), HEARS, on=host(24))
    moved = fit(
        llama(),
        HEARS,
        on=host(24),
        terms=FitTerms(4096, factors={"llama/llama": 1.2, "piper": 2.0, "whisper_cpp": 0.9}),
    )
    for before, after in zip(plain.models, moved.models, strict=True):
        assert after.all.low_bytes <= before.all.low_bytes
        assert after.all.high_bytes >= before.all.high_bytes
    first = [plan.models[0].all.likely_bytes for plan in (plain, moved)]
    assert first[1] == pytest.approx(1.2 * first[0], rel=0.001)


@pytest.mark.parametrize(
    ("text", "size"),
    [("24GB", 24 * GIB), ("8192M", 8 * GIB), ("1.5 GiB", 3 * GIB // 2), ("1000", 1000)],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    """Memory comes in powers of two, whatever it is called."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "much", "0", "-1GB", "24GB 24GB"])
def test_what_is_no_size(text: str) -> None:
    """It is refused with how to write one."""
    with pytest.raises(UsageError, match="is no amount of memory"):
        parse_size(text)


def test_gpus_as_people_write_them() -> None:
    """As many as are listed, each with what its driver keeps; none is none."""
    first, second = parse_gpus("24GB, 8GB")
    assert ("GPU of 24 GiB", 24 * GIB) == (first.name, first.total_bytes)
    assert second.free_bytes < second.total_bytes == 8 * GIB
    assert () == parse_gpus("none")


@given(
    gpus=st.lists(st.floats(0.1, 90), max_size=4),
    memory_gib=st.floats(0.5, 512),
    context=st.integers(16, 200_000),
    parallel=st.integers(1, 8),
    native=st.booleans(),
)
def test_every_host_has_a_plan(
    gpus: list[float], memory_gib: float, context: int, parallel: int, *, native: bool
) -> None:
    """What is said to fit fits, and no layer is counted twice."""
    terms = FitTerms(context, parallel, native=native)
    plan = fit(llama(), HEARS, on=host(*gpus, memory_gib=memory_gib), terms=terms)
    assert plan.language is not None
    assert sum(device.layers for device in plan.devices) == plan.language.layers
    if plan.verdict == "fits":
        assert all(device.used.high_bytes <= device.free_bytes for device in plan.devices)
    if plan.verdict in ("tight", "partly"):
        assert all(device.used.likely_bytes <= device.free_bytes for device in plan.devices)
