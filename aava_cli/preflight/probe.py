"""Find out the facts: every probe at the same time, each within a deadline, changing nothing."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aava_cli.errors import AavaError
from aava_cli.gpu.probe import find_gpus
from aava_cli.preflight.engine import find_docker
from aava_cli.preflight.facts import Facts, Learned, Unknown
from aava_cli.preflight.port import find_port
from aava_cli.preflight.probing import compose, host, hub, models, network, project
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from aava_cli.gpu.facts import ContainerGpu
    from aava_cli.session import Session

# A driver that nobody has used since the start of the host takes seconds to answer.
DEADLINE_S = 5.0
# The hub is beside the point of most runs: nobody waits for it longer than for the rest.
NETWORK_DEADLINE_S = 0.4
# Whoever starts containers has time for a slow network too.
DEEP_NETWORK_S = 15.0
# The first container of an image of many gigabytes takes its time.
DEEP_DEADLINE_S = 90.0


@dataclass(frozen=True, slots=True)
class Probe:
    """How one fact is found out: what *find* calls, reads or runs is named by *how*.

    What has no answer within *deadline_s* is what *late* says, else unknown.
    """

    find: Callable[[], Any]
    how: str
    deadline_s: float = DEADLINE_S
    late: Callable[[], Any] | None = None


def probes_of(session: Session, *, deep: bool = False) -> dict[str, Probe]:
    """Return the probe of every fact; *deep* ones may start containers, and wait."""
    settings = session.settings
    network_s = DEEP_NETWORK_S if deep else NETWORK_DEADLINE_S
    answer_s = network_s - 0.05
    return {
        "machine": Probe(host.find_machine, "/etc/os-release, /proc/cpuinfo, uname, getrlimit"),
        "clock": Probe(host.find_clock, "adjtimex"),
        "memory": Probe(host.find_memory, "/proc/meminfo, /sys/fs/cgroup"),
        "gpus": Probe(
            find_gpus, "libnvidia-ml, else `nvidia-smi`; libcuda; /proc/driver, /sys/bus/pci, /dev"
        ),
        "container_gpu": Probe(
            lambda: try_container(session) if deep else None,
            "`docker run` with --deep, else nothing",
            DEEP_DEADLINE_S if deep else DEADLINE_S,
        ),
        "disks": Probe(lambda: host.find_disks(settings), "statvfs"),
        "docker": Probe(find_docker, "`docker info`, the context's meta.json, the socket"),
        "compose_config": Probe(
            lambda: compose.ask_compose(session), "`docker compose config --quiet`"
        ),
        "engines": Probe(host.find_engines, "the installed packages"),
        "env_file": Probe(lambda: project.read_env_file(settings.env_file), ".env"),
        "yaml_files": Probe(
            lambda: project.read_yaml_files(settings), "config/ai-agent.yaml, its .local.yaml"
        ),
        "overlay": Probe(
            lambda: project.read_overlay(settings), "config/ai-agent.yaml, its .local.yaml"
        ),
        "catalogs": Probe(lambda: project.read_catalogs(settings), "the user's and project's TOML"),
        "models": Probe(lambda: project.find_folder(settings.models_dir), "stat, access"),
        "written": Probe(lambda: project.find_written(settings), "stat, access"),
        "owned": Probe(lambda: project.find_owned(settings), "stat"),
        "label": Probe(lambda: project.find_label(settings), "/sys/fs/selinux/enforce, getxattr"),
        "selected": Probe(
            lambda: models.find_selected(session), ".env, receipts, the headers of files"
        ),
        "drift": Probe(
            lambda: models.find_drift(session),
            "the daemon's `status`, the YAML overlay, `docker inspect`",
        ),
        "pending": Probe(lambda: project.find_pending(settings), ".aava/journal.json"),
        "port": Probe(lambda: find_port(session), "the daemon's `status`, /proc/net/tcp"),
        "listeners": Probe(lambda: network.find_listeners(settings), "/proc/net/tcp, /proc/*/fd"),
        "network": Probe(network.find_network, "bind, getifaddrs"),
        "proxies": Probe(network.find_proxies, "the environment"),
        "names": Probe(hub.find_names, "getaddrinfo", network_s, hub.late_names),
        "hub": Probe(lambda: hub.ask_hub(timeout_s=answer_s), "HEAD", network_s, hub.late),
        "downloads": Probe(
            lambda: hub.ask_downloads(session.catalog, timeout_s=answer_s),
            "HEAD, and where its redirect leads",
            network_s,
            hub.late,
        ),
        "is_compose_project": Probe(
            lambda: is_compose_project(settings.project), "docker-compose.yml"
        ),
    }


def gather_facts(session: Session, *, only: Collection[str] | None = None) -> Facts:
    """Return everything the checks look at, or *only* some; what is too late is unknown."""
    probes = probes_of(session)
    wanted = {name: probe for name, probe in probes.items() if only is None or name in only}
    return as_facts(learn(wanted))


def try_container(session: Session) -> ContainerGpu | None:
    """Return what a container of the project's own image finds of the GPU, if it has one."""
    from aava_cli.docker.proof import prove_gpu

    folder = session.settings.project
    return prove_gpu(folder, session.env()) if is_compose_project(folder) else None


def as_facts(learned: Iterable[Learned]) -> Facts:
    """Return what was *learned* as the checks look at it."""
    return replace(Facts(), **{each.name: each.value for each in learned})


def learn(probes: Mapping[str, Probe]) -> Iterator[Learned]:
    """Yield what each of *probes* finds, the first to answer first; they run side by side."""
    answers: queue.SimpleQueue[Learned] = queue.SimpleQueue()
    started = time.monotonic()
    # A program that hangs in the driver cannot be ended: daemon threads do not hold up the exit.
    for name, probe in probes.items():
        threading.Thread(target=_ask, args=(name, probe, answers), daemon=True).start()
    waiting = dict(probes)
    while waiting:
        patience_s = started + min(each.deadline_s for each in waiting.values()) - time.monotonic()
        try:
            found = answers.get(timeout=max(patience_s, 0))
        except queue.Empty:
            name, probe = min(waiting.items(), key=lambda item: item[1].deadline_s)
            found = _late(name, probe)
        if waiting.pop(found.name, None):
            yield found


def _ask(name: str, probe: Probe, answers: queue.SimpleQueue[Learned]) -> None:
    start = time.monotonic()
    try:
        value = probe.find()
    except Exception as error:  # noqa: BLE001 - what others wrote may be anything; the rest goes on
        value = Unknown(_words(error))
    answers.put(Learned(name, probe.how, round(time.monotonic() - start, 4), value))


def _words(error: Exception) -> str:
    match error:
        case subprocess.TimeoutExpired(cmd=list() | tuple() as argv, timeout=timeout_s):
            return f"`{' '.join(argv)}` did not answer in {timeout_s:g} s"
        case AavaError() | OSError() | ValueError() | subprocess.SubprocessError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}"


def _late(name: str, probe: Probe) -> Learned:
    unknown = Unknown(f"no answer within {probe.deadline_s:g} s")
    value = probe.late() if probe.late else unknown
    return Learned(name, probe.how, probe.deadline_s, value)
