"""The smoke command against a daemon on a real socket."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import signal
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import typer

from aava_cli.audio import Audio, mulaw_encode, read_wav
from aava_cli.backends import SYSTEM_PROMPT
from aava_cli.errors import DaemonUnreachable, NotPossible, UsageError
from aava_cli.output import Output
from aava_cli.session import Session
from aava_cli.smoke.checks import CANNED_REPLIES
from aava_cli.smoke.cli import smoke
from aava_cli.smoke.line import SPEECH_HZ
from aava_cli.smoke.plan import SENTENCE, parse_roles, plan_smoke
from aava_cli.smoke.websocket import final_transcript
from tests.daemon_fixture import UNMEASURED, start_daemon, write_env
from tests.tiny_models import write_gguf, write_piper, write_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.daemon_fixture import RunningDaemon

TONE = struct.pack("<800h", *(round(9000 * math.sin(index / 3)) for index in range(800)))
DC = struct.pack("<h", 5000) * 8000
CLICK = bytes(8000) + b"\xff\x7f" + bytes(8000)
REPEATS = "the reply repeats what the model was told, and adds nothing"
BACKEND_NAMES = {"stt": "vosk", "tts": "piper", "llm": "llama"}
STATUS = {"type": "status_response", "stt_backend": "vosk", "tts_backend": "piper"}
LOADED = {role: {"loaded": True, "path": f"/app/models/{role}"} for role in ("stt", "tts", "llm")}


def spoken(audio: bytes, encoding: str = "linear16", rate_hz: int = SPEECH_HZ) -> dict[str, Any]:
    """Return a `tts_response`."""
    return {
        "type": "tts_response",
        "audio_data": base64.b64encode(audio).decode("ascii"),
        "encoding": encoding,
        "sample_rate_hz": rate_hz,
        "byte_length": len(audio),
    }


def heard(text: str, *, is_final: bool = True, **more: str) -> dict[str, Any]:
    """Return an `stt_result`."""
    return {"type": "stt_result", "text": text, "is_final": is_final, **more}


def replied(text: str) -> dict[str, Any]:
    """Return an `llm_response`."""
    return {"type": "llm_response", "text": text}


@dataclass
class Daemon:
    """Answers by the type of the request, one answer after the other; `None` hangs up."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any] | None]] = field(
        default_factory=lambda: {
            "status": [STATUS | {"models": LOADED}],
            "tts_request": [spoken(TONE)],
            "audio": [heard(SENTENCE)],
            "llm_request": [replied("It is Paris.")],
        }
    )

    def serve(self, connection: ServerConnection) -> None:
        """Answer one client until it leaves."""
        for frame in connection:
            message = json.loads(frame)
            self.asked.append(message)
            answer = self.answers[message["type"]].pop(0)
            if answer is None:
                connection.close()
            else:
                connection.send(json.dumps(answer))

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return the requests of type *kind*."""
        return [message for message in self.asked if message["type"] == kind]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Return a daemon that listens, and whose models all work."""
    from websockets.sync.server import serve

    fake = Daemon()
    with serve(fake.serve, "127.0.0.1", 0) as server:
        fake.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@dataclass
class Run:
    """What a run of the command left."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed


def run(project: Path, url: str, *arguments: str, json_form: bool = False) -> Run:
    """Run `aava smoke` with *arguments*."""
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output("json" if json_form else "text", stdout=stdout, stderr=stderr)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(smoke)
    session = Session({"project": str(project), "daemon": url}, output)
    app(list(arguments), obj=session, standalone_mode=False)
    return Run(output.exit_code, stdout.getvalue(), stderr.getvalue())


def test_working_models_pass_and_the_audio_is_kept(daemon: Daemon, tmp_path: Path) -> None:
    """The answer has the sentence, the transcript, the reply and a time for each."""
    result = run(tmp_path, daemon.url)
    wav = tmp_path / ".aava" / "smoke.wav"
    assert (result.exit_code, read_wav(wav).pcm16) == (0, TONE)
    lines = result.stdout.splitlines()
    assert lines[0] == f"sentence    {SENTENCE}"
    assert lines[1].startswith(f"audio       {wav}, 0.1 s  [")
    assert lines[2].startswith(f"transcript  {SENTENCE}  [")
    assert lines[3] == "errors      0% of the words"
    assert lines[4].startswith("reply       It is Paris.  [")
    assert lines[5] == "passed      tts, stt, llm"


def test_the_models_are_asked_in_turn(daemon: Daemon, tmp_path: Path) -> None:
    """What one says is what the next gets; the audio is followed by silence."""
    daemon.answers["audio"] = [heard("hello can you tell me what a telephone")]
    run(tmp_path, daemon.url)
    (tts,), (audio,), (llm,) = (
        daemon.sent("tts_request"),
        daemon.sent("audio"),
        daemon.sent("llm_request"),
    )
    assert (tts["text"], tts["encoding"], tts["sample_rate_hz"]) == (SENTENCE, "linear16", 16000)
    assert (audio["mode"], audio["rate"]) == ("stt", 16000)
    assert base64.b64decode(audio["data"]) == TONE + bytes(32000)
    assert llm["text"] == "hello can you tell me what a telephone"


def test_json_answers_a_script(daemon: Daemon, tmp_path: Path) -> None:
    """Every fact is a field."""
    wav = tmp_path / "call.wav"
    result = run(tmp_path, daemon.url, "--save", str(wav), json_form=True).json["result"]
    assert set(result.pop("latency_ms")) == {"tts", "stt", "llm"}
    assert set(result.pop("spread_ms")) == {"tts", "stt", "llm", "total"}
    assert result == {
        "sentence": SENTENCE,
        "roles": ["tts", "stt", "llm"],
        "audio_file": str(wav),
        "audio_s": 0.05,
        "transcript": SENTENCE,
        "word_error_rate": 0.0,
        "reply": "It is Paris.",
        "rounds": 1,
        "failed_stage": None,
        "problem": None,
        "advice": None,
        "unreachable": False,
    }


def test_telephone_audio_is_decoded_and_resampled(daemon: Daemon, tmp_path: Path) -> None:
    """The original daemon speaks mu-law at 8 kHz, whatever it is asked for."""
    daemon.answers["tts_request"] = [spoken(mulaw_encode(TONE), "mulaw", 8000)]
    result = run(tmp_path, daemon.url, "--roles", "tts")
    kept = read_wav(tmp_path / ".aava" / "smoke.wav")
    assert (result.exit_code, kept.rate_hz, len(kept.pcm16)) == (0, SPEECH_HZ, 2 * len(TONE))


def test_audio_without_a_description_is_telephone_audio(daemon: Daemon, tmp_path: Path) -> None:
    """An old daemon does not say what it sends."""
    daemon.answers["tts_request"] = [
        {"type": "tts_response", "audio_data": spoken(mulaw_encode(TONE))["audio_data"]}
    ]
    run(tmp_path, daemon.url, "--roles", "tts")
    assert len(read_wav(tmp_path / ".aava" / "smoke.wav").pcm16) == 2 * len(TONE)


def test_partial_transcripts_are_waited_out(daemon: Daemon, tmp_path: Path) -> None:
    """A streaming engine answers with what it has so far; silence makes it finish."""
    daemon.answers["audio"] = [heard("please tell", is_final=False), heard(SENTENCE)]
    result = run(tmp_path, daemon.url, "--roles", "tts,stt")
    _, silence = daemon.sent("audio")
    assert (result.exit_code, base64.b64decode(silence["data"])) == (0, bytes(32000))


def test_the_language_model_alone_gets_the_sentence(daemon: Daemon, tmp_path: Path) -> None:
    """Without speech, the sentence itself is the question; no audio is kept."""
    result = run(tmp_path, daemon.url, "--roles", "llm", "--text", "Hello?")
    (llm,) = daemon.sent("llm_request")
    assert (result.exit_code, llm["text"]) == (0, "Hello?")
    assert result.stdout.splitlines()[::2] == ["sentence    Hello?", "passed      llm"]
    assert not (tmp_path / ".aava").exists()


@pytest.mark.parametrize(
    ("kind", "answer", "stage", "problem"),
    [
        ("tts_request", spoken(b""), "tts", "it answered without audio"),
        ("tts_request", {"type": "tts_response", "error": "no voice"}, "tts", "no voice"),
        ("tts_request", spoken(bytes(1600)), "tts", "the audio is silent"),
        ("tts_request", spoken(TONE, "opus"), "tts", "it answered with `opus` audio at 16000 Hz"),
        (
            "tts_request",
            {"type": "tts_response", "audio_data": "AAA"},
            "tts",
            "its audio cannot be read: Incorrect padding",
        ),
        ("tts_request", spoken(DC), "tts", "the audio is silent"),
        ("tts_request", spoken(CLICK), "tts", "the audio is a click in silence"),
        (
            "tts_request",
            spoken(TONE, rate_hz=1),
            "tts",
            "it answered with `linear16` audio at 1 Hz",
        ),
        (
            "tts_request",
            spoken(TONE) | {"sample_rate_hz": math.inf},
            "tts",
            "its audio cannot be read: cannot convert float infinity to integer",
        ),
        ("audio", heard(""), "stt", "it heard nothing"),
        ("audio", {"type": "stt_result", "text": ["x"]}, "stt", "its answer has no `text`"),
        (
            "llm_request",
            {"type": "llm_response", "text": {"a": 1}},
            "llm",
            "its answer has no `text`",
        ),
        ("llm_request", {"type": "llm_response", "text": None}, "llm", "its answer has no `text`"),
        ("llm_request", replied(SYSTEM_PROMPT), "llm", REPEATS),
        ("llm_request", replied(f"{SYSTEM_PROMPT} {SENTENCE}"), "llm", REPEATS),
        ("llm_request", replied(f"User: {SENTENCE}\nAssistant:"), "llm", REPEATS),
        ("llm_request", replied(f"<|im_start|>user\n{SENTENCE}<|im_end|>"), "llm", REPEATS),
        ("audio", heard("", error="stt_unavailable"), "stt", "stt_unavailable"),
        ("audio", heard("", error="stt_unavailable", message="no room"), "stt", "no room"),
        (
            "audio",
            {"type": "error", "message": "too long"},
            "stt",
            "the daemon refused `audio`: too long",
        ),
        ("llm_request", replied("") | {"error": "it took too long"}, "llm", "it took too long"),
        ("audio", heard("tomatoes"), "stt", "100% of the words are wrong, 50% may be"),
        ("llm_request", replied("  "), "llm", "the reply is empty"),
        ("llm_request", replied(SENTENCE.upper()), "llm", "the reply is the prompt itself"),
        (
            "llm_request",
            replied(CANNED_REPLIES[0]),
            "llm",
            "the reply is the one the daemon gives without a language model",
        ),
    ],
)
def test_a_model_that_does_not_work_fails_its_stage(
    daemon: Daemon, tmp_path: Path, kind: str, answer: dict[str, Any], stage: str, problem: str
) -> None:
    """The stage and the reason are named; nothing after it is tried."""
    daemon.answers[kind] = [answer]
    result = run(tmp_path, daemon.url)
    again = f"run `aava switch --{stage} {BACKEND_NAMES[stage]}` to load it again"
    hint = f"{again}, or see `docker compose logs local_ai_server`"
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: {stage}: {problem}\nhint:  {hint}\n",
    )
    assert daemon.asked[-1]["type"] == kind
    assert "passed" not in result.stdout


def test_what_worked_before_the_failure_is_in_the_answer(daemon: Daemon, tmp_path: Path) -> None:
    """A script sees how far the call went."""
    daemon.answers["audio"] = [heard("tomatoes")]
    answer = run(tmp_path, daemon.url, json_form=True).json
    assert (answer["ok"], answer["error"]["exit"]) == (False, 1)
    result = answer["result"]
    assert (result["transcript"], result["word_error_rate"]) == ("tomatoes", 1.0)
    assert (result["failed_stage"], result["reply"]) == ("stt", None)


def test_more_errors_may_be_allowed(daemon: Daemon, tmp_path: Path) -> None:
    """A small model on a bad line still proves that it runs."""
    daemon.answers["audio"] = [heard("tomatoes")]
    result = run(tmp_path, daemon.url, "--max-word-error-rate", "1")
    assert result.exit_code == 0


def test_a_model_that_is_not_loaded_is_named_before_anything_is_said(
    daemon: Daemon, tmp_path: Path
) -> None:
    """An empty slot looks alive on the wire, so the status is asked first."""
    models = LOADED | {"llm": {"loaded": False}}
    daemon.answers["status"] = [{"type": "status_response", "models": models}]
    result = run(tmp_path, daemon.url)
    assert result.stderr.startswith("error: llm: no model is loaded\n")
    assert [message["type"] for message in daemon.asked] == ["status"]


def test_the_reason_for_an_empty_slot_is_repeated(daemon: Daemon, tmp_path: Path) -> None:
    """The daemon knows why."""
    status = {
        "type": "status_response",
        "models": LOADED | {"tts": {"loaded": False}},
        "config": {"startup_errors": {"tts": "piper is not installed"}},
    }
    daemon.answers["status"] = [status]
    assert "error: tts: piper is not installed\n" in run(tmp_path, daemon.url).stderr


def test_a_model_on_its_way_is_worth_the_wait(daemon: Daemon, tmp_path: Path) -> None:
    """The native daemon says that it loads; the hint says what to wait for."""
    models = LOADED | {"stt": {"loaded": False}}
    loading = STATUS | {"version": "1", "models": models, "loading": ["stt"]}
    daemon.answers["status"] = [loading]
    assert run(tmp_path, daemon.url).stderr == (
        "error: stt: the model is still being loaded\n"
        "hint:  wait until `aava status` says that it is loaded, then try again\n"
    )


def test_a_daemon_of_unknown_engines_is_looked_at(daemon: Daemon, tmp_path: Path) -> None:
    """No command can be named that would load them again."""
    models = LOADED | {"stt": {"loaded": False}}
    daemon.answers["status"] = [STATUS | {"models": models, "stt_backend": "nope"}]
    hint = "hint:  run `aava status` to see what is loaded\n"
    assert run(tmp_path, daemon.url).stderr.endswith(hint)


def test_a_daemon_that_dies_at_work_fails_the_stage(daemon: Daemon, tmp_path: Path) -> None:
    """Bad model files kill the daemon with the first audio."""
    daemon.answers["audio"] = [None]
    result = run(tmp_path, daemon.url)
    assert result.exit_code == 11
    assert result.stderr.startswith("error: stt: the daemon at ws://127.0.0.1:")
    assert "hint:  start one with `aava serve`" in result.stderr


def test_a_daemon_that_dies_at_work_is_told_to_a_script(daemon: Daemon, tmp_path: Path) -> None:
    """It may come back, so it is worth another try; what worked is in the answer."""
    daemon.answers["llm_request"] = [None]
    answer = run(tmp_path, daemon.url, json_form=True).json
    error, result = answer["error"], answer["result"]
    assert (11, "daemon-unreachable", True) == (error["exit"], error["code"], error["retryable"])
    assert ("llm", True, SENTENCE) == (
        *(result["failed_stage"], result["unreachable"]),
        result["transcript"],
    )


def test_what_does_not_know_a_status_is_no_daemon(daemon: Daemon, tmp_path: Path) -> None:
    """Exit 11: there is nothing to try."""
    daemon.answers["status"] = [{"type": "error", "message": "unknown action"}]
    with pytest.raises(DaemonUnreachable, match="is not a voice daemon"):
        run(tmp_path, daemon.url)


def test_a_reply_that_adds_to_what_it_repeats_passes(daemon: Daemon, tmp_path: Path) -> None:
    """Some models repeat the question; the prompt of `.env` is known as well."""
    prompt = "Talk like a pirate."
    write_env(tmp_path, {"LOCAL_LLM_SYSTEM_PROMPT": prompt})
    daemon.answers["llm_request"] = [replied(f"{SENTENCE} It rings.")]
    assert 0 == run(tmp_path, daemon.url).exit_code
    again = Daemon()
    daemon.answers |= again.answers | {"llm_request": [replied(f"{prompt} User: {SENTENCE}")]}
    assert f"error: llm: {REPEATS}" in run(tmp_path, daemon.url).stderr


def test_half_a_character_can_be_shown(daemon: Daemon, tmp_path: Path) -> None:
    """JSON can hold one, and no terminal can."""
    daemon.answers["llm_request"] = [replied("yes \ud800")]
    result = run(tmp_path, daemon.url, json_form=True)
    assert (0, "yes ?") == (result.exit_code, result.json["result"]["reply"])
    result.stdout.encode()


def test_no_daemon_is_not_a_failed_model(tmp_path: Path) -> None:
    """There is nothing to try, and another exit code says so."""
    import socket

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DaemonUnreachable):
        run(tmp_path, f"ws://127.0.0.1:{port}")


def test_a_place_that_cannot_be_written_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    """The message names the file and the reason."""
    with pytest.raises(NotPossible, match="No such file or directory"):
        run(tmp_path, daemon.url, "--save", str(tmp_path / "missing" / "call.wav"))


@contextlib.contextmanager
def native_daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    """Run the native daemon with three tiny models for the block."""
    models = tmp_path / "models"
    write_whisper(models / "stt" / "tiny.bin", "good morning")
    write_piper(models / "tts" / "tiny.onnx")
    write_gguf(models / "llm" / "tiny.gguf", "hello there")
    selected = {
        "LOCAL_STT_BACKEND": "whisper_cpp",
        "WHISPER_CPP_MODEL_PATH": "/app/models/stt/tiny.bin",
        "LOCAL_TTS_BACKEND": "piper",
        "LOCAL_TTS_MODEL_PATH": "/app/models/tts/tiny.onnx",
        "LOCAL_LLM_MODEL_PATH": "/app/models/llm/tiny.gguf",
        "LOCAL_LLM_CONTEXT": "512",
    }
    write_env(tmp_path, selected)
    native = start_daemon(tmp_path, models, environ=UNMEASURED)
    try:
        native.wait_until_loaded()
        yield native
    finally:
        native.stop()


def test_real_engines_pass(tmp_path: Path) -> None:
    """A sentence goes through three tiny models of the native daemon."""
    with native_daemon(tmp_path) as native:
        result = run(tmp_path, native.url, "--text", "Good morning!", json_form=True)
    answer = result.json["result"]
    assert (answer["transcript"], answer["reply"]) == ("good morning", "hello there")
    assert (result.exit_code, answer["word_error_rate"]) == (0, 0.0)
    assert read_wav(tmp_path / ".aava" / "smoke.wav").rate_hz == SPEECH_HZ


def test_a_model_that_died_is_given_the_chance_to_come_back(tmp_path: Path) -> None:
    """The native daemon loads it again for the next request; one that is gone is named."""
    with native_daemon(tmp_path) as native:
        for role in ("tts", "llm"):
            os.kill(native.status()["models"][role]["pid"], signal.SIGKILL)
        native.wait_until(lambda status: not status["models"]["llm"]["loaded"])
        (tmp_path / "models" / "llm" / "tiny.gguf").unlink()
        result = run(tmp_path, native.url, "--text", "Good morning!")
    assert (result.exit_code, "transcript  good morning" in result.stdout) == (1, True)
    assert result.stderr.startswith("error: llm: ")
    again = "hint:  run `aava switch --llm llama` to load it again, or see the log of `aava serve`"
    assert result.stderr.endswith(f"{again}\n")


@pytest.mark.parametrize("names", ["", " , ", "stt,asr", "all"])
def test_roles_that_do_not_exist_are_a_usage_error(names: str) -> None:
    """The roles there are get named."""
    with pytest.raises(UsageError, match="must name some of tts, stt, llm"):
        parse_roles(names)


def test_roles_come_in_the_order_they_work() -> None:
    """However they are written."""
    assert parse_roles("LLM, stt,tts,stt") == ("tts", "stt", "llm")


def test_transcription_needs_speech(tmp_path: Path) -> None:
    """There is no other audio to transcribe."""
    with pytest.raises(UsageError, match="`stt` hears what `tts` says"):
        plan_smoke("Hello", ("stt",), save=tmp_path)


@pytest.mark.parametrize(
    ("sentence", "problem"),
    [("Hi \udcff", "`--text` is not UTF-8"), ("word " * 500, "may have 1,000 characters")],
)
def test_a_sentence_is_one_that_can_be_said(tmp_path: Path, sentence: str, problem: str) -> None:
    """No model is blamed for a bad one."""
    with pytest.raises(UsageError, match=problem):
        plan_smoke(sentence, ("llm",), save=tmp_path)


def test_an_error_rate_is_a_number(tmp_path: Path) -> None:
    """Nothing is more than what is none, so everything would pass."""
    with pytest.raises(UsageError, match="must be a number"):
        plan_smoke("Hello", ("llm",), save=tmp_path, max_word_error_rate=math.nan)


def test_a_sentence_has_words(tmp_path: Path) -> None:
    """Punctuation cannot be misheard."""
    with pytest.raises(UsageError, match="no word"):
        plan_smoke("?!", ("llm",), save=tmp_path)


@pytest.mark.parametrize(("encoding", "a_second"), [("mulaw", 1000), ("linear16", 2000)])
def test_speech_without_end_is_not_decoded(
    daemon: Daemon, tmp_path: Path, encoding: str, a_second: int
) -> None:
    """At our rate it would be many times as long as on its way, and fill the memory."""
    daemon.answers["tts_request"] = [spoken(bytes(601 * a_second), encoding, 1000)]
    result = run(tmp_path, daemon.url)
    assert "error: tts: it answered with 601 s of audio to one sentence" in result.stderr
    daemon.answers["status"] = [STATUS | {"models": LOADED}]
    daemon.answers["tts_request"] = [spoken(bytes(599 * a_second), encoding, 1000)]
    assert "error: tts: the audio is silent" in run(tmp_path, daemon.url).stderr


@pytest.mark.parametrize("role", ["stt", "llm"])
def test_words_without_end_are_not_compared(daemon: Daemon, tmp_path: Path, role: str) -> None:
    """Comparing takes as long as the product of both texts."""
    daemon.answers["audio"] = [heard("a" * 20_001 if role == "stt" else SENTENCE)]
    daemon.answers["llm_request"] = [replied("a" * 20_001)]
    result = run(tmp_path, daemon.url)
    assert f"error: {role}: its answer has 20,001 characters" in result.stderr


def test_words_are_shown_on_their_line(daemon: Daemon, tmp_path: Path) -> None:
    """What a model says cannot pass for our own words; a program gets all of it."""
    daemon.answers["llm_request"] = [replied("Paris.\npassed      tts" + "x" * 600)] * 2
    daemon.answers = {name: answers * 2 for name, answers in daemon.answers.items()}
    shown = run(tmp_path, daemon.url).stdout
    assert "reply       Paris. passed ttsxxx" in shown
    assert "xxx...  [" in shown
    told = run(tmp_path, daemon.url, json_form=True).json["result"]["reply"]
    assert told.endswith("x" * 600)


def test_transcript_that_is_never_final_is_left_in_time() -> None:
    """A daemon that goes on hearing is silent in the end, and the time is the stage's own."""

    class Listens:
        """Has always heard a little."""

        def request(self, *_message: object, **_how: object) -> dict[str, Any]:
            """Answer at once."""
            return heard("hel", is_final=False)

    with pytest.raises(DaemonUnreachable, match=r"the end of what it heard in 0\.2 s"):
        final_transcript(Listens(), Audio(TONE, SPEECH_HZ), timeout_s=0.2)
