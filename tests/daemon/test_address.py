"""Where the daemon is: what `.env` says, what was named, and what is no address at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.daemon.address import Address, checked_url, find_address, is_host, is_port
from aava_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava

SECRET = "s3cret"  # noqa: S105 - a test's own


@pytest.mark.parametrize(
    ("env", "urls"),
    [
        ({}, ("ws://127.0.0.1:8765", "ws://[::1]:8765")),
        ({"LOCAL_WS_HOST": "", "LOCAL_WS_PORT": ""}, ("ws://127.0.0.1:8765", "ws://[::1]:8765")),
        ({"LOCAL_WS_HOST": "0.0.0.0"}, ("ws://127.0.0.1:8765", "ws://[::1]:8765")),  # noqa: S104 - read, not bound
        ({"LOCAL_WS_HOST": "::", "LOCAL_WS_PORT": "1"}, ("ws://127.0.0.1:1", "ws://[::1]:1")),
        ({"LOCAL_WS_HOST": "10.0.0.7", "LOCAL_WS_PORT": "9"}, ("ws://10.0.0.7:9",)),
        ({"LOCAL_WS_HOST": "fd00::7"}, ("ws://[fd00::7]:8765",)),
        ({"LOCAL_WS_HOST": "gpu-box"}, ("ws://gpu-box:8765",)),
    ],
)
def test_address_is_what_env_says(env: dict[str, str], urls: tuple[str, ...]) -> None:
    """A daemon bound to every address is reached over loopback, in both families."""
    assert Address(urls, None) == find_address(None, env)


def test_named_address_wins_and_keeps_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--daemon` says where; the token comes from `.env`, else from the environment."""
    env = {"LOCAL_WS_HOST": "10.0.0.7", "LOCAL_WS_AUTH_TOKEN": "file"}
    assert Address(("ws://there:1",), "file") == find_address("ws://there:1", env)
    monkeypatch.setenv("LOCAL_WS_AUTH_TOKEN", "shell")
    assert Address(("ws://there:1",), "shell") == find_address("ws://there:1", {})


@pytest.mark.parametrize(
    "line",
    [
        *("LOCAL_WS_PORT=abc", "LOCAL_WS_PORT=99999", "LOCAL_WS_PORT=-1", "LOCAL_WS_PORT=0"),
        *("LOCAL_WS_HOST=there:1", "LOCAL_WS_HOST=a/b", "LOCAL_WS_HOST=[::1]"),
        f"LOCAL_WS_HOST=user:{SECRET}@host",
    ],
)
@pytest.mark.parametrize("command", ["status", "smoke", "preflight"])
def test_wrong_place_in_env_is_named_with_its_line(
    aava: Aava, project: Path, line: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person can go and correct it; what may be a password is not repeated."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    env = project / ".env"
    with env.open("a") as file:
        file.write(f"# a comment\n{line}\n")
    ran = aava(command)
    key = line.partition("=")[0]
    if command == "preflight":
        assert (9, True) == (ran.exit_code, f"`{key}` " in ran.stdout)
    else:
        assert (1, True) == (ran.exit_code, f"{env}:4: `{key}` must be" in ran.stderr)
        assert f"correct line 4 of `{env}`" in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr


def test_place_that_comes_from_no_file_has_no_line(tmp_path: Path) -> None:
    """The file is named nevertheless: the key belongs there."""
    (tmp_path / ".env").write_text("A=1\n")
    for env_file in (tmp_path / ".env", tmp_path / "none"):
        with pytest.raises(ConfigError, match=f"^{env_file}: `LOCAL_WS_PORT` must be a port"):
            find_address(None, {"LOCAL_WS_PORT": "abc"}, env_file=env_file)


@pytest.mark.parametrize(
    "url",
    [
        *("there:1", "http://127.0.0.1:1", "ws://", "ws://127.0.0.1:abc", "ws://127.0.0.1:99999"),
        *("ws://127.0.0.1:-1", "ws://127.0.0.1:0", "ws://[::1", "ws://a b:1", "ws://:1"),
    ],
)
@pytest.mark.parametrize("from_flag", [True, False])
def test_url_that_is_none_is_a_usage_error(
    aava: Aava, monkeypatch: pytest.MonkeyPatch, url: str, *, from_flag: bool
) -> None:
    """The user gave it, so the user sees it."""
    if not from_flag:
        monkeypatch.setenv("AAVA_DAEMON_URL", url)
    ran = aava("status", *(["--daemon", url] if from_flag else []))
    assert (2, True) == (ran.exit_code, f"`{url}` is not the URL of a daemon" in ran.stderr)
    assert "--daemon" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "url",
    [
        *(f"ws://user:{SECRET}@127.0.0.1:1", f"ws://{SECRET}@127.0.0.1:1", f"user:{SECRET}@host"),
        *(f"ws://127.0.0.1:1/?token={SECRET}", f"ws://127.0.0.1:1/#{SECRET}"),
    ],
)
@pytest.mark.parametrize("command", ["status", "recover", "switch --stt vosk", "smoke"])
def test_secret_in_a_url_is_refused_and_repeated_nowhere(
    project: Path, url: str, command: str
) -> None:
    """It would be printed and journaled; nothing is locked or written before that."""
    shutil.rmtree(project / ".aava")
    ran = subprocess.run(
        [sys.executable, "-m", "aava_cli", "--project", project, *command.split()],
        env={**os.environ, "AAVA_DAEMON_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (2, False) == (ran.returncode, SECRET in ran.stdout + ran.stderr)
    assert "LOCAL_WS_AUTH_TOKEN" in ran.stderr
    assert not (project / ".aava").exists()


@pytest.mark.parametrize(
    "url", ["ws://there", "wss://there:443/voice", "ws://[::1]:9", "ws://10.0.0.1:8765"]
)
def test_url_of_a_daemon_is_taken_as_it_is(url: str) -> None:
    """Both schemes, any path, both families."""
    assert url == checked_url(url)


@given(st.text())
def test_any_url_is_taken_or_refused(url: str) -> None:
    """Nothing that is typed is a bug."""
    try:
        assert url == checked_url(url)
    except UsageError:
        return


@given(st.integers())
def test_ports_are_those_that_can_be_listened_on(number: int) -> None:
    """0 means any, and does not say which."""
    assert (0 < number < 65_536) == is_port(str(number))


@pytest.mark.parametrize("text", ["", "a b", "-a", "a-", "\u0663", "1:2", "a\n", "fe80::1%"])
def test_what_is_no_host(text: str) -> None:
    """No name holds these, and no address."""
    assert not is_host(text)
