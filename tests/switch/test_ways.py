"""The options of a switch that make it wait, prove, pull, or touch files alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon_fixture import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Aava, Ran
    from tests.switch.conftest import Project

BASE = """\
default_provider: local
active_pipeline: null
providers:
  local: {type: full, ws_url: "ws://127.0.0.1:8765"}
  cloud: {api_key: "${CLOUD_API_KEY}"}
pipelines:
  hybrid: {stt: local, llm: local, tts: local}
"""


@pytest.fixture
def switch(aava: Aava, served: Project) -> Aava:
    """Run `aava switch` on the served project."""

    def run(*words: str) -> Ran:
        return aava("switch", "--models-dir", str(served.models), *words)

    return run


@contextmanager
def engine(served: Project, answers: dict[str, list[Any]]) -> Iterator[list[str]]:
    """Run an engine's health server; its *answers* by path are taken in turn, the last for ever."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            left = answers.get(self.path, [])
            answer = left.pop(0) if len(left) > 1 else left[0] if left else None
            self.send_response(200 if answer is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - its signature
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (served.folder / ".env").open("a", encoding="utf-8") as env:
            env.write(f"\nHEALTH_BIND_PORT={server.server_address[1]}\n")
        (served.folder / "config/ai-agent.yaml").write_text(BASE, encoding="utf-8")
        yield asked
        server.shutdown()


def calls(*counts: int) -> dict[str, list[Any]]:
    """Return answers of an engine with these numbers of calls."""
    return {"/sessions/stats": [{"active_calls": count} for count in counts]}


def test_live_call_blocks_and_is_drained(switch: Aava, served: Project) -> None:
    """Exit 5 with the number; with `--drain` it waits until it stays quiet, then switches."""
    with engine(served, calls(1)):
        ran = switch("--llm", "second")
    assert (5, True) == (ran.exit_code, "1 active call, says the engine" in ran.stderr)
    with engine(served, calls(1, 1, 0, 0, 0)):
        ran = switch("--llm", "second", "--drain", "1m")
    assert (0, "second.gguf") == (ran.exit_code, served.running()[1])


def test_call_that_begins_after_the_drain_still_blocks(switch: Aava, served: Project) -> None:
    """It is counted again just before the request."""
    with engine(served, calls(0, 0, 0, 2)):
        ran = switch("--llm", "second", "--drain", "1m")
    assert (5, "first.gguf") == (ran.exit_code, served.running()[1])


def test_force_cuts_and_says_so(switch: Aava, served: Project) -> None:
    """The operator reads what was cut."""
    with engine(served, calls(3)):
        ran = switch("--llm", "second", "--force")
    assert (0, True) == (ran.exit_code, "calls may be cut: 3 active calls" in ran.stderr)


def test_provider_and_pipeline_change_together_and_the_engine_reloads(
    switch: Aava, served: Project
) -> None:
    """Two keys of the overlay, one reload, and it is asked what it runs."""
    health = {"status": "healthy", "default_provider": "hybrid", "active_pipeline": "hybrid"}
    answers: dict[str, list[Any]] = {"/reload": [{"status": "ok"}], "/health": [health]}
    with engine(served, answers) as asked:
        ran = switch("--provider", "hybrid", "--pipeline", "hybrid", "--json")
    result = json.loads(ran.stdout)["result"]
    assert (0, "files", False) == (ran.exit_code, result["way"], result["reloaded"])
    assert ["POST /reload", "GET /health"] == asked
    overlay = served.files[1].decode()
    assert "default_provider: hybrid" in overlay
    assert "active_pipeline: hybrid" in overlay


def test_engine_that_runs_something_else_is_rolled_back(switch: Aava, served: Project) -> None:
    """The files are as before, and it has reloaded those."""
    before = served.files[1]
    answers: dict[str, list[Any]] = {"/reload": [{}], "/health": [{"default_provider": "local"}]}
    with engine(served, answers) as asked:
        ran = switch("--provider", "hybrid")
    assert (3, before) == (ran.exit_code, served.files[1])
    assert asked.count("POST /reload") == 2
    assert "runs `default_provider: local` instead of `hybrid`" in ran.stderr


def test_engine_that_refuses_to_reload_holds_nothing_up(switch: Aava, served: Project) -> None:
    """The files are as before, what the engine did not do is said, and the next switch goes on."""
    before = served.files[1]
    with engine(served, {}):
        ran = switch("--provider", "hybrid")
        again = switch("--llm", "second", "--force")
    assert (3, True) == (ran.exit_code, "the files are as before, but" in ran.stderr)
    assert (0, before) == (again.exit_code, served.files[1])


def test_engine_that_is_down_reads_it_when_it_starts(switch: Aava, served: Project) -> None:
    """That is said, and no failure."""
    (served.folder / "config/ai-agent.yaml").write_text(BASE, encoding="utf-8")
    with (served.folder / ".env").open("a", encoding="utf-8") as env:
        env.write("\nHEALTH_BIND_PORT=1\n")
    ran = switch("--pipeline", "hybrid")
    assert (0, True) == (ran.exit_code, "reads the configuration when it starts" in ran.stderr)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--provider", "cloud"), 1, "needs `CLOUD_API_KEY`"),
        (("--provider", "clod"), 10, "nearest: `cloud`"),
        (("--pipeline", "hybird"), 10, "nearest: `hybrid`"),
        (("--provider", ""), 2, "`--provider` names nothing"),
    ],
)
def test_provider_that_would_not_work_is_refused(
    switch: Aava, served: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    """Nothing is touched, and the reason is told."""
    (served.folder / "config/ai-agent.yaml").write_text(BASE, encoding="utf-8")
    before = served.files
    ran = switch(*words)
    assert (code, before) == (ran.exit_code, served.files)
    assert said in ran.stderr


def test_offline_changes_files_alone(switch: Aava, served: Project) -> None:
    """The daemon need not even run."""
    served.daemon.stop()
    ran = switch("--llm", "second", "--offline")
    assert (0, True) == (ran.exit_code, "the daemon was not asked for anything" in ran.stdout)
    assert b"/app/models/llm/second.gguf" in served.files[0]


def test_offline_leaves_the_engine_alone_too(switch: Aava, served: Project) -> None:
    """It reads the files when it likes."""
    with engine(served, {}) as asked:
        ran = switch("--provider", "hybrid", "--offline")
    assert (0, []) == (ran.exit_code, asked)
    assert b"default_provider: hybrid" in served.files[1]


def test_key_that_needs_a_new_start_is_refused_where_nobody_can_give_one(
    switch: Aava, served: Project
) -> None:
    """All or nothing: a value that would wait for a restart is not written, unless offline."""
    before = served.files
    ran = switch("--set", "llm.infer_timeout=33")
    assert (1, before) == (ran.exit_code, served.files)
    assert "takes effect only when the daemon is started again" in ran.stderr
    assert switch("--set", "llm.infer_timeout=33", "--offline").exit_code == 0
    assert b"LOCAL_LLM_INFER_TIMEOUT_SEC=33" in served.files[0]


def test_model_that_does_no_work_is_rolled_back_with_smoke(switch: Aava, served: Project) -> None:
    """It loads, and what it hears is not what was said."""
    before = served.files, served.running()
    ran = switch("--stt", "ggml-goodbye", "--smoke")
    assert (3, before) == (ran.exit_code, (served.files, served.running()))
    assert "the previous configuration is active again" in ran.stderr


def test_model_that_answers_is_kept_with_smoke(switch: Aava, served: Project) -> None:
    """A language model that says something has proven itself."""
    assert (0, "second.gguf") == (
        switch("--llm", "second", "--smoke").exit_code,
        served.running()[1],
    )


def test_model_that_is_missing_is_pulled_first(aava: Aava, served: Project) -> None:
    """One command for both; what is there already is not fetched."""
    source = served.models / "llm/second.gguf"
    catalog = served.folder / "config/catalog.local.toml"
    catalog.write_text(
        '[models.other]\nrole = "llm"\nbackend = "llama"\npath = "llm/other.gguf"\n'
        f'files = [{{ path = "llm/other.gguf", sources = ["{source.as_uri()}"] }}]\n',
        encoding="utf-8",
    )
    words = ("switch", "--models-dir", str(served.models), "--llm", "other")
    assert aava(*words).exit_code == 10
    ran = aava(*words, "--pull")
    try:
        assert (0, "other.gguf") == (ran.exit_code, served.running()[1])
    finally:
        # Other tests count on the models that there are.
        (served.models / "llm/other.gguf").unlink(missing_ok=True)


def test_two_at_once_agree_twenty_times(served: Project) -> None:
    """One wins and the other is busy, or comes after; files and daemon agree each time."""
    where = ["--project", str(served.folder), "--models-dir", str(served.models)]
    models = {"first.gguf": b"/llm/first.gguf", "second.gguf": b"/llm/second.gguf"}
    for _ in range(20):
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "aava_cli", *where, "switch", "--llm", model],
                cwd=REPOSITORY,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
            for model in ("first", "second")
        ]
        told = [each.communicate()[1] for each in both]
        codes = sorted(each.returncode for each in both)
        assert codes in ([0, 0], [0, 5]), told
        assert models[served.running()[1]] in served.files[0]
