"""Values in `.env` through its real readers: python-dotenv, `sh` and Docker Compose."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from aava_cli import envfile
from aava_cli.errors import UsageError
from tests.test_envfile import KEYS, VALUES, dotenv_reads, sh_reads, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

Value = TypeVar("Value")

# What has been read wrongly somewhere, by somebody.
CORPUS = (
    *("", " ", "  two  ", " leads", "trails ", "a b", "tab\tinside", "\u00a0hard\u00a0", "\u3000"),
    *("'", '"', "''", '""', "it's", 'say "hi"', 'it\'s "so"', "'whole'", '"whole"', "`date`"),
    *("$", "$$", "$$$", "$HOME", "${HOME}", "${X:-y}", "${X", "$(id)", "pa$word", "pa$$word", "5$"),
    *(
        "\\",
        "\\\\",
        "back\\slash",
        "ends\\",
        "ends\\\\",
        "\\n",
        "it's \\n",
        "\\'",
        '\\"',
        "C:\\new",
    ),
    *(
        "#",
        "#x",
        "a#b",
        "a #b",
        "a # b",
        " # c",
        "a\t# b",
        "'a' # b",
        "=",
        "a=b",
        "==",
        "KEY=value",
    ),
    *(
        "!",
        "!!",
        "hi!",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "~",
        "~/x",
        ";",
        "a;b",
        "&",
        "|",
        "<",
        ">",
        "(a)",
    ),
    *(
        "été",
        "ключ",
        "日本語",
        "😀",
        "👩‍👩‍👧",
        "a\u0301",
        "\u202eabc",
        "\u200b",
        "\ufeffx",
        "\u2028x",
    ),
    *(
        "ws://127.0.0.1:8765/?a=b&c=d#e",
        "/app/models/stt/vosk-0.22",
        "<|user|>,<|end|>",
        "-1",
        "%s",
    ),
    *("export A=1", "true", "null", "1e5", "0x1f", "a,b", "@", "^", "x" * 100_000, "ü " * 20_000),
)


def accepted(value: str) -> bool:
    """Return whether *value* can be written at all."""
    return spelled(value) is not None


def drawn(strategy: SearchStrategy[Value], count: int) -> list[Value]:
    """Return *count* examples of *strategy*, for a reader that is asked about all at once."""
    found: list[Value] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Value) -> None:
        found.append(example)

    collect()
    return found


def values_by_key(count: int) -> dict[str, str]:
    """Return *count* accepted values by keys that all differ, and those of the corpus."""
    keys = drawn(KEYS, count)
    values = [*drawn(VALUES.filter(accepted), count), *filter(accepted, CORPUS)]
    return {f"{keys[place % len(keys)]}_{place}": value for place, value in enumerate(values)}


def before(values: Mapping[str, str]) -> str:
    """Return a file that has other values for the keys of *values*, each spelled in its way."""
    old = ("", "plain", "'single quotes'", '"double  quotes"', "a\u00fc#b")
    lines = (
        f"# about №{place}:  ☎\n{key}={old[place % len(old)]}\n\n"
        for place, key in enumerate(values)
    )
    return "".join(lines)


def others(text: str, values: Mapping[str, str]) -> list[str]:
    """Return the lines of *text* that bind none of the keys of *values*."""
    return [line for line in text.split("\n") if line.partition("=")[0] not in values]


def test_dotenv_and_sh_read_what_was_meant(tmp_path: Path) -> None:
    """A thousand values, one file: both read each of them, and no other byte has changed."""
    values = values_by_key(1000)
    assert len(values) >= 1000
    text = before(values)
    edited = envfile.edit(text, values)
    path = tmp_path / ".env"
    path.write_bytes(edited.encode())
    assert others(text, values) == others(edited, values)
    for interpolate in (False, True):
        assert values == dotenv_reads(edited, interpolate=interpolate)
    assert values == dict(zip(values, sh_reads(path, list(values)), strict=True))


def compose(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose in *folder*, with nothing in its environment that it could read."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_CONFIG": f"{home}/.docker"}
    return subprocess.run(
        ["docker", "compose", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def compose_folder(tmp_path: Path) -> Path:
    """Return a folder for a Compose project; the test is skipped where there is no Compose."""
    try:
        missing = compose(tmp_path, "version").returncode != 0
    except FileNotFoundError:
        missing = True
    if missing and "CI" not in os.environ:
        pytest.skip("`docker compose version` fails: Docker Compose is not installed")
    assert not missing, "CI has to have Docker Compose"
    return tmp_path


def test_compose_reads_what_was_meant(compose_folder: Path) -> None:
    """Two hundred values at once: as a container's environment, and where a file names them."""
    values = values_by_key(200)
    assert len(values) >= 200
    edited = envfile.edit(before(values), values)
    (compose_folder / ".env").write_bytes(edited.encode())
    service = {
        "image": "none",
        "env_file": [".env"],
        "labels": {key: f"${{{key}}}" for key in values},
    }
    project = {"name": "readers", "services": {"local_ai_server": service}}
    (compose_folder / "compose.yaml").write_text(json.dumps(project), encoding="utf-8")
    done = compose(compose_folder, "config", "--format", "json")
    assert (0, "") == (done.returncode, done.stderr)
    read = json.loads(done.stdout)["services"]["local_ai_server"]
    for place in ("environment", "labels"):
        # What is printed could be read again, so each dollar is doubled.
        assert values == {key: value.replace("$$", "$") for key, value in read[place].items()}


def test_most_of_the_corpus_is_accepted() -> None:
    """Only what no spelling can say the same to all of them is refused, by its key."""
    refused = {value for value in CORPUS if not accepted(value)}
    assert refused == {
        *("${HOME}", "${X:-y}", "tab\tinside", "a\t# b"),
        *("\\", "ends\\", "\\\\", "ends\\\\"),
    }
    for value in refused:
        with pytest.raises(UsageError, match="`K`"):
            envfile.edit("", {"K": value})
