"""The lines around what failed, wherever the blocks end that are read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aava_cli.audit.blocks import BLOCK_BYTES
from tests.audit.cases import FAILING
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava

_AROUND = 40


def test_lines_behind_are_all_there_where_a_block_ends(tmp_path: Path, aava: Aava) -> None:
    """A call is over in the midst of a block, and the lines around go on in the next one."""
    calls, size = [FAILING.printed(1)], 0
    while size < BLOCK_BYTES + 40_000:
        calls.append(FAILING.printed(len(calls) + 1))
        size += sum(len(line) + 1 for line in calls[-1])
    path = tmp_path / "calls.log"
    path.write_bytes(logged(*calls))
    lines = path.read_text(encoding="utf-8").splitlines()
    # All of them shall be told with what is around.
    assert len(calls) < 100
    answer = json.loads(aava("audit", str(path), "--json", "--no-redact").stdout)
    told = [
        check
        for call in answer["result"]["calls"]
        for check in call["checks"]
        if check["check"] == "A1"
    ]
    assert len(calls) == len(told)
    for check in told:
        (seen,), (context,) = check["seen"], check["contexts"]
        first, last = max(1, seen["line"] - _AROUND), min(len(lines), seen["line"] + _AROUND)
        assert (first, lines[first - 1 : last]) == (context["line"], context["lines"])


def test_lines_around_are_bounded_whatever_fails(tmp_path: Path, aava: Aava) -> None:
    """The first ones are told; as a document all of them would take more than the audit may."""
    path, long = tmp_path / "calls.log", b"x" * 250
    calls = [(*FAILING.printed(number), *[long] * 400) for number in range(90)]
    path.write_bytes(logged(*calls))
    answer = json.loads(aava("audit", str(path), "--json", "--context", "200").stdout)
    told = [
        sum(len(line) for context in check["contexts"] for line in context["lines"])
        for call in answer["result"]["calls"]
        for check in call["checks"]
        if check["status"] == "FAIL"
    ]
    assert (90, True, 0) == (len(told), min(told[:9]) > 0, told[-1])
    assert sum(told) < 6 << 20
