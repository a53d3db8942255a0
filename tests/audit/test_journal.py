"""What `journalctl` writes, in each of its forms, and what it leaves out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.audit.cases import FAILING
from tests.audit.logs import Names
from tests.audit.wrapping import journal_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava


@pytest.fixture
def records() -> list[str]:
    """Return a failing call as `journalctl -o json` writes it."""
    return journal_json(("", line) for line in FAILING.printed()).decode().splitlines()


def without_message(record: str) -> str:
    """Return a *record* of a message of more than 4096 bytes, as it is without `--all`."""
    return json.dumps(json.loads(record) | {"MESSAGE": None})


def test_long_messages_of_a_unit_are_asked_for(
    tmp_path: Path, aava: Aava, monkeypatch: pytest.MonkeyPatch, records: list[str]
) -> None:
    """A line of 4096 bytes may be the one that fails."""
    (tmp_path / "whole").write_text("\n".join(records) + "\n")
    (tmp_path / "cut").write_text("\n".join(map(without_message, records)) + "\n")
    program = tmp_path / "journalctl"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--all*) cat {tmp_path}/whole;; *) cat {tmp_path}/cut;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert 1 == aava("audit", "journal:prosaas").exit_code


def test_messages_that_were_left_out_are_told(
    tmp_path: Path, aava: Aava, records: list[str]
) -> None:
    """A log with holes in it is no ground for a release; what is there counts."""
    path = tmp_path / "journal.json"
    path.write_text("\n".join((*records, without_message(records[0]))) + "\n")
    done = aava("audit", str(path))
    assert (2, f"{Names(1).call}: FAIL" in done.stdout) == (done.exit_code, True)
    assert f"`{path}` lacks 1 of its messages" in done.stderr
    assert "`journalctl --output=json --all`" in done.stderr


@pytest.mark.parametrize("form", ["\x1e{}\n", "data: {}\n\n"], ids=["json-seq", "json-sse"])
def test_other_forms_of_json_are_unwrapped(
    tmp_path: Path, aava: Aava, records: list[str], form: str
) -> None:
    """Also the messages in them that are arrays of bytes."""
    answers = []
    for name, written in (("plain", "{}\n"), ("other", form)):
        path = tmp_path / name
        path.write_text("".join(written.format(each) for each in records))
        result = json.loads(aava("audit", str(path), "--json").stdout)["result"]
        answers.append((result["events"], result["counts"]))
    assert answers[0] == answers[1]
