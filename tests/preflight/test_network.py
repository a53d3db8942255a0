"""Addresses, ports and proxies of this host: real sockets, and a namespace without IPv4."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aava_cli.preflight.probing.network import (
    can_listen,
    find_listeners,
    find_network,
    find_proxies,
    in_container,
    named,
)
from aava_cli.settings import Settings

REPOSITORY = Path(__file__).parents[2]
# Only ::1 is left: the address 127.0.0.1 comes with a loopback that is brought up.
_IPV6_ONLY = "ip link set lo up && ip addr del 127.0.0.1/8 dev lo && exec "
_COMPOSE = "services:\n  local_ai_server:\n    image: x\n"


def test_this_host_has_a_loopback_address() -> None:
    """Of one kind at least."""
    network = find_network()
    assert network.ipv4 or network.ipv6


def test_an_address_of_another_host_cannot_be_listened_on() -> None:
    """As the loopback address of a kind that is switched off."""
    assert not can_listen(socket.AF_INET, "192.0.2.1")


def settings_of(folder: Path, *, compose: bool = True) -> Settings:
    """Return the settings of a project, with services if *compose*."""
    if compose:
        (folder / "docker-compose.yml").write_text(_COMPOSE)
    return Settings(folder, folder / "models")


def test_who_listens_on_a_port_of_another_service_is_named(tmp_path: Path) -> None:
    """By program and process; nobody asks for a project that has no other service."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        (found,) = find_listeners(settings_of(tmp_path), {port: "admin_ui"})
        assert (found.number, found.service) == (port, "admin_ui")
        assert f"(pid {os.getpid()})" in (found.holder or "")
    assert find_listeners(settings_of(tmp_path), {port: "admin_ui"}) == ()
    alone = tmp_path / "alone"
    alone.mkdir()
    assert find_listeners(settings_of(alone, compose=False)) == ()


def test_a_listener_may_be_gone_or_hidden() -> None:
    """Only root sees the programs of others, and any may end while it is looked at."""
    gone = subprocess.Popen(("true",))
    gone.wait()
    for pid in (gone.pid, None):
        assert (named(pid), in_container(pid)) == (None, False)


@pytest.mark.parametrize(
    ("environ", "named", "problems", "spared"),
    [
        ({}, (), (), False),
        (
            {"https_proxy": "http://me:secret@proxy:3128", "NO_PROXY": "127.0.0.1,localhost"},
            (("https_proxy", "http://***@proxy:3128"),),
            (),
            True,
        ),
        ({"HTTP_PROXY": "proxy:3128", "no_proxy": "*"}, (("http_proxy", "proxy:3128"),), (), True),
        (
            {"ALL_PROXY": "ftp://proxy"},
            (("all_proxy", "ftp://proxy"),),
            ("`all_proxy` is no address of a proxy",),
            False,
        ),
        (
            {"http_proxy": "http://[a"},
            (("http_proxy", "http://[a"),),
            ("`http_proxy` is no address of a proxy",),
            False,
        ),
        (
            {"https_proxy": "me:hush@127.0.0.1:1", "http_proxy": "http://me:hu/s@h@a:1"},
            (("http_proxy", "http://***@a:1"), ("https_proxy", "***@127.0.0.1:1")),
            ("`http_proxy` is no address of a proxy",),
            False,
        ),
        (
            {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"},
            (("http_proxy", "http://a:1"),),
            ("`http_proxy` and `HTTP_PROXY` differ",),
            False,
        ),
    ],
)
def test_proxies_are_read_from_the_environment(
    environ: dict[str, str],
    named: tuple[tuple[str, str], ...],
    problems: tuple[str, ...],
    *,
    spared: bool,
) -> None:
    """Under either spelling; passwords in them are shown to nobody."""
    found = find_proxies(environ)
    assert (found.named, found.problems, found.spares_loopback) == (named, problems, spared)


def preflight_without_ipv4(folder: Path, *words: str) -> dict[str, Any]:
    """Run `aava preflight` on *folder* where only ::1 is left, and return its answer."""
    unshare = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    program = f"{sys.executable} -m aava_cli --project {folder} preflight --json {' '.join(words)}"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("`unshare` or `ip` is missing here")
    if subprocess.run((*unshare, "true"), check=False, capture_output=True).returncode:
        pytest.skip("no network namespace may be made here")
    ran = subprocess.run(
        (*unshare, "sh", "-c", _IPV6_ONLY + program),
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_a_host_without_ipv4_is_told_what_to_do(tmp_path: Path) -> None:
    """The daemon has to listen on ::1, and nobody says that IPv6 should be switched off."""
    (tmp_path / ".env").write_text("LOCAL_WS_HOST=127.0.0.1\n")
    answer = preflight_without_ipv4(tmp_path, "--only", "loopback,ipv6")
    loopback, ipv6 = answer["result"]["items"]
    assert (loopback["status"], loopback["message"]) == (
        "fail",
        "IPv6, but `LOCAL_WS_HOST` is 127.0.0.1",
    )
    assert (ipv6["status"], "[::1]" in ipv6["remediation"]) == ("warn", True)
    assert "disable" not in json.dumps(answer)
    (tmp_path / ".env").write_text("LOCAL_WS_HOST=::1\n")
    good = preflight_without_ipv4(tmp_path, "--only", "loopback,ipv6,port")
    assert (good["ok"], [each["status"] for each in good["result"]["items"]]) == (
        True,
        ["pass", "pass", "pass"],
    )
