"""What the system, its memory and its disks have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.output import human_bytes
from aava_cli.preflight.checks.room import GB, judge_room
from aava_cli.preflight.findings import Failed, Passed, Warned, check, known

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding

_END_OF_LIFE = {
    "ubuntu": ("16.04", "18.04", "20.04"),
    "debian": ("8", "9", "10"),
    "centos": ("7", "8"),
}
_SMALL_MEMORY_BYTES = 2 * GB
_GOOD_MEMORY_BYTES = 7 * GB
_GOOD_OPEN_FILES = 1024


@check("system")
def supported_system(facts: Facts) -> Finding:
    """Expect x86-64, which the images are built for, and a system that still gets fixes."""
    machine = known(facts.machine)
    inside = f", inside {machine.container}" if machine.container else ""
    evidence = f"{machine.os_name} on {machine.arch}{inside}"
    if machine.os_version in _END_OF_LIFE.get(machine.os_id, ()):
        return Warned(f"{evidence}: it gets no more fixes", "upgrade the system")
    if machine.arch != "x86_64":
        return Warned(f"{evidence}: the images are for x86_64", "run `aava serve`, without Docker")
    return Passed(evidence)


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


@check("open-files")
def enough_open_files(facts: Facts) -> Finding:
    """Allow for connections and downloads, each of which is an open file."""
    limit = known(facts.machine).open_files
    if 0 <= limit < _GOOD_OPEN_FILES:
        return Warned(f"at most {limit} open files", f"run `ulimit -n {_GOOD_OPEN_FILES}`")
    return Passed(f"at most {limit} open files" if limit >= 0 else "no limit")


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
