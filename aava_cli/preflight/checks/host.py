"""What the system, its processors, its memory, its disks and its clock have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.output import human_bytes
from aava_cli.preflight.checks.room import GB, judge_room
from aava_cli.preflight.checks.systems import support_end
from aava_cli.preflight.facts import Unknown
from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding

_SMALL_MEMORY_BYTES = 2 * GB
_GOOD_MEMORY_BYTES = 7 * GB
_GOOD_OPEN_FILES = 1024
_GOOD_SKEW_S = 60.0
# Signed addresses and certificates are good for minutes.
_MOST_SKEW_S = 900.0
# numpy's wheels need SSE4.2, those of the engines are made for AVX2, or NEON on ARM.
_NEEDED_FLAGS = {"x86_64": ("sse4_1", "sse4_2"), "aarch64": ("asimd",)}
_FAST_FLAGS = {"x86_64": ("avx2", "fma"), "aarch64": ()}


@check("engines")
def something_runs_models(facts: Facts) -> Finding:
    """Require Docker or the native engines."""
    native = known(facts.engines)
    if native:
        return Passed(f"native: {', '.join(native)}")
    docker = known(facts.docker)
    if docker is not None and docker.version is not None:
        return Passed(f"Docker {docker.version}")
    evidence = "no Docker engine answers, and no native engine is installed"
    return Failed(evidence, "run `pip install 'aava[whisper-cpp,piper,llama]'`, or install Docker")


@check("architecture")
def supported_architecture(facts: Facts) -> Finding:
    """Expect x86-64, which the images are built for, or ARM64, which the engines' wheels know."""
    arch = known(facts.machine).arch
    if arch not in _NEEDED_FLAGS:
        return Failed(f"{arch}: no engine is built for it", "use a host with x86_64 or aarch64")
    if arch == "aarch64" and known(facts.is_compose_project):
        return Warned(f"{arch}: the images are for x86_64", "run `aava serve`, without Docker")
    return Passed(arch)


@check("system")
def supported_system(facts: Facts) -> Finding:
    """Expect a system that still gets fixes."""
    machine = known(facts.machine)
    end = machine.support_end or support_end(machine.os_id, machine.os_version)
    if end is None:
        return Passed(machine.os_name)
    if end < machine.today:
        return Warned(f"{machine.os_name} gets no more fixes since {end}", "upgrade the system")
    return Passed(f"{machine.os_name}, which gets fixes until {end}")


@check("place")
def known_place(facts: Facts) -> Finding:
    """Tell a container, a virtual machine and a real one apart: what can be done differs."""
    machine = known(facts.machine)
    if machine.container is None:
        return Passed(machine.virtual or "no container, no virtual machine")
    docker = known(facts.docker)
    systemd = "systemd" if machine.has_systemd else "no systemd"
    if docker is not None and docker.version is not None:
        return Passed(f"a {machine.container} container that reaches an engine, {systemd}")
    evidence = f"a {machine.container} container: no engine, {systemd}"
    if known(facts.is_compose_project):
        fix = "run `aava serve`: a Compose project cannot be started from inside a container"
        return Warned(evidence, fix)
    return Passed(evidence, "`aava serve` runs the models here, without Docker")


@check("python")
def supported_python(facts: Facts) -> Finding:
    """Name the version of Python, which the native engines' wheels follow."""
    return Passed(".".join(map(str, known(facts.machine).python)))


@check("memory")
def enough_memory(facts: Facts) -> Finding:
    """Expect room for models that run on the CPU."""
    memory = known(facts.memory)
    total = human_bytes(memory.usable_bytes)
    limited = " (this container's limit)" if memory.usable_bytes < memory.total_bytes else ""
    available = human_bytes(min(memory.available_bytes, memory.usable_bytes))
    evidence = f"{total}{limited}, {available} available"
    if memory.usable_bytes < _SMALL_MEMORY_BYTES:
        return Failed(evidence, "use a host with 8 GB or more")
    if memory.usable_bytes < _GOOD_MEMORY_BYTES:
        return Warned(evidence, "choose small models: `aava models list`")
    return Passed(evidence)


@check("processors")
def enough_processors(facts: Facts) -> Finding:
    """Expect what speech needs to be faster than real time."""
    cpus = known(facts.machine).cpus
    evidence = f"{cpus:g} usable"
    return (
        Passed(evidence) if cpus > 1 else Warned(evidence, "use a host with 2 processors or more")
    )


@check("instructions")
def fast_instructions(facts: Facts) -> Finding:
    """Expect the instructions that the engines' wheels are made of."""
    machine = known(facts.machine)
    if not machine.cpu_flags or machine.arch not in _NEEDED_FLAGS:
        return Skipped("the processor does not say what it can do")
    lacking = [each for each in _NEEDED_FLAGS[machine.arch] if each not in machine.cpu_flags]
    if lacking:
        evidence = f"the processor lacks {', '.join(lacking)}: engines may end at once"
        return Warned(evidence, "use a newer processor, or build the engines from source")
    slow = [each for each in _FAST_FLAGS[machine.arch] if each not in machine.cpu_flags]
    if slow:
        evidence = f"the processor lacks {', '.join(slow)}: models are slow on it, or do not load"
        return Warned(evidence, "use a newer processor, or pass its features on to this machine")
    return Passed(", ".join((*_NEEDED_FLAGS[machine.arch], *_FAST_FLAGS[machine.arch])))


@check("open-files")
def enough_open_files(facts: Facts) -> Finding:
    """Allow for connections and downloads, each of which is an open file."""
    limit = known(facts.machine).open_files
    if 0 <= limit < _GOOD_OPEN_FILES:
        return Warned(f"at most {limit} open files", f"run `ulimit -n {_GOOD_OPEN_FILES}`")
    return Passed(f"at most {limit} open files" if limit >= 0 else "no limit")


@check("locale")
def unicode_locale(facts: Facts) -> Finding:
    """Expect UTF-8, in which `.env` and the YAML files are written."""
    machine = known(facts.machine)
    evidence = f"{machine.locale}: {machine.encoding}"
    if machine.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return Passed(evidence)
    return Warned(f"{evidence}, not UTF-8", "run `export LC_ALL=C.UTF-8`")


@check("clock")
def clock_is_right(facts: Facts) -> Finding:
    """Expect the right time: with a wrong one, certificates and signed addresses are refused."""
    clock = known(facts.clock)
    skew_s = None if facts.hub is None or isinstance(facts.hub, Unknown) else facts.hub.skew_s
    fix = "run `sudo timedatectl set-ntp true`, or set the clock of the machine around this one"
    if skew_s is not None:
        evidence = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the hub's"
        if abs(skew_s) > _MOST_SKEW_S:
            return Failed(evidence, fix)
        return Warned(evidence, fix) if abs(skew_s) > _GOOD_SKEW_S else Passed(evidence)
    if clock.is_synchronised:
        return Passed("kept right by a time service")
    return Warned("nothing keeps the clock right, and no server told the time", fix)


_ROOM_BYTES = {"models": (1 * GB, 10 * GB), "project": (GB // 10, 1 * GB)}


@check("disk-models")
def room_for_models(facts: Facts) -> Finding:
    """Expect room for a set of good models: 5 to 10 GB."""
    return _room(facts, "models")


@check("disk-project")
def room_for_project(facts: Facts) -> Finding:
    """Expect room for the journal, which has to be written when something goes wrong."""
    return _room(facts, "project")


def _room(facts: Facts, purpose: str) -> Finding:
    disk = next(disk for disk in known(facts.disks) if disk.purpose == purpose)
    return judge_room(disk.free_bytes, f"on {disk.path}", _ROOM_BYTES[purpose])
