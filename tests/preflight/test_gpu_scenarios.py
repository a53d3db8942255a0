"""What `aava preflight` finds on hosts with GPUs, by the command itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gpu.hosts import run_on
from tests.preflight.gpu_scenarios import SCENARIOS, table

if TYPE_CHECKING:
    from tests.preflight.gpu_scenarios import Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "preflight.md"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_host_is_judged_as_the_table_says(scenario: Scenario, tmp_path: Path) -> None:
    """Findings, decision and exit code; whatever is not in the table has nothing to check."""
    words = ("preflight", "--json", "--only", "gpu,docker")
    ran = run_on(scenario.host, tmp_path / "host", *words)
    result = json.loads(ran.stdout)["result"]
    checks = [each for each in result["items"] if each["name"].partition("-")[0] == "gpu"]
    found = {each["name"]: each["status"] for each in checks if each["status"] != "skip"}
    assert scenario.expected() == found
    note = result["gpu_available"]
    assert (scenario.usable, scenario.exit_code) == (note["value"], ran.exit_code)
    env = (tmp_path / "host/project/.env").read_text(encoding="utf-8")
    said = f"GPU_AVAILABLE={str(scenario.usable).lower()}\n"
    assert (said in env, note["kept"] is None) == (note["written"], note["written"])
    assert (note["kept"] is None) is scenario.is_known
    text = "\n".join(f"{each['message']}\n{each['remediation']}" for each in checks)
    assert [] == [words for words in scenario.says if words not in text]


def test_documentation_has_the_table() -> None:
    """It says what the test above holds."""
    assert table() in DOCUMENT.read_text(encoding="utf-8")
