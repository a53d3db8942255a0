"""What is shown of values that may be secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aava_cli.redact import is_secret, pieces_of, scrub, secrets_in, shown, shown_word


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *(("LOCAL_WS_AUTH_TOKEN", True), ("KROKO_API_KEY", True), ("JWT_SECRET", True)),
        *(("ASTERISK_ARI_PASSWORD", True), ("tts.api_key", True), ("--token", True)),
        *(("_authToken", True), ("apiKey", True), ("clientSecretName", True), ("maxTokens", False)),
        *(("PGPASSWORD", True), ("DBPASS", True), ("ADMINPASSWORD", True), ("MYAPIKEY", True)),
        *(("SMTPPASSWORD", True), ("MYSECRETKEY", True), ("PRIVATEKEY", True), ("PWD", False)),
        *(("smtppasswd", True), ("MYPASSPHRASE", True), ("BOTTOKEN", True), ("BYPASS", False)),
        *(("COMPASS", False), ("PASSENGERS", False), ("TOKENIZER", False), ("MAXTOKENS", False)),
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


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ab$rest99xyz", 'The \\"rest99xyz\\" variable is not set'),
        ("begin${rest99xyz}end1", "rest99xyz, begin and end1"),
        ("begin$$rest99xyz", "begin and rest99xyz"),
        ("${GIVEN:-rest99xyz}", "rest99xyz"),
    ],
)
def test_part_of_a_secret_that_is_taken_for_a_variable(value: str, said: str) -> None:
    """Compose tells the name of each variable that nobody set."""
    shown_text = scrub(said, secrets_in({"A_PASSWORD": value}))
    assert not [part for part in ("rest", "begin", "end1") if part in shown_text]


def test_name_of_another_variable_is_no_secret() -> None:
    """What is short is in every text by chance."""
    assert not [*pieces_of("${HF_TOKEN}"), *pieces_of("${HF_TOKEN:?not set}"), *pieces_of("a$b$c")]
