"""What the checks of hosts, networks, engines and projects make of facts."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.folders import Ownership
from aava_cli.preflight.checks import CHECKS, all_checks, needs_of, run_checks
from aava_cli.preflight.facts import NOT_ASKED, Clock, ComposeConfig, Facts, Socket
from aava_cli.preflight.findings import GROUPS, facts_read_by, group_of
from aava_cli.preflight.networkfacts import Answered, Listener, Names, Network, Proxies
from aava_cli.preflight.projectfacts import Drift, Label, Overlay, Pending, Selected
from tests.preflight.healthy import DOCKER, ENV_FILE, FACTS, HUB, MACHINE, OWNED, PROJECT

if TYPE_CHECKING:
    from aava_cli.events import Item

OFF = replace(DOCKER, version=None, problem="Cannot connect")


def found(name: str, **changed: Any) -> Item:  # noqa: ANN401 - any fact
    """Return what the check *name* finds on a healthy host with *changed* facts."""
    return run_checks(replace(FACTS, **changed), [name]).items[0]


def test_every_check_is_in_a_group_and_they_are_shown_together() -> None:
    """A module of checks that is called otherwise would be shown nowhere."""
    groups = [group_of(name) for name in all_checks()]
    assert set(groups) <= set(GROUPS)
    assert groups == sorted(groups, key=GROUPS.index)
    assert set(all_checks()) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_needs_only_the_facts_that_are_said_to_be_its_own(name: str) -> None:
    """Whoever asks for one check waits for no other fact, and gets the same answer."""
    needed = needs_of(name)
    others = {each.name: NOT_ASKED for each in fields(Facts) if each.name not in needed}
    assert found(name) == found(name, **others)
    assert needed >= facts_read_by(CHECKS[name])
    assert len(needed) < len(fields(Facts)) / 3


def test_the_command_of_a_fix_is_what_stands_behind_run() -> None:
    """A script can show it, or run it."""
    assert found("clock", clock=Clock(is_synchronised=False), hub=NOT_ASKED).command == (
        "sudo timedatectl set-ntp true"
    )
    assert found("env", env_file=replace(ENV_FILE, problem=".env:1: x")).command is None


def test_checks_of_this_host_say_so_when_the_engine_is_on_another() -> None:
    """Its disks, GPUs and memory are not those that containers will get."""
    remote = replace(DOCKER, remote="ssh://gpu")
    about = "about this machine; the containers run at ssh://gpu"
    assert found("memory", docker=remote).details == about
    assert (found("gpu", docker=remote).details or "").endswith(f"\n{about}")
    assert found("env", docker=remote).details is None


@pytest.mark.parametrize(
    ("arch", "compose", "expected"),
    [
        ("x86_64", True, "pass"),
        ("aarch64", False, "pass"),
        ("aarch64", True, "warn"),
        ("armv7l", False, "fail"),
    ],
)
def test_architecture(arch: str, *, compose: bool, expected: str) -> None:
    """ARM64 runs the native engines; images are made for x86-64."""
    machine = replace(MACHINE, arch=arch)
    assert found("architecture", machine=machine, is_compose_project=compose).status == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"virtual": None}, ("pass", "no container, no virtual machine")),
        ({"virtual": "KVM"}, ("pass", "KVM")),
        (
            {"container": "Docker"},
            ("pass", "a Docker container that reaches an engine, systemd"),
        ),
    ],
)
def test_place(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    """A container, a virtual machine and a real one are told apart."""
    item = found("place", machine=replace(MACHINE, **changed))
    assert (item.status, item.message) == expected


@pytest.mark.parametrize("docker", [None, OFF])
def test_a_vast_container_instance_is_told_what_it_can_do(docker: Any) -> None:  # noqa: ANN401
    """It has no engine and no systemd, and no Compose project can be started in it."""
    vast = replace(MACHINE, container="Vast.ai", has_systemd=False)
    here = {"machine": vast, "docker": docker}
    native = found("place", is_compose_project=False, **here)
    assert (native.status, native.message) == (
        "pass",
        "a Vast.ai container: no engine, no systemd",
    )
    assert "`aava serve`" in (native.details or "")
    compose = found("place", **here)
    assert (compose.status, compose.command) == ("warn", "aava serve")


@pytest.mark.parametrize(
    ("arch", "flags", "expected"),
    [
        ("x86_64", ("sse4_1", "sse4_2", "avx2", "fma"), "pass"),
        ("x86_64", ("sse4_1", "sse4_2"), "warn"),
        ("x86_64", ("sse4_1",), "warn"),
        ("x86_64", (), "skip"),
        ("aarch64", ("asimd",), "pass"),
        ("riscv64", ("rv64",), "skip"),
    ],
)
def test_instructions(arch: str, flags: tuple[str, ...], expected: str) -> None:
    """Wheels are made for processors of the last ten years."""
    machine = replace(MACHINE, arch=arch, cpu_flags=flags)
    assert found("instructions", machine=machine).status == expected


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", "pass"), ("UTF8", "pass"), ("ISO-8859-1", "warn")]
)
def test_locale(encoding: str, expected: str) -> None:
    """Files are written in UTF-8."""
    machine = replace(MACHINE, locale="de_DE", encoding=encoding)
    assert found("locale", machine=machine).status == expected


@pytest.mark.parametrize(
    ("skew_s", "synchronised", "expected"),
    [
        (0.3, False, "pass"),
        (-59.0, True, "pass"),
        (-61.0, True, "warn"),
        (901.0, True, "fail"),
        (None, True, "pass"),
        (None, False, "warn"),
    ],
)
def test_clock(skew_s: float | None, *, synchronised: bool, expected: str) -> None:
    """A server that told the time knows better than the kernel."""
    hub = Answered(HUB, 200, skew_s=skew_s)
    assert found("clock", clock=Clock(synchronised), hub=hub).status == expected


@pytest.mark.parametrize(
    ("network", "host", "expected"),
    [
        (Network(ipv4=True, ipv6=False), "127.0.0.1", "pass"),
        (Network(ipv4=True, ipv6=True), "127.0.0.1", "pass"),
        (Network(ipv4=True, ipv6=True), "localhost", "warn"),
        (Network(ipv4=False, ipv6=True), "::1", "pass"),
        (Network(ipv4=False, ipv6=True), "127.0.0.1", "warn"),
        (Network(True, True, outward_ipv4=False, outward_ipv6=True), "::1", "pass"),  # noqa: FBT003
    ],
)
def test_ipv6(network: Network, host: str, expected: str) -> None:
    """It is a trap only where a name leads to it and the daemon listens elsewhere."""
    env_file = replace(ENV_FILE, host=host)
    assert found("ipv6", network=network, env_file=env_file).status == expected


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_nobody_is_told_to_switch_the_only_kind_of_address_off(host: str) -> None:
    """That would be the end of the host."""
    only = Network(ipv4=False, ipv6=True)
    item = found("ipv6", network=only, env_file=replace(ENV_FILE, host=host))
    said = f"{item.details} {item.remediation}"
    assert ("[::1]" in said, "disable" in said) == (True, False)
    beside = found("ipv6", network=Network(ipv4=True, ipv6=True))
    assert "disable_ipv6=1" in (beside.details or "")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (Names(HUB, offline="HF_HUB_OFFLINE"), ("skip", "`HF_HUB_OFFLINE` is set")),
        (
            Names(HUB, proxy="http://proxy:3128"),
            ("skip", "the proxy http://proxy:3128 looks names up"),
        ),
        (Names(HUB, problem="no such name"), ("warn", f"{HUB}: no such name")),
        (Names(HUB, ("192.0.2.1",)), ("pass", f"{HUB}: 192.0.2.1")),
    ],
)
def test_names(names: Names, expected: tuple[str, str]) -> None:
    """Behind a proxy, only that knows names."""
    item = found("names", names=names)
    assert (item.status, item.message) == expected


@pytest.mark.parametrize("name", ["hub", "downloads"])
@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (Answered(HUB, 200), "pass"),
        (Answered(HUB, 404), "pass"),
        (Answered(HUB, 503), "warn"),
        (Answered(HUB, problem="no answer within 0.35 s"), "warn"),
        (Answered(HUB, offline="HF_HUB_OFFLINE"), "skip"),
        (Answered(HUB, 200, proxy="http://proxy:3128"), "pass"),
    ],
)
def test_servers_of_the_hub(name: str, answered: Answered, expected: str) -> None:
    """What is on disk works without them: nothing of it is a failure."""
    item = found(name, **{name: answered})
    assert item.status == expected
    assert ("through http://proxy:3128" in item.message) is bool(answered.proxy)


def test_one_cause_is_told_once() -> None:
    """A name that is not found keeps nobody else from being found."""
    gone = Answered(HUB, problem="no such name")
    item = found("hub", names=Names(HUB, problem="no such name"), hub=gone)
    assert (item.status, item.message) == ("skip", f"{HUB} is not found")
    assert found("downloads", hub=gone, downloads=gone).status == "skip"
    closed = Answered("cdn.invalid", problem="Connection refused")
    assert found("downloads", hub=gone, downloads=closed).status == "warn"


def test_no_download_host_without_a_model_on_the_hub() -> None:
    """An own catalog may have other sources."""
    assert found("downloads", downloads=None).status == "skip"


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        (Proxies(), "pass"),
        (Proxies((("https_proxy", "http://p:1"),), "127.0.0.1,localhost"), "pass"),
        (Proxies((("https_proxy", "http://p:1"),), spares_loopback=False), "warn"),
        (Proxies((("https_proxy", "x"),), problems=("`https_proxy` is no address",)), "warn"),
    ],
)
def test_proxy(proxies: Proxies, expected: str) -> None:
    """One in front of this host itself breaks health checks."""
    assert found("proxy", proxies=proxies).status == expected


@pytest.mark.parametrize(
    ("listeners", "compose", "expected"),
    [
        ((), True, ("pass", "nobody listens on the ports of the other services")),
        (
            (Listener(3003, "admin_ui", "node (pid 7)", in_container=True),),
            True,
            ("pass", "3003 (admin_ui): node (pid 7) in a container"),
        ),
        (
            (Listener(3003, "admin_ui", None, in_container=False),),
            True,
            ("warn", "3003 (admin_ui): somebody"),
        ),
        ((), False, ("skip", "no Compose project")),
    ],
)
def test_ports(
    listeners: tuple[Listener, ...], *, compose: bool, expected: tuple[str, str]
) -> None:
    """The project's own containers may be there already."""
    item = found("ports", listeners=listeners, is_compose_project=compose)
    assert (item.status, item.message) == expected


def test_docker_is_needed_where_nothing_else_runs_the_project() -> None:
    """Then its absence is a failure."""
    assert found("docker", docker=None, engines=()).status == "fail"
    assert found("docker", docker=None, engines=(), is_compose_project=False).status == "skip"


def test_docker_from_snap_is_worth_a_look() -> None:
    """It sees few folders, and the NVIDIA toolkit none of it."""
    assert found("docker", docker=replace(DOCKER, is_snap=True)).status == "warn"


def test_an_engine_elsewhere_that_does_not_answer_is_looked_for_there() -> None:
    """Starting the one of this host would not help."""
    item = found("docker", docker=replace(OFF, remote="ssh://gpu"))
    assert item.command == "docker context ls"


@pytest.mark.parametrize(
    ("socket", "expected"),
    [
        (None, "skip"),
        (Socket(Path("/run/d.sock"), "docker", 0o660, is_open=True), "pass"),
        (Socket(Path("/run/d.sock"), "engine", 0o660, is_open=False), "warn"),
        (Socket(Path("/run/d.sock"), "docker", 0o666, is_open=True), "warn"),
    ],
)
def test_docker_socket(socket: Socket | None, expected: str) -> None:
    """Whoever may open it is root; whoever needs it has to be in its group."""
    item = found("docker-socket", docker=replace(DOCKER, socket=socket))
    assert item.status == expected
    if socket and not socket.is_open:
        assert item.command == "sudo usermod -aG engine $USER"
        denied = replace(OFF, problem="permission denied", socket=socket)
        assert found("docker", docker=denied).command == item.command


def test_a_rootless_engine_is_named_with_what_is_different() -> None:
    """Calls may not reach the daemon on its network."""
    assert found("docker-rootless", docker=OFF).status == "skip"
    item = found("docker-rootless", docker=replace(DOCKER, is_rootless=True))
    assert (item.status, "network_mode: host" in (item.details or "")) == ("warn", True)
    assert found("owners", docker=replace(DOCKER, is_rootless=True)).status == "skip"


@pytest.mark.parametrize(
    ("buildx", "compose", "expected"),
    [
        ("v0.17.0", "2.40.3", "pass"),
        ("0.13.1+ds1", "2.40.3", "fail"),
        ("0.13.1+ds1", "2.26.1-4", "warn"),
        (None, "2.26.1-4", "fail"),
        ("v0.29.1", "5.1.0", "pass"),
        ("v0.13", "5.1.0", "fail"),
    ],
)
def test_buildx(buildx: str | None, compose: str, expected: str) -> None:
    """A newer Compose refuses an older builder."""
    docker = replace(DOCKER, buildx=buildx, compose=compose)
    assert found("buildx", docker=docker).status == expected
    assert found("buildx", docker=docker, is_compose_project=False).status == "skip"
    assert found("buildx", docker=None).status == "skip"


@pytest.mark.parametrize(
    ("os_id", "command"),
    [
        ("debian", "sudo apt-get install docker-compose-plugin"),
        ("rocky", "sudo dnf install docker-compose-plugin"),
        ("arch", None),
    ],
)
def test_packages_are_installed_as_the_system_does(os_id: str, command: str | None) -> None:
    """The command is shown; nobody runs it."""
    item = found(
        "compose", docker=replace(DOCKER, compose=None), machine=replace(MACHINE, os_id=os_id)
    )
    assert item.command == command


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "skip"),
        (ComposeConfig(), "pass"),
        (ComposeConfig(warnings=("the variable is not set", "obsolete")), "warn"),
        (ComposeConfig(problem="yaml: line 3"), "fail"),
    ],
)
def test_compose_config(config: ComposeConfig | None, expected: str) -> None:
    """What Compose refuses, no start gets past."""
    item = found("compose-config", compose_config=config)
    assert item.status == expected
    assert item.details == ("obsolete" if expected == "warn" else None)
    without = replace(DOCKER, compose=None)
    assert found("compose-config", compose_config=config, docker=without).status == "skip"


def test_an_interrupted_change_comes_before_everything_else() -> None:
    """Nothing can be changed until it is undone."""
    item = found("recovery", pending=Pending("it was interrupted", "run `aava recover`"))
    assert (item.status, item.command) == ("fail", "aava recover")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"held": Ownership(1000, 0, 0o700)}, "pass"),
        ({"held": Ownership(0, 1000, 0o770)}, "pass"),
        ({"held": Ownership(0, 0, 0o777)}, "pass"),
        ({"held": Ownership(0, 0, 0o755)}, "warn"),
        ({"held": Ownership(1000, 0, 0o577)}, "warn"),
        ({"exists": False, "held": None}, "warn"),
    ],
)
def test_owners(changed: dict[str, Any], expected: str) -> None:
    """The containers work as user 1000."""
    assert found("owners", owned=(replace(OWNED, **changed),)).status == expected
    assert found("owners", owned=(replace(OWNED, **changed),), is_compose_project=False).status == (
        "skip"
    )


@pytest.mark.parametrize("exists", [True, False])
def test_nobody_is_told_to_give_away_what_a_link_leads_to(*, exists: bool) -> None:
    """Where it leads is told; other folders are another matter."""
    shut = replace(OWNED, held=Ownership(0, 0, 0o755))
    linked = replace(shut, path=PROJECT / "data", leads_to=Path("/srv/victim"), exists=exists)
    alone = found("owners", owned=(linked,))
    assert f"{PROJECT}/data, a link to /srv/victim" in alone.message
    assert (alone.command, "what a link leads to is left" in (alone.remediation or "")) == (
        None,
        True,
    )
    assert found("owners", owned=(linked, shut)).command == f"sudo chown 1000 {OWNED.path}"


def test_what_was_not_read_is_not_judged() -> None:
    """An address that is none, or a file that does not parse, says nothing of the host."""
    broken = replace(ENV_FILE, problem=".env:1: x")
    unread = replace(ENV_FILE, host="", address_problem=".env:2: y")
    for name in ("access", "loopback", "ipv6"):
        for env_file, problem in ((broken, ".env:1: x"), (unread, ".env:2: y")):
            item = found(name, env_file=env_file)
            assert (item.status, item.message) == ("skip", f"could not be found out: {problem}")
    assert found("env", env_file=unread).message == ".env:2: y"
    assert found("numbers", env_file=unread).status == "pass"


def test_another_loopback_address_needs_a_token_too() -> None:
    """The daemon starts there and answers nobody; that others reach it is not said."""
    item = found("access", env_file=replace(ENV_FILE, host="127.0.0.2"))
    assert (item.status, item.message) == (
        "fail",
        "without a token the daemon closes every connection to 127.0.0.2",
    )


def test_nobody_writes_to_a_folder_that_is_not_there() -> None:
    """Somebody has to make it first."""
    assert not replace(OWNED, held=None).is_open_to(1000)


@pytest.mark.parametrize(
    ("label", "compose", "expected"),
    [
        (Label(PROJECT, is_enforced=False), True, "skip"),
        (Label(PROJECT, is_enforced=True, type="container_file_t"), True, "pass"),
        (Label(PROJECT, is_enforced=True, type="user_home_t"), True, "warn"),
        (Label(PROJECT, is_enforced=True), True, "warn"),
        (Label(PROJECT, is_enforced=True, type="user_home_t"), False, "skip"),
    ],
)
def test_selinux(label: Label, *, compose: bool, expected: str) -> None:
    """A model that has no label for containers cannot be read in one."""
    assert found("selinux", label=label, is_compose_project=compose).status == expected


def test_values_that_two_readers_read_differently_are_named() -> None:
    """Compose expands what the other takes as it is."""
    item = found("env", env_file=replace(ENV_FILE, misread=("GREETING",)))
    assert (item.status, "`GREETING`" in item.message) == ("warn", True)
    both = replace(ENV_FILE, misread=("GREETING",), comments_as_values=("KEY",))
    assert "`GREETING`" in (found("env", env_file=both).details or "")


def test_a_missing_env_file_is_made_from_the_example_where_there_is_one() -> None:
    """Else by `init`."""
    missing = replace(ENV_FILE, exists=False)
    assert found("env", env_file=missing).command == "aava init"
    example = replace(missing, has_example=True)
    assert found("env", env_file=example).command == "aava preflight --fix"


def test_numbers() -> None:
    """The daemon does not start with any that is none."""
    bad = replace(ENV_FILE, bad_values=(".env:3: `LOCAL_LLM_CONTEXT` is no number: `4k`",))
    assert found("numbers", env_file=bad).status == "fail"
    assert found("numbers", env_file=replace(ENV_FILE, exists=False)).status == "skip"


def test_an_overlay_that_takes_a_whole_part_away_is_named() -> None:
    """A null deletes all below its key."""
    item = found("yaml-merge", overlay=Overlay(("providers.local",)))
    assert (item.status, "`providers.local`" in item.message) == ("warn", True)


def test_selected_models() -> None:
    """One that is not there, or not whole, is a failure with the way to get it."""
    broken = Selected("tts", "piper:x.onnx", "there is no `x`", "run `aava models pull x`")
    item = found("models", selected=(broken,))
    assert (item.status, item.command) == ("fail", "aava models pull x")
    assert found("models", selected=()).status == "skip"


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (Drift(answers=False), ("pass", None)),
        (Drift(("llm: drift",), ("aava switch --llm llama",)), ("warn", "aava switch --llm llama")),
        (Drift(("stt: it did not load",)), ("warn", "aava status")),
    ],
)
def test_drift(drift: Drift, expected: tuple[str, str | None]) -> None:
    """What differs from `.env` is shown with what would end it."""
    item = found("drift", drift=drift)
    assert (item.status, item.command) == expected
