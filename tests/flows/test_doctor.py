"""What is wrong, and a report of it in which no secret is, wherever one was planted."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from aava_cli.app import main
from aava_cli.docker.argv import SERVICE
from aava_cli.docker.health import wait_until_well
from aava_cli.files import exclusive_lock
from aava_cli.flows.doctor.tails import read_tail, tail_of
from aava_cli.jobs.store import new_folder, record
from aava_cli.journal import Journal, Record
from aava_cli.processes import this_process
from aava_cli.settings import Settings
from aava_cli.steps import WriteFile
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Aava
    from tests.docker_fixture import ComposeProject


@dataclass(slots=True)
class Planted:
    """Secrets by the place that they were put into; each is like no other word."""

    secrets: dict[str, str] = field(default_factory=dict)

    def new(self, place: str, *, odd: bool = False) -> str:
        """Return a new secret for *place*; an *odd* one has letters that are quoted and escaped."""
        end = '/+ $é"x' if odd else ""
        self.secrets[place] = f"s3cr3t{len(self.secrets):02}q{place[::-1]}{end}"
        return self.secrets[place]


def members_of(bundle: Path) -> dict[str, bytes]:
    """Return the files of *bundle* by their name below its one folder."""
    with tarfile.open(bundle, "r:gz") as archive:
        found = {}
        for info in archive:
            file = archive.extractfile(info)
            assert file is not None
            found[info.name.removeprefix("aava-doctor/")] = file.read()
    return found


def written(secret: str) -> set[bytes]:
    """Return how programs write *secret*."""
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {secret.encode().hex(), secret.replace("$", "$$")}
    return {form.encode() for form in forms}


def decoded(data: bytes) -> Iterator[bytes]:
    """Yield what every word of *data* that may be base64 stands for, wherever it was cut."""
    for word in re.findall(rb"[A-Za-z0-9+/_-]{8,}", data):
        for start in range(4):
            part = word[start:].translate(bytes.maketrans(b"-_", b"+/"))
            try:
                yield base64.b64decode(part[: len(part) // 4 * 4])
            except binascii.Error:
                continue


def leaks(bundle: Path, planted: Planted) -> list[tuple[str, str]]:
    """Return the place of each secret that is in *bundle*, and the file that has it."""
    found = []
    for name, data in members_of(bundle).items():
        texts = (data, *decoded(data))
        for place, secret in planted.secrets.items():
            # A part of a secret is one, too.
            forms = written(secret) | {secret[:12].encode()}
            if any(form in text for text in texts for form in forms):
                found.append((place, name))
    return found


def make_job(project: Path, kind: str, command: tuple[str, ...], *lines: str) -> Path:
    """Write a job that has ended badly and said *lines*, and return its folder."""
    folder = new_folder(Settings(project, project / "models"), kind)
    record(folder, command, this_process())
    (folder / "log").write_text("".join(f"{line}\n" for line in lines))
    (folder / "exit").write_text("6\n")
    return folder


def plant_in_files(project: Path, home: Path, planted: Planted) -> None:
    """Put secrets into every file that may have one."""
    new = planted.new
    with (project / ".env").open("a") as file:
        file.write(f"LOCAL_WS_AUTH_TOKEN='{new('env', odd=True)}'\nMODE=full\n")
        file.write(f"# OLD_API_KEY={new('env-comment')}\n")
        file.write(f'TLS_KEY="{new("env-line-1")}\n{new("env-line-2")}"\n')
        file.write(f"KROKO_URL=wss://me:{new('env-url')}@host.example/x\n")
    yaml = f"providers:\n  kroko:\n    api_key: {new('overlay')}\n    mode: cloudy\n"
    (project / "config/ai-agent.local.yaml").write_text(yaml)
    yaml = f"asterisk:\n  credentials:\n    - user: x\n      word: {new('base')}\n"
    (project / "config/ai-agent.yaml").write_text(yaml)
    source = f"https://me:{new('catalog-user')}@host.example/a.gguf?X-Sig={new('catalog-query')}"
    (project / "config/catalog.local.toml").write_text(
        f"[models.own]\nbackend = 'llama'\npath = 'llm/a.gguf'\n"
        f"files = [{{ path = 'llm/a.gguf', sources = ['{source}'] }}]\n"
    )
    (home / ".netrc").write_text(f"machine h login me password {new('netrc')}\n")
    (home / ".npmrc").write_text(f"//host.example/:_authToken={new('npmrc')}\n")
    (home / ".docker").mkdir()
    auth = base64.b64encode(f"me:{new('docker')}".encode()).decode()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {"h": {"auth": auth}}}))
    hub = home / "cache/huggingface"
    hub.mkdir(parents=True)
    (hub / "token").write_text(new("hub-token"))
    (hub / "stored_tokens").write_text(f"[work]\nhf_token = {new('hub-stored')}\n")


def plant_in_deployment(project: Path, planted: Planted) -> None:
    """Put secrets where Compose, the repository and mounted files have them."""
    new = planted.new
    compose = (
        f"services:\n  db:\n    environment:\n      PGPASSWORD: {new('compose-map')}\n"
        f"      API_KEY: ${{API_KEY:-{new('compose-default')}}}\n"
        f'  cache:\n    environment:\n      - "CACHE_PASS={new("compose-list")} x"\n'
    )
    (project / "other.yml").write_text(compose)
    (project / "docker-compose.override.yml").write_text(
        f"services:\n  db:\n    environment:\n    - ADMINPASSWORD={new('override')}\n"
    )
    (project / ".env.example").write_text(f"SMTPPASSWORD={new('env-example')}\n")
    (project / ".git").mkdir()
    (project / ".git/config").write_text(
        f'[remote "origin"]\n\turl = https://me:{new("git-remote")}@host.example/x\n'
        f'[http]\n\textraHeader = "Authorization: Basic {new("git-header")}"\n'
    )
    (project / "secrets").mkdir()
    account = {"client_email": "x", "private_key": new("account-key")}
    (project / "secrets/account.json").write_text(json.dumps(account))
    (project / "secrets/plain").write_text(f"{new('secret-file')}\n")


def plant_in_changes(project: Path, planted: Planted) -> None:
    """Put secrets of before into a change that was made, and one that was interrupted."""
    journal, path = Journal(project / ".aava"), project / ".env"
    now = path.read_bytes()
    for place in ("history", "journal"):
        old = f"LOCAL_WS_AUTH_TOKEN={planted.new(place)}\n".encode() + now
        step = WriteFile.change(path, old, now)
        journal.write(Record(f"aava switch --x {place}", time.time(), 1, 1, 1), (step,))
        if place == "history":
            journal.close("committed")


def plant_in_jobs(project: Path, planted: Planted) -> None:
    """Put what was planted so far into logs, as programs write it, and secrets nobody knows."""
    known = [
        text
        for secret in planted.secrets.values()
        for text in (
            *(form.decode() for form in written(secret)),
            base64.b64encode(f"ab:{secret}".encode()).decode(),
        )
    ]
    new = planted.new
    unknown = [
        f"GET https://host.example/x?Signature={new('log-query')}&Expires=1",
        f"> Authorization: Bearer {new('log-header')}",
        f"> Authorization: Basic {base64.b64encode(new('log-basic').encode()).decode()}",
        f"curl --token {new('log-option')} ftp://me:{new('log-url')}@host.example",
        f'config {{"a": 1, "api_key": "{new("log-json")}"}}',
        f"-----BEGIN PRIVATE KEY-----\n{new('log-pem')}\n-----END PRIVATE KEY-----",
    ]
    event = {"event": "log", "level": "info", "message": "", "fields": {"token": new("log-event")}}
    events = [json.dumps({**event, "message": line}) for line in (*known, *unknown)]
    command = ("aava", "models", "pull", f"https://me:{new('job-command')}@host.example/x")
    folder = make_job(project, "rebuild", command, *events, "a line of the log")
    (folder / "build.log").write_text("\n".join((*known, *unknown, "the last step")))


def plant_in_environment(monkeypatch: pytest.MonkeyPatch, planted: Planted) -> None:
    """Put secrets into this process's environment."""
    for name in ("HF_TOKEN", "NPM_TOKEN", "REGISTRY_PASSWORD"):
        monkeypatch.setenv(name, planted.new(name, odd=True))
    for name in ("PIP_INDEX_URL", "ftp_proxy"):
        monkeypatch.setenv(name, f"https://me:{planted.new(name)}@host.example/x")
    monkeypatch.setenv("https_proxy", f"me:{planted.new('proxy')}@127.0.0.1:1")


@pytest.fixture
def planted(project: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    """Plant a secret in every place of a project, a home and an environment."""
    made = Planted()
    plant_in_environment(monkeypatch, made)
    plant_in_files(project, own_home, made)
    plant_in_deployment(project, made)
    plant_in_changes(project, made)
    plant_in_jobs(project, made)
    # Nobody can know what it is where else it is seen; its own value is not shown.
    monkeypatch.setenv("UNRELATED", made.new("unrelated"))
    words = (
        "aava_cli",
        "--token",
        made.new("argv"),
        f"https://host.example/?t={made.new('argv-url')}",
    )
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *words])
    yield made
    process.kill()
    process.wait()


def test_no_secret_is_in_a_bundle(aava: Aava, planted: Planted, tmp_path: Path) -> None:
    """Every byte of it is looked at; what is no secret is there."""
    bundle = tmp_path / "report.tar.gz"
    ran = aava("doctor", "--bundle", str(bundle))
    assert 0 == ran.exit_code, ran.stderr
    assert [] == leaks(bundle, planted)
    members = members_of(bundle)
    for name, expected in (
        ("config/env.json", b'"MODE": "full"'),
        ("config/engine.json", b"cloudy"),
        ("config/catalogs.json", b"llm/a.gguf"),
        ("history.json", b"aava switch --x history"),
        ("journal.json", b"aava switch --x journal"),
        ("jobs/rebuild-1/log", b"a line of the log"),
        ("jobs/rebuild-1/build.log", b"the last step"),
        ("jobs/rebuild-1/job.json", b"host.example/x"),
        ("processes.json", b"time.sleep"),
        ("environment.json", b'"HOME"'),
        ("versions.json", b'"typer"'),
        ("disk.json", b'"journal.json"'),
        ("summary.txt", b"run `aava recover`"),
    ):
        assert expected in members[name], name
    for text in (ran.stdout, ran.stderr, aava("doctor", "--json").stdout):
        assert not [each for each in planted.secrets.values() if each in text]


def test_what_is_searched_would_be_found(tmp_path: Path) -> None:
    """The search can fail: a secret is found in each of its forms."""
    planted = Planted()
    secret = planted.new("here", odd=True)
    encoded = base64.b64encode(f"xy{secret}z".encode()).decode()
    for text in (secret, quote(secret), f"[{encoded}]", json.dumps(secret), secret[:14]):
        (tmp_path / "a.txt").write_text(text)
        with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "a.txt", "aava-doctor/a.txt")
        assert [("here", "a.txt")] == leaks(tmp_path / "b.tar.gz", planted)


def test_container_is_in_the_bundle_without_its_secrets(
    shell_project: ComposeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its state, its environment, and the end of what it printed."""
    planted = Planted()
    bundle = tmp_path / "report.tar.gz"
    words = ("--project", str(shell_project.folder), "doctor", "--bundle", str(bundle))
    assert 0 == main(words)
    assert b"has no container here" in members_of(bundle)["container/log.txt"]
    program = shell_project.folder / "local_ai_server/main.sh"
    header = f"echo 'Authorization: Bearer {planted.new('header')}'\n"
    program.write_text(f'echo "token $LOCAL_WS_AUTH_TOKEN"\n{header}{program.read_text()}')
    token = planted.new("container", odd=True)
    shell_project.write_env(MODE="well", LOCAL_WS_AUTH_TOKEN=f"'{token}'")
    shell_project.build()
    shell_project.up()
    container = wait_until_well(shell_project.name, SERVICE, timeout_s=60)
    ran = Ran(main(words), *capsys.readouterr())
    assert (0, []) == (ran.exit_code, leaks(bundle, planted)), ran.stderr
    members = members_of(bundle)
    assert b"mode is well" in members["container/log.txt"]
    assert b'"MODE": "well"' in members["container/state.json"]
    assert container.id.encode() in members["container/state.json"]
    assert shell_project.image.encode() in members["config/compose.json"]


def test_bundle_is_private_and_replaces_nothing_but_a_bundle(aava: Aava, tmp_path: Path) -> None:
    """Somebody else's file stays, unless that is forced."""
    bundle = tmp_path / "report.tar.gz"
    bundle.write_bytes(b"mine")
    ran = aava("doctor", "--bundle", str(bundle))
    assert (2, b"mine") == (ran.exit_code, bundle.read_bytes())
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(bundle, "mine")
    assert 2 == aava("doctor", "--bundle", str(tmp_path / "other.tar.gz")).exit_code
    assert 0 == aava("doctor", "--bundle", str(bundle), "--force").exit_code
    names = list(members_of(bundle))
    ran = aava("doctor", "--bundle", str(bundle), "--json")
    assert (0, 0o600) == (ran.exit_code, bundle.stat().st_mode & 0o777), ran.stderr
    result = json.loads(ran.stdout)["result"]
    assert names == list(members_of(bundle)) == ["manifest.json", *_names(result)]
    assert bundle.stat().st_size == result["size_bytes"]
    assert _names(result) == _names(json.loads(members_of(bundle)["manifest.json"]))
    for place in (tmp_path, tmp_path / "none" / "report.tar.gz"):
        assert 2 == aava("doctor", "--bundle", str(place)).exit_code
    assert ["other.tar.gz", "project", "report.tar.gz"] == sorted(
        p.name for p in tmp_path.iterdir()
    )


def _names(result: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["name"] for each in result["members"]]


def test_place_that_cannot_be_written(aava: Aava) -> None:
    """The kernel's own files take no bundle."""
    ran = aava("doctor", "--bundle", "/proc/report.tar.gz")
    assert (1, True) == (ran.exit_code, "cannot be written" in ran.stderr)


def test_what_cannot_be_found_out_is_said_and_ends_nothing(
    project: Path, aava: Aava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken files of every kind are what a report is made for."""
    (project / ".env").write_text("LOCAL_WS_AUTH_TOKEN='hushhush\n")
    (project / "config/ai-agent.local.yaml").write_text("a: [\n")
    (project / "config/catalog.local.toml").write_text("[models\n")
    (project / ".aava/journal.json").write_text("{}[")
    monkeypatch.setenv("NETRC", "x" * 5000)
    (project / ".aava/history").mkdir()
    (project / ".aava/history/20260101T000000.0-committed.json").write_text("[]")
    bundle = tmp_path / "report.tar.gz"
    ran = aava("doctor", "--bundle", str(bundle))
    assert 0 == ran.exit_code, ran.stderr
    members = members_of(bundle)
    for name in ("config/env.json", "config/engine.json", "config/catalogs.json", "journal.json"):
        assert members[name].startswith(b"not known: "), name
        assert f"not known  {name}: " in ran.stdout
    assert b"hushhush" not in b"".join(members.values())


DEAD_ENGINE = """#!/bin/sh
echo "$*" >>"$0.asked"
[ "$1" = --version ] && exec echo "Docker version 27.0.0"
echo "Cannot connect to the Docker daemon" >&2
exit 1
"""


def test_engine_that_does_not_answer_is_asked_once(
    project: Path, aava: Aava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part that needs it says why it has nothing to say, without waiting for it again."""
    compose = "services:\n  local_ai_server:\n    image: x\n"
    (project / "docker-compose.yml").write_text(compose)
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DEAD_ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    bundle = tmp_path / "report.tar.gz"
    assert 0 == aava("doctor", "--bundle", str(bundle)).exit_code
    members = members_of(bundle)
    for name in ("config/compose.json", "container/state.json", "container/log.txt"):
        assert members[name].startswith(b"not known: "), name
    asked = program.with_name("docker.asked").read_text().splitlines()
    assert 1 == asked.count("--version")


def test_summary_tells_the_worst_first_with_the_next_command(project: Path, aava: Aava) -> None:
    """A daemon that is down fails; a job that failed is worth a look until one went well."""
    make_job(project, "pull", ("aava", "models", "pull", "starter"))
    ran = aava("doctor")
    lines = ran.stdout.splitlines()
    severities = [line.partition(" ")[0] for line in lines if not line.startswith("next")]
    assert (9, sorted(severities)) == (ran.exit_code, severities)
    assert "next  run `aava jobs logs pull-1`" in lines
    assert "run `aava status`" not in ran.stderr
    assert "warn  `aava models pull starter` in the background: failed" in lines
    (make_job(project, "pull", ("aava",)) / "exit").write_text("0\n")
    ran = aava("doctor", "--json")
    answer = json.loads(ran.stdout)
    assert (9, "check-failed") == (ran.exit_code, answer["error"]["code"])
    assert not [each for each in answer["result"]["wrong"] if "jobs logs" in each["next"]]
    assert {"severity", "what", "next"} == set(answer["result"]["wrong"][0])


def test_interrupted_change_comes_before_the_daemon(project: Path, aava: Aava) -> None:
    """Nothing else is worth doing before recovery; who is at work is no failure of that kind."""
    path = project / ".env"
    step = WriteFile.change(path, path.read_bytes(), b"A=1\n")
    Journal(project / ".aava").write(Record("aava switch", time.time(), 1), (step,))
    assert "run `aava recover`" in aava("doctor").stderr
    with exclusive_lock(project / ".aava/lock", command="aava switch"):
        assert "run `aava recover`" not in aava("doctor").stderr


# Root may read everything as long as it has these rights.
_WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def run_without_rights(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `aava` with *words* as somebody who may not read what its mode forbids."""
    before = _WITHOUT_RIGHTS if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        pytest.skip("`setpriv` is missing here")
    return subprocess.run(
        (*before, sys.executable, "-m", "aava_cli", "--project", str(project), *words),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.usefixtures("own_home")
def test_files_that_may_not_be_read_end_nothing(project: Path, tmp_path: Path) -> None:
    """What cannot be known is said, and what can be is told."""
    compose = "services:\n  local_ai_server:\n    environment:\n      A_TOKEN: hushhush\n"
    (project / "docker-compose.yml").write_text(compose)
    closed = (project / ".env", project / ".aava")
    modes = [each.stat().st_mode for each in closed]
    for each in closed:
        each.chmod(0)
    bundle = tmp_path / "report.tar.gz"
    try:
        ran = [run_without_rights(project, *words) for words in (("doctor",), ("preflight",))]
        made = run_without_rights(project, "doctor", "--bundle", str(bundle))
    finally:
        for each, mode in zip(closed, modes, strict=True):
            each.chmod(mode)
    assert ([9, 9], 0) == ([each.returncode for each in ran], made.returncode), made.stderr
    assert all(f"{closed[0]}` cannot be read" in each.stdout for each in (*ran, made))
    members = members_of(bundle)
    for name in ("config/env.json", "jobs.txt"):
        assert members[name].startswith(b"not known: "), name


def test_links_and_strangers_in_jobs_are_not_packed(
    project: Path, aava: Aava, tmp_path: Path
) -> None:
    """Whoever may write there could have a file of root in a report otherwise."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("log", "shadow"):
        (other / name).write_text("not yours")
    folder = make_job(project, "pull", ("aava",), "a line")
    (folder / "log").unlink()
    (folder / "log").symlink_to(other / "log")
    os.mkfifo(folder / "build.log")
    for name in ("shadow", "hf_a_name_that_is_a_secret"):
        (folder / name).symlink_to(other / "shadow")
    (project / ".aava/jobs/pull-9").symlink_to(other)
    bundle = tmp_path / "report.tar.gz"
    assert 0 == aava("doctor", "--bundle", str(bundle)).exit_code
    members = members_of(bundle)
    assert ["build.log", "exit", "job.json", "log"] == [
        name.removeprefix("jobs/pull-1/") for name in members if name.startswith("jobs/")
    ]
    assert not [name for name, data in members.items() if b"not yours" in data]
    for name in ("build.log", "log"):
        assert members[f"jobs/pull-1/{name}"].startswith(b"not known: OSError"), name


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_only_files_of_this_user_are_replaced(
    aava: Aava, tmp_path: Path, force: tuple[str, ...]
) -> None:
    """A pipe would be waited for, a device or the end of a link lost."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    (tmp_path / "socket").symlink_to("/dev/full")
    for name in ("pipe", "link", "dangling", "socket"):
        ran = aava("doctor", "--bundle", str(tmp_path / name), *force)
        assert (2, True) == (ran.exit_code, "cannot be replaced" in ran.stderr), name
    ran = aava("doctor", "--bundle", "/dev/full", *force)
    assert (2, True) == (ran.exit_code, "cannot be replaced" in ran.stderr)
    assert "mine" == (tmp_path / "precious").read_text()
    assert not (tmp_path / "none").exists()
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_bundle_of_another_user_is_not_replaced(aava: Aava, tmp_path: Path) -> None:
    """It would stay his, and he would read what root found; in his own folder it is for him."""
    bundle = tmp_path / "report.tar.gz"
    assert 0 == aava("doctor", "--bundle", str(bundle)).exit_code
    os.chown(bundle, 65534, 65534)
    assert 2 == aava("doctor", "--bundle", str(bundle), "--force").exit_code
    os.chown(tmp_path, 65534, 65534)
    assert 0 == aava("doctor", "--bundle", str(bundle)).exit_code


def test_tail_begins_with_a_whole_line(tmp_path: Path) -> None:
    """Of a line that is cut nothing is shown: it might have begun within a secret."""
    path = tmp_path / "log"
    path.write_text("first line\nsecond\nthird\n")
    assert "[11 bytes before this are left out]\nsecond\nthird\n" == read_tail(path, limit=15)
    assert "first line\nsecond\nthird\n" == read_tail(path, limit=24) == tail_of(path.read_text())
    assert "[24 bytes before this are left out]\n" == tail_of("x" * 24, limit=9)
