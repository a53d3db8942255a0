"""What is shown of values that may be secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aava_cli.redact import is_secret, shown, shown_word


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *(("LOCAL_WS_AUTH_TOKEN", True), ("KROKO_API_KEY", True), ("JWT_SECRET", True)),
        *(("ASTERISK_ARI_PASSWORD", True), ("tts.api_key", True), ("--token", True)),
        *(("_authToken", True), ("apiKey", True), ("clientSecretName", True), ("maxTokens", False)),
        *(("LOCAL_LLM_MAX_TOKENS", False), ("KEYBOARD", False), ("MONKEY", False), ("", False)),
    ],
)
def test_secrets_are_told_by_their_names(name: str, secret: bool) -> None:  # noqa: FBT001 - a table
    """Names of tokens, keys and passwords, in any case."""
    assert secret == is_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("API_KEY", "hush", "***"),
        ("API_KEY", "", ""),
        ("URL", "wss://me:hush@host/x", "wss://***@host/x"),
        ("MODEL", "/a@b", "/a@b"),
    ],
)
def test_value_is_shown_without_its_secret(name: str, value: str, expected: str) -> None:
    """That there is none is no secret."""
    assert expected == shown(name, value)


def test_command_line_is_stored_without_secrets() -> None:
    """It is in the lock's note and in the history."""
    program = "from aava_cli.files import command_line; print(command_line())"
    words = ("switch", "--set", "tts.api_key=hush", "a=b")
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout == "aava switch --set tts.api_key=*** a=b\n"
    assert shown_word("https://me:hush@host/x?signature=hush#hush") == "https://host/x"
    assert shown_word("--mirror=https://me:hush@host/x?y") == "--mirror=https://host/x"
    assert shown_word("--mirror=wss://me:hush@host/x") == "--mirror=wss://***@host/x"
