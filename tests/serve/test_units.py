"""What starts the daemon with the host."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.serve.units import Kind, Service, unit_for

if TYPE_CHECKING:
    from tests.conftest import Aava

ODD = Path("/srv/100% voice/it's")
SERVICE = Service(
    ("/usr/bin/python3", "-m", "aava_cli", "serve", "--project", str(ODD)),
    ODD,
    "voice",
    ODD / ".aava/serve.log",
    drain_s=300,
)


def parsed(content: str) -> configparser.ConfigParser:
    """Return a unit's sections, as they are written."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(content)
    return parser


def test_systemd_waits_for_readiness_and_for_calls() -> None:
    """Stopping takes as long as calls may go on, and a little more; odd names are quoted."""
    unit = parsed(unit_for("systemd", SERVICE).content)["Service"]
    assert ("notify", "315", "mixed", "voice") == (
        *(unit["Type"], unit["TimeoutStopSec"], unit["KillMode"], unit["User"]),
    )
    assert '"/srv/100%% voice/it\'s"' == unit["ExecStart"].split("--project ")[1]
    assert "/srv/100%% voice/it's" == unit["WorkingDirectory"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path, aava: Aava) -> None:
    """The unit is one that it accepts."""
    unit = tmp_path / "aava.service"
    unit.write_text(aava("serve", "--print-unit", "systemd").stdout)
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (0, []) == (
        ran.returncode,
        [line for line in ran.stderr.splitlines() if "aava.s" in line],
    )


def test_supervisor_stops_with_sigterm_and_waits() -> None:
    """Its own words are left whole, and its `%` doubled."""
    program = parsed(unit_for("supervisor", SERVICE).content)["program:aava"]
    assert ("TERM", "315", "unexpected") == (
        *(program["stopsignal"], program["stopwaitsecs"], program["autorestart"]),
    )
    assert [*SERVICE.command] == shlex.split(program["command"].replace("%%", "%"))


def run_onstart(folder: Path, script: str, codes: list[int]) -> int:
    """Run an onstart script whose daemon ends with *codes* in turn; return how often it ran."""
    folder.mkdir(parents=True)
    program = folder / "daemon"
    (folder / "codes").write_text("".join(f"{code}\n" for code in codes))
    program.write_text(
        f'#!{sys.executable}\nfrom pathlib import Path\nrest = Path("codes").read_text().split()\n'
        'Path("codes").write_text(" ".join(rest[1:]))\nPath("ran").open("a").write("x")\n'
        "raise SystemExit(int(rest[0]))\n"
    )
    program.chmod(0o755)
    service = Service((str(program),), folder, "voice", folder / "log", drain_s=0)
    assert script == unit_for("onstart", SERVICE).content.partition("\n")[0]
    content = unit_for("onstart", service).content.replace("sleep 5", "sleep 0.01")
    subprocess.run(["bash", "-c", content + "wait\n"], check=True, timeout=60)
    return len((folder / "ran").read_text())


@pytest.mark.parametrize(("codes", "runs"), [([0], 1), ([1, 70, 0], 3), ([5], 1), ([1, 2], 2)])
def test_onstart_starts_again_what_ended_by_itself(
    tmp_path: Path, codes: list[int], runs: int
) -> None:
    """But not what was stopped, runs already, or was called in a wrong way."""
    assert runs == run_onstart(tmp_path / "it's 100% odd", "#!/bin/bash", codes)


@pytest.mark.parametrize("kind", ["systemd", "supervisor", "onstart"])
def test_unit_starts_what_the_command_line_would(aava: Aava, project: Path, kind: Kind) -> None:
    """Options that are not as usual are passed on; nothing is started now."""
    options = ("--drain", "5min", "--port", "9000", "--max-calls", "3", "--memory", "4000")
    printed = aava("serve", *options, "--print-unit", kind)
    expected = f"-m aava_cli serve --project {project} --port 9000 --drain 5min --max-calls 3"
    assert (0, True) == (printed.exit_code, f"{expected} --memory 4000" in printed.stdout)
    assert sys.executable in printed.stdout
    assert not (project / ".aava" / "serve.pid").exists()
    as_json = json.loads(aava("serve", "--print-unit", kind, "--json").stdout)["result"]
    assert (kind, True) == (as_json["kind"], "--max-calls" not in as_json["content"])


ODD_PLACES = ("dol$HOME", "it's", 'd"q', "back\\s", "end\\", "trail ", "a b", "p%c", "a=b")


@pytest.mark.parametrize("name", ODD_PLACES)
def test_systemd_is_given_the_folder_whole(name: str) -> None:
    """What ends a line otherwise than the folder does would be cut off, or take the next line."""
    folder = Path("/srv") / name
    service = Service(("/usr/bin/python3", "serve"), folder, "voice", folder / "log", drain_s=0)
    lines = unit_for("systemd", service).content.splitlines()
    (place,) = [line for line in lines if line.startswith("WorkingDirectory=")]
    assert place == place.rstrip().rstrip("\\")
    assert str(folder) == place.partition("=")[2].replace("%%", "%").removesuffix("/")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("name", ODD_PLACES)
def test_systemd_finds_the_program_wherever_it_is(tmp_path: Path, name: str) -> None:
    """A virtual environment may lie in a folder of any name."""
    program = tmp_path / name / "python"
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    words = (str(program), "serve", "--project", str(program.parent))
    service = Service(words, program.parent, "root", program, drain_s=0)
    unit = tmp_path / "aava.service"
    unit.write_text(unit_for("systemd", service).content)
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert [] == [line for line in ran.stderr.splitlines() if "aava.s" in line]


def test_shell_of_a_unit_starts_the_words_that_follow(tmp_path: Path) -> None:
    """Where systemd cannot name a program, a shell becomes it."""
    program = tmp_path / "it's" / "program"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$$" "$@"\n')
    program.chmod(0o755)
    service = Service((str(program), "a b"), tmp_path, "voice", tmp_path / "log", drain_s=0)
    (started,) = [
        line.partition("=")[2].replace("$$", "$")
        for line in unit_for("systemd", service).content.splitlines()
        if line.startswith("ExecStart=")
    ]
    with subprocess.Popen(shlex.split(started), stdout=subprocess.PIPE, text=True) as process:
        told, _ = process.communicate(timeout=60)
    assert f"{process.pid} a b\n" == told
