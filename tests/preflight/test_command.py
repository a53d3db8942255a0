"""`aava preflight` as a user runs it: what it says, what it writes, what it repairs."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.events import Item
from aava_cli.files import exclusive_lock
from aava_cli.journal import Journal, Record
from aava_cli.output import Output
from aava_cli.preflight.facts import Facts, Unknown
from aava_cli.preflight.gpunote import note_gpu
from aava_cli.preflight.plan import MissingEnvFile, MissingFolder, MissingValue
from aava_cli.preflight.probing.project import read_env_file
from aava_cli.preflight.repair import apply_repair
from aava_cli.preflight.report import Preflighted, Repaired
from aava_cli.session import Session
from tests.gpu.hosts import run_on
from tests.preflight.gpu_scenarios import NATIVE
from tests.preflight.healthy import FACTS
from tests.test_bind_mount import in_namespace

if TYPE_CHECKING:
    from tests.conftest import Aava, Ran

REPOSITORY = Path(__file__).parents[2]
FIX = ("preflight", "--fix", "--yes", "--json", "--only")
ITEM = {"name", "group", "status", "message", "details", "remediation", "command"}


def result(ran: Ran) -> dict[str, Any]:
    """Return what the command answered as JSON."""
    answer: dict[str, Any] = json.loads(ran.stdout)["result"]
    return answer


@pytest.fixture
def without_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take `docker` from the PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_answer_has_the_shape_that_operators_know(aava: Aava) -> None:
    """Items with their status, and how many have which."""
    answer = result(aava("preflight", "--json"))
    statuses = [item["status"] for item in answer["items"]]
    assert all(set(item) == ITEM for item in answer["items"])
    for status in ("pass", "warn", "fail", "skip"):
        assert answer[f"{status}_count"] == statuses.count(status)
    assert answer["total"] == len(statuses)


def test_every_fact_says_how_it_was_learned(aava: Aava) -> None:
    """And how long that took."""
    facts = {each["name"]: each for each in result(aava("preflight", "--json"))["facts"]}
    assert facts["env_file"]["how"] == ".env"
    assert facts["env_file"]["value"]["exists"] is True
    assert all(each["took_s"] >= 0 for each in facts.values())


@pytest.mark.usefixtures("without_docker")
def test_text_is_grouped(aava: Aava, project: Path) -> None:
    """A group, its checks, and what to do below them; a host without Docker is fine."""
    (project / ".env").write_text("LOCAL_WS_PORT=1\nKROKO_API_KEY=   # text\n")
    ran = aava("preflight")
    lines = ran.stdout.splitlines()
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [line for line in lines if not line.startswith(" ")][:5] == [
        *("host", "network", "docker", "gpu", "project")
    ]
    place = lines.index("  warn  env               the value of `KROKO_API_KEY` is a comment")
    assert lines[place + 1] == f"{'':26}fix: move the comment to its own line"


def test_only_what_is_asked_for_is_found_out(aava: Aava) -> None:
    """Groups and names, behind commas or each with its own option."""
    answer = result(aava("preflight", "--json", "--only", "numbers,env", "--only", "catalogs"))
    assert [item["name"] for item in answer["items"]] == ["env", "numbers", "catalogs"]
    assert {each["name"] for each in answer["facts"]} == {"env_file", "catalogs"}
    skipped = result(aava("preflight", "--json", "--only", "project", "--skip", "drift,models"))
    names = {item["name"] for item in skipped["items"]}
    assert ("drift" in names, "models" in names, "env" in names) == (False, False, True)
    assert {item["group"] for item in skipped["items"]} == {"project"}


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_a_check_that_does_not_exist_is_a_wrong_command_line(aava: Aava, option: str) -> None:
    """The nearest names are told."""
    ran = aava("preflight", option, "gpu,netwrk")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "no check and no group named `netwrk`; nearest: `network`" in ran.stderr


def test_no_check_left_is_a_wrong_command_line(aava: Aava) -> None:
    """Nothing would always pass."""
    assert aava("preflight", "--only", "env", "--skip", "project").exit_code == 2


def test_a_warning_is_no_failure_unless_that_is_asked_for(aava: Aava, project: Path) -> None:
    """For a script that wants a clean host."""
    (project / ".env").write_text("KROKO_API_KEY=   # text\n")
    words = ("preflight", "--only", "env")
    assert aava(*words).exit_code == 0
    ran = aava(*words, "--strict")
    assert (ran.exit_code, "this host is not ready: `env`" in ran.stderr) == (9, True)
    (project / ".env").write_text("A=1\n")
    assert aava(*words, "--strict").exit_code == 0


def test_a_failure_is_exit_code_9_with_the_whole_answer(aava: Aava, project: Path) -> None:
    """The first fix is the hint."""
    (project / ".env").write_text("LOCAL_LLM_CONTEXT=4k\n")
    ran = aava("preflight", "--json", "--only", "numbers")
    answer = json.loads(ran.stdout)
    assert (ran.exit_code, answer["ok"], answer["error"]["exit"]) == (9, False, 9)
    (item,) = answer["result"]["items"]
    assert item["message"] == f"{project}/.env:1: `LOCAL_LLM_CONTEXT` is no number: `4k`"


def test_events_tell_each_finding_as_it_is_known(aava: Aava) -> None:
    """Whoever watches waits for no slow probe."""
    ran = aava("preflight", "--events", "--only", "project")
    *items, last = map(json.loads, ran.stdout.splitlines())
    assert {each["event"] for each in items} == {"item"}
    assert last["event"] == "result"
    told = {each["name"]: each["message"] for each in items}
    assert told == {each["name"]: each["message"] for each in last["result"]["items"]}


def test_whether_a_gpu_can_be_used_is_written_and_nothing_else(aava: Aava, project: Path) -> None:
    """Comments, order and line ends stay; a second run finds nothing to write."""
    env = project / ".env"
    env.write_bytes(b"# mine\r\nGPU_AVAILABLE=true   # old\r\nB='2'\r\n")
    env.chmod(0o640)
    note = result(aava("preflight", "--json"))["gpu_available"]
    assert (note["value"], note["before"], note["written"]) == (False, "true", True)
    assert note["reason"]
    written = env.read_bytes()
    assert written == b"# mine\r\n# old\r\nGPU_AVAILABLE=false\r\nB='2'\r\n"
    assert stat.S_IMODE(env.stat().st_mode) == 0o640
    before = env.stat()
    again = result(aava("preflight", "--json"))["gpu_available"]
    assert (again["written"], again["kept"]) == (False, None)
    assert (env.read_bytes(), env.stat().st_ino) == (written, before.st_ino)


def test_a_gpu_of_this_host_is_for_the_native_daemon(tmp_path: Path) -> None:
    """Without Docker there is nothing else; the reason is printed."""
    ran = run_on(NATIVE, tmp_path / "host", "preflight", "--only", "gpu")
    reason = "NVIDIA GeForce RTX 4090: this host's programs can use it"
    assert f"GPU_AVAILABLE=true: {reason}" in ran.stdout.splitlines()
    assert "written to `.env`, where it was unset" in ran.stdout.splitlines()
    assert "GPU_AVAILABLE=true\n" in (tmp_path / "host/project/.env").read_text()


def test_what_nobody_knows_is_no_reason_to_write(project: Path) -> None:
    """What was known before stays, until somebody knows better."""
    env = project / ".env"
    env.write_text("GPU_AVAILABLE=true\n")
    session = Session({"project": str(project)}, Output())
    seen = Facts(env_file=read_env_file(env), gpus=Unknown("no answer within 5 s"))
    note = note_gpu(session, seen, write=True)
    assert note is not None
    assert (note.value, note.kept) == (False, "nobody knows")
    assert note.reason == "could not be found out: nobody asked for it"
    assert list(note.text())[-1] == "not written: nobody knows"
    assert env.read_text() == "GPU_AVAILABLE=true\n"
    assert note_gpu(session, Facts(), write=True) is None


@pytest.mark.parametrize(
    ("value", "same"), [("false", True), ("0", True), ("True", False), ("maybe", False)]
)
def test_what_already_says_so_is_left_as_it_is(
    aava: Aava, project: Path, value: str, *, same: bool
) -> None:
    """In whatever words."""
    env = project / ".env"
    env.write_text(f"GPU_AVAILABLE={value}\n")
    aava("preflight", "--only", "gpu")
    expected = value if same else "false"
    assert env.read_text() == f"GPU_AVAILABLE={expected}\n"


def test_nothing_is_written_where_that_is_not_wanted_or_not_possible(
    aava: Aava, project: Path
) -> None:
    """The reason is told, and the checks are made all the same."""
    before = (project / ".env").read_bytes()
    words = ("preflight", "--only", "gpu", "--json")
    kept = result(aava(*words, "--no-write"))["gpu_available"]["kept"]
    assert kept == "nothing was to be written"
    assert result(aava("preflight", "--only", "env", "--json"))["gpu_available"] is None
    assert ((project / ".env").read_bytes(), [*(project / ".aava").iterdir()]) == (before, [])
    (project / ".env").write_text("A: b\n")
    assert ".env:1: expected" in result(aava(*words))["gpu_available"]["kept"]
    (project / ".env").unlink()
    assert "there is no" in result(aava(*words))["gpu_available"]["kept"]
    assert not (project / ".env").exists()


def test_another_command_at_work_is_not_disturbed(aava: Aava, project: Path) -> None:
    """Its name is the reason; the host is judged nevertheless."""
    before = (project / ".env").read_bytes()
    with exclusive_lock(project / ".aava/lock", command="aava switch --llm x"):
        ran = aava("preflight", "--only", "gpu,env", "--json")
    note = result(ran)["gpu_available"]
    assert (ran.exit_code, note["written"]) == (0, False)
    assert "`aava switch --llm x`" in note["kept"]
    assert (project / ".env").read_bytes() == before


def interrupt(project: Path) -> None:
    """Leave the journal of a change that never ended."""
    Journal(project / ".aava").write(Record("aava switch", 0.0, 1), ())


def test_a_change_that_waits_for_recovery_is_not_disturbed(aava: Aava, project: Path) -> None:
    """It is a failure of its own, with the command that ends it."""
    interrupt(project)
    before = (project / ".env").read_bytes()
    answer = result(aava("preflight", "--only", "gpu,recovery", "--json"))
    item = next(each for each in answer["items"] if each["name"] == "recovery")
    assert (item["status"], item["command"]) == ("fail", "aava recover")
    assert "was interrupted" in answer["gpu_available"]["kept"]
    assert (project / ".env").read_bytes() == before


def test_a_folder_of_somebody_else_is_told(aava: Aava, project: Path) -> None:
    """Where the state folder cannot be made, nothing is written."""
    (project / ".aava").rmdir()
    (project / ".aava").touch()
    before = (project / ".env").read_bytes()
    note = result(aava("preflight", "--only", "gpu", "--json"))["gpu_available"]
    assert (note["written"], bool(note["kept"])) == (False, True)
    assert (project / ".env").read_bytes() == before


def test_undo_takes_back_what_a_person_did_and_not_what_was_noted(
    aava: Aava, project: Path
) -> None:
    """The history tells of both."""
    env = project / ".env"
    env.write_text(env.read_text().replace("127.0.0.1", "0.0.0.0"))  # noqa: S104 - written
    before = env.read_text()
    assert aava("preflight", "--fix", "--yes", "--only", "access").exit_code == 0
    aava("preflight", "--only", "gpu")
    entries = json.loads(aava("history", "--json").stdout)["result"]["entries"]
    told = [(each["number"], each["outcome"]) for each in entries]
    assert told == [(None, "noted"), (1, "committed")]
    assert aava("undo", "--offline").exit_code == 0
    assert env.read_text() == f"{before}\n# added by aava\nGPU_AVAILABLE=false\n"


def test_repairs_are_shown_and_nothing_is_done(aava: Aava, project: Path) -> None:
    """`--dry-run` writes nothing at all."""
    before = (project / ".env").read_bytes()
    ran = aava("preflight", "--fix", "--dry-run", "--json", "--only", "owners,gpu")
    repairs = result(ran)["repairs"]
    assert {each["status"] for each in repairs} == {"planned"}
    assert [each["command"].split()[-1] for each in repairs] == [
        f"{project}/models/kroko",
        f"{project}/models/vad",
    ]
    assert (project / ".env").read_bytes() == before
    assert list((project / ".aava").iterdir()) == []


def test_repairs_are_made_one_by_one_and_once(aava: Aava, project: Path) -> None:
    """What was wrong is right in the same answer, and nothing is left for the next run."""
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    (project / ".env").rename(project / ".env.example")
    (project / ".env").unlink(missing_ok=True)
    words = ("preflight", "--fix", "--yes", "--only", "owners,env", "--json")
    answer = result(aava(*words))
    assert {each["status"] for each in answer["repairs"]} == {"done"}
    if os.geteuid() in (0, 1000):
        # Others cannot let the containers' user in.
        assert {each["status"] for each in answer["items"]} == {"pass"}
    assert (project / "data").is_dir()
    assert (project / ".env").read_bytes() == (project / ".env.example").read_bytes()
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert result(aava(*words))["repairs"] == []
    history = json.loads(aava("history", "--json").stdout)["result"]["entries"]
    assert len(history) == len(answer["repairs"])
    assert {each["outcome"] for each in history} == {"repaired"}


def test_layers_go_to_the_gpu(aava: Aava, tmp_path: Path) -> None:
    """And come back from it with `aava undo`."""
    host = replace(NATIVE, env={})
    ran = run_on(host, tmp_path / "gpu", *FIX, "gpu-layers", "--no-write")
    (repair,) = result(ran)["repairs"]
    assert (repair["message"], repair["status"]) == (
        "set LOCAL_LLM_GPU_LAYERS in `.env` to -1",
        "done",
    )
    (item,) = result(ran)["items"]
    assert (item["name"], item["status"]) == ("gpu-layers", "pass")
    env = tmp_path / "gpu/project/.env"
    assert "LOCAL_LLM_GPU_LAYERS=-1\n" in env.read_text()
    assert aava("--project", str(env.parent), "undo", "--offline").exit_code == 0
    assert "LAYERS" not in env.read_text()


def test_a_token_is_made_up_and_shown_to_nobody(aava: Aava, project: Path) -> None:
    """64 hexadecimal digits, in `.env` alone."""
    env = project / ".env"
    env.write_text(env.read_text().replace("127.0.0.1", "0.0.0.0"))  # noqa: S104 - written
    ran = aava("preflight", "--fix", "--yes", "--only", "access", "--events")
    token = env.read_text().split("LOCAL_WS_AUTH_TOKEN=")[1].splitlines()[0]
    assert (len(token), int(token, 16) > 0, ran.exit_code) == (64, True, 0)
    shown = ran.stdout + ran.stderr + aava("history").stdout
    assert token not in shown
    kept = list((project / ".aava/backups").iterdir())
    assert [path.read_text().count("TOKEN") for path in kept] == [0]


def test_a_repair_that_fails_does_not_keep_the_others(aava: Aava, project: Path) -> None:
    """It was taken back, which is exit code 3; it names no file that only the program knows."""
    env = project / ".env"
    env.rename(project / ".env.example")
    env.symlink_to(project / "nowhere/env")
    words = ("preflight", "--fix", "--yes", "--only", "owners,env")
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    ran = aava(*words, "--json")
    *others, last = result(ran)["repairs"]
    assert {each["status"] for each in others} == {"done"}
    assert (project / "models/vad").is_dir()
    assert (last["status"], last["is_rolled_back"]) == ("failed", True)
    assert last["problem"] == "No such file or directory; the old state is back"
    error = json.loads(ran.stdout)["error"]
    assert (ran.exit_code, error["exit"]) == (3, 3)
    assert error["message"].startswith(f"a repair failed: make {env} from .env.example: No such")
    again = aava(*words)
    assert "failed  make " in again.stdout
    assert (again.exit_code, "do it by hand: `install -m 600" in again.stderr) == (3, True)


def test_a_repair_that_was_refused_is_exit_code_1() -> None:
    """Nothing was changed; that comes before a check that fails."""
    repairs = (
        Repaired("make-env", "make .env", "cp", "done"),
        Repaired("make-folder", "make x", "mkdir x", "failed", "it is there by now"),
    )
    items = (Item("env", "project", "fail", "broken"),)
    failure = replace(Preflighted.of(items), repairs=repairs).failure()
    assert failure is not None
    assert (failure.exit_code, failure.message, failure.hint) == (
        1,
        "a repair failed: make x: it is there by now",
        "do it by hand: `mkdir x`",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_the_target_of_a_planted_link_is_not_given_away(
    aava: Aava, project: Path, tmp_path: Path
) -> None:
    """Whoever may write to the project gains nothing by root's repairs."""
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (project / "data").symlink_to(victim)
    answer = result(aava("preflight", "--fix", "--yes", "--json", "--only", "owners"))
    assert (victim.stat().st_uid, stat.S_IMODE(victim.stat().st_mode)) == (0, 0o700)
    assert not [each for each in answer["repairs"] if "data" in each["message"]]
    (item,) = answer["items"]
    assert f"{project}/data, a link to {victim}," in item["message"]


def test_what_another_program_sets_in_the_meantime_stays(project: Path) -> None:
    """It may know better than what was seen before."""
    env = project / ".env"
    env.write_text("GPU_AVAILABLE=false\n")
    seen = replace(FACTS, env_file=read_env_file(env))
    env.write_text("GPU_AVAILABLE=maybe\n")
    note = note_gpu(Session({"project": str(project)}, Output()), seen, write=True)
    assert note is not None
    assert (note.written, note.kept) == (
        False,
        "another program has set `GPU_AVAILABLE` in the meantime",
    )
    assert env.read_text() == "GPU_AVAILABLE=maybe\n"


def test_a_journal_that_is_garbage_is_a_failure(aava: Aava, project: Path) -> None:
    """Every change is refused until somebody looks at it."""
    (project / ".aava/journal.json").write_text("garbage\n")
    ran = aava("preflight", "--only", "recovery")
    assert (ran.exit_code, "is not a journal that this version" in ran.stdout) == (9, True)


def test_what_a_file_says_does_not_reach_the_terminal_as_a_command(
    aava: Aava, project: Path
) -> None:
    """A value may hold the start of one."""
    (project / ".env").write_text("LOCAL_LLM_CONTEXT=4\x1b[2Jk\n")
    ran = aava("preflight", "--only", "numbers")
    assert "`4\\x1b[2Jk`" in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_repair_that_is_done_by_now_is_not_done_again(project: Path) -> None:
    """Somebody else was quicker."""
    session = Session({"project": str(project)}, Output())
    env = project / ".env"
    env.write_text("LOCAL_WS_AUTH_TOKEN=x\nLOCAL_LLM_GPU_LAYERS=-1\n")
    stale = (
        MissingFolder(project / "models/llm", 0o755, None),
        MissingEnvFile(env, project / ".env.example"),
        MissingValue("LOCAL_WS_AUTH_TOKEN", None),
        MissingValue("LOCAL_LLM_GPU_LAYERS", "-1"),
    )
    assert [apply_repair(session, each) for each in stale] == [False] * 4
    assert list((project / ".aava").iterdir()) == []


def test_without_room_the_old_env_file_stays(project: Path) -> None:
    """Nothing is half written, and the reason is told."""
    small = project / "small"
    small.mkdir()
    (project / ".env").unlink()
    (project / ".env").symlink_to(small / "env")
    program = f"{sys.executable} -m aava_cli --project {project} preflight --json --only gpu"
    # One page, which `.env` takes.
    script = f"mount -t tmpfs -o size=4k none {small} && echo A=1 >{small}/env && {program}"
    inside = in_namespace(("sh", "-c", f"{script}; cat {small}/env >&2"))
    if inside is None:
        pytest.skip("`unshare -m` is not permitted here, so nothing can be mounted")
    done = subprocess.run(inside, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    note = json.loads(done.stdout)["result"]["gpu_available"]
    assert (note["written"], "No space left" in note["kept"]) == (False, True)
    assert done.stderr == "A=1\n"


def test_repairs_wait_for_nobody(aava: Aava, project: Path) -> None:
    """Another command's work, or one that waits for recovery, comes first."""
    words = ("preflight", "--fix", "--yes", "--only", "owners")
    with exclusive_lock(project / ".aava/lock", command="aava switch"):
        assert aava(*words).exit_code == 5
    interrupt(project)
    assert aava(*words).exit_code == 4
    assert not (project / "models/vad").exists()


def test_nobody_is_asked_where_nobody_can_answer(aava: Aava, project: Path) -> None:
    """A script says `--yes`; a host that needs no repair needs no answer."""
    ran = aava("preflight", "--fix", "--only", "owners")
    assert (ran.exit_code, "add `--yes`" in ran.stderr) == (2, True)
    assert not (project / "models/vad").exists()
    assert aava("preflight", "--fix", "--only", "python").exit_code == 0


@pytest.mark.parametrize("option", ["--yes", "--dry-run"])
def test_options_of_repairs_need_them(aava: Aava, option: str) -> None:
    """Somebody forgot `--fix`."""
    ran = aava("preflight", option)
    assert (ran.exit_code, "add `--fix`" in ran.stderr) == (2, True)


@pytest.mark.parametrize(("answer", "made"), [(b"y\n", True), (b"n\n", False)])
def test_a_person_is_shown_the_repairs_and_asked(
    project: Path, answer: bytes, *, made: bool
) -> None:
    """Whoever says no gets the report alone."""
    leader, follower = pty.openpty()
    command = (sys.executable, "-m", "aava_cli", "--project", str(project))
    words = ("preflight", "--fix", "--only", "owners")
    with subprocess.Popen(
        (*command, *words), stdin=follower, stderr=follower, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as process:
        os.close(follower)
        said = b""
        while b"make these repairs?" not in said:
            said += os.read(leader, 4096)
        os.write(leader, answer)
        stdout, _ = process.communicate(timeout=60)
    os.close(leader)
    assert (f"$ install -d -m 755 {project}/models/vad".encode() in said, process.returncode) == (
        True,
        0,
    )
    assert (project / "models/vad").exists() is made
    assert (b"done    make" in stdout, b"planned make" in stdout) == (made, not made)
