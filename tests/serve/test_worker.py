"""Workers and slots: what a process that hangs, dies or never loads means to a caller."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from aava_cli.serve.engines import EngineError, Speech
from aava_cli.serve.process import Wanted, Worker
from aava_cli.serve.slot import Slot
from aava_cli.serve.starting import start_worker
from aava_cli.serve.worker import prove
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

HELLO = {"text": "hello"}


@pytest.fixture
def voice(models_dir: Path) -> Wanted:
    """Return a voice to load."""
    return Wanted("piper", models_dir / "tts/low.onnx")


async def _with_worker(wanted: Wanted, use: Callable[[Worker], Awaitable[Any]]) -> Any:  # noqa: ANN401
    worker = await start_worker(wanted)
    try:
        return await use(worker)
    finally:
        await worker.close()


async def _with_slot(wanted: Wanted, use: Callable[[Slot], Awaitable[Any]]) -> Any:  # noqa: ANN401
    slot = Slot("tts")
    try:
        await slot.install(await start_worker(wanted), wanted)
        return await use(slot)
    finally:
        await slot.close()


async def _until_dead(slot: Slot) -> None:
    async with asyncio.timeout(30):
        while slot.loaded:  # noqa: ASYNC110 - a process has no event of ours
            await asyncio.sleep(0.01)


def _stop(pid: int | None) -> int:
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_closed_worker_is_gone(voice: Wanted) -> None:
    """Its process ends, and no zombie stays."""

    async def use(worker: Worker) -> int:
        assert (await worker.request(HELLO)).payload
        return worker.pid

    pid = asyncio.run(_with_worker(voice, use))
    assert not psutil.pid_exists(pid)


def workers() -> list[int]:
    """Return the ids of this process's children that hold a model, or did."""
    children = psutil.Process().children()
    return [child.pid for child in children if "python" in child.name()]


def test_close_waits_for_the_request_in_progress(voice: Wanted) -> None:
    """What was asked before the end is still answered."""

    async def use(worker: Worker) -> bytes:
        asked = asyncio.create_task(worker.request(HELLO))
        await asyncio.sleep(0)
        await worker.close()
        return (await asked).payload

    assert asyncio.run(_with_worker(voice, use))


def test_close_ends_a_worker_that_hangs(voice: Wanted) -> None:
    """Patience has an end."""

    async def use(worker: Worker) -> bool:
        _stop(worker.pid)
        await worker.close(patience_s=0.1)
        return worker.alive

    assert asyncio.run(_with_worker(voice, use)) is False


def test_answer_that_nobody_waits_for_does_not_go_to_the_next(voice: Wanted) -> None:
    """A caller that gives up leaves the pipe in order."""

    async def use(worker: Worker) -> tuple[int, int]:
        expected = len((await worker.request(HELLO)).payload)
        given_up = asyncio.create_task(worker.request({"text": "a much longer sentence"}))
        await asyncio.sleep(0)
        given_up.cancel()
        return expected, len((await worker.request(HELLO)).payload)

    expected, actual = asyncio.run(_with_worker(voice, use))
    assert expected == actual


def test_request_that_hangs_is_an_error_and_ends_the_worker(voice: Wanted) -> None:
    """After the deadline there is an answer, and the process that gave none is gone."""

    async def use(worker: Worker) -> tuple[str, bool]:
        _stop(worker.pid)
        with pytest.raises(EngineError) as raised:
            await worker.request(HELLO, timeout_s=0.1)
        return str(raised.value), worker.alive

    message, alive = asyncio.run(_with_worker(voice, use))
    assert ("the engine gave no answer within 0.1 s and was stopped", False) == (message, alive)


def test_death_during_a_request_is_an_error(voice: Wanted) -> None:
    """The signal is named."""

    async def use(worker: Worker) -> str:
        pid = _stop(worker.pid)
        asked = asyncio.create_task(worker.request(HELLO))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineError) as raised:
            await asked
        return str(raised.value)

    assert asyncio.run(_with_worker(voice, use)).startswith("the engine ended by SIGKILL")


def test_error_of_a_request_leaves_the_worker_alive(voice: Wanted) -> None:
    """What the engine refuses is an error of that request alone."""

    async def use(worker: Worker) -> bytes:
        with pytest.raises(EngineError, match="text"):
            await worker.request({"no": "text"})
        return (await worker.request(HELLO)).payload

    assert asyncio.run(_with_worker(voice, use))


@pytest.mark.parametrize(
    ("engine", "file", "reason"),
    [
        ("piper", "tts/half.onnx", "Protobuf parsing failed"),
        ("piper", "tts/none.onnx", "No such file"),
        ("whisper_cpp", "stt/ggml-half.bin", "SIGSEGV: whisper_model_load: ERROR not all tensors"),
        ("nope", "tts/low.onnx", "No module named"),
    ],
)
def test_load_that_fails_says_why(models_dir: Path, engine: str, file: str, reason: str) -> None:
    """The engine's own words are in the error, and no process stays."""
    with pytest.raises(EngineError) as raised:
        asyncio.run(start_worker(Wanted(engine, models_dir / file)))
    assert reason in str(raised.value)
    assert [] == workers()


class Mute:
    """A voice that loads and says nothing."""

    def synthesize(self, text: str) -> Speech:
        """Return no samples."""
        del text
        return Speech(b"", 16_000)


def test_voice_that_says_nothing_does_not_load() -> None:
    """A model that loads but does not work is refused."""
    with pytest.raises(EngineError, match="the voice says nothing"):
        prove(Mute())


def test_load_has_a_deadline(models_dir: Path, tmp_path: Path) -> None:
    """A load that never ends is stopped."""
    voice = tmp_path / "slow.onnx"
    voice.write_bytes((models_dir / "tts/low.onnx").read_bytes())
    os.mkfifo(tmp_path / "slow.onnx.json")
    with pytest.raises(EngineError, match=r"no answer within 0\.1 s"):
        asyncio.run(start_worker(Wanted("piper", voice), timeout_s=0.1))
    assert [] == workers()


def test_cancelled_load_leaves_no_process(models_dir: Path, tmp_path: Path) -> None:
    """Whoever stops waiting for a load stops the load."""
    voice = tmp_path / "slow.onnx"
    voice.write_bytes((models_dir / "tts/low.onnx").read_bytes())
    os.mkfifo(tmp_path / "slow.onnx.json")

    async def cancel() -> None:
        async with asyncio.timeout(0.5):
            await start_worker(Wanted("piper", voice))

    with pytest.raises(TimeoutError):
        asyncio.run(cancel())
    assert [] == workers()


def test_slot_starts_a_dead_model_again(voice: Wanted) -> None:
    """The request after the death is answered by a new process."""

    async def use(slot: Slot) -> tuple[int | None, str | None, int | None]:
        killed = _stop(slot.pid)
        os.kill(killed, signal.SIGKILL)
        await _until_dead(slot)
        problem = slot.problem
        assert (await slot.request(HELLO)).payload
        assert (True, None) == (slot.loaded, slot.problem)
        return killed, problem, slot.pid

    killed, problem, pid = asyncio.run(_with_slot(voice, use))
    assert "the engine ended by SIGKILL" == problem
    assert killed != pid


def test_model_that_cannot_be_started_again_says_so(models_dir: Path, tmp_path: Path) -> None:
    """Each request tries once, and the slot keeps the reason."""
    folder = tmp_path / "voice"
    folder.mkdir()
    for name in ("low.onnx", "low.onnx.json"):
        (folder / name).write_bytes((models_dir / "tts" / name).read_bytes())
    wanted = Wanted("piper", folder / "low.onnx")

    async def use(slot: Slot) -> tuple[str, str | None]:
        (folder / "low.onnx.json").unlink()
        os.kill(_stop(slot.pid), signal.SIGKILL)
        await _until_dead(slot)
        with pytest.raises(EngineError) as raised:
            await slot.request(HELLO)
        return str(raised.value), slot.problem

    message, problem = asyncio.run(_with_slot(wanted, use))
    assert "No such file" in message
    assert message == problem


def test_model_comes_back_when_nobody_can_wait_for_it(models_dir: Path, tmp_path: Path) -> None:
    """A load that takes longer than callers have time ends all the same, for the next one."""
    voice, described = tmp_path / "low.onnx", tmp_path / "low.onnx.json"
    for each in (voice, described):
        each.write_bytes((models_dir / "tts" / each.name).read_bytes())
    description = described.read_bytes()

    async def use(slot: Slot) -> int:
        described.unlink()
        os.mkfifo(described)
        os.kill(_stop(slot.pid), signal.SIGKILL)
        await _until_dead(slot)
        with pytest.raises(TimeoutError):
            await slot.request(HELLO, wait_s=0.05)
        writing = await _opened(described)
        os.write(writing, description)
        os.close(writing)
        return len((await slot.request(HELLO)).payload)

    assert asyncio.run(_with_slot(Wanted("piper", voice), use))


def test_model_on_its_way_ends_with_its_slot(models_dir: Path, tmp_path: Path) -> None:
    """Nobody waits for it, and no process of it is left."""
    voice, described = tmp_path / "low.onnx", tmp_path / "low.onnx.json"
    for each in (voice, described):
        each.write_bytes((models_dir / "tts" / each.name).read_bytes())

    async def use(slot: Slot) -> int:
        described.unlink()
        os.mkfifo(described)
        os.kill(_stop(slot.pid), signal.SIGKILL)
        await _until_dead(slot)
        with pytest.raises(TimeoutError):
            await slot.request(HELLO, wait_s=0.05)
        return await _opened(described)

    os.close(asyncio.run(_with_slot(Wanted("piper", voice), use)))
    assert [] == workers()


async def _opened(pipe: Path) -> int:
    """Return *pipe*, opened for writing once somebody reads it."""
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            await asyncio.sleep(0.01)


def test_daemon_survives_the_death_of_a_model(daemon: RunningDaemon) -> None:
    """The status says so at once, others go on, and the next request finds a new process."""
    pid = daemon.status()["models"]["llm"]["pid"]
    os.kill(pid, signal.SIGKILL)
    status = daemon.wait_until(lambda status: not status["models"]["llm"]["loaded"])
    assert {"llm": "the engine ended by SIGKILL"} == {
        role: reason.partition(":")[0]
        for role, reason in status["config"]["startup_errors"].items()
    }
    assert daemon.ask({"type": "tts_request", "text": "hello"})["byte_length"] > 0
    assert "hi there" == daemon.ask({"type": "llm_request", "text": "hello"})["text"]
    assert pid != daemon.status()["models"]["llm"]["pid"]


def test_slow_answer_is_an_error_that_keeps_the_model(start: Starter) -> None:
    """A language model that takes too long is left to finish; then it answers again."""
    daemon = start(LOCAL_LLM_INFER_TIMEOUT_SEC="0.3")
    pid = _stop(daemon.wait_until_loaded()["models"]["llm"]["pid"])
    late = daemon.ask({"type": "llm_request", "text": "hello"})
    os.kill(pid, signal.SIGCONT)
    assert "the model took longer than `LOCAL_LLM_INFER_TIMEOUT_SEC`" == late["error"]
    while "error" in (reply := daemon.ask({"type": "llm_request", "text": "hello"})):
        continue
    assert ("hi there", pid) == (reply["text"], daemon.status()["models"]["llm"]["pid"])


def test_speech_that_fails_in_full_mode_is_announced(start: Starter) -> None:
    """A call whose voice is missing still gets its text and its answer."""
    daemon = start(LOCAL_TTS_MODEL_PATH="/app/models/tts/none.onnx")
    daemon.wait_until_loaded()
    with daemon.connect() as client:
        client.send({"type": "audio", "data": encoded(tone(1500))})
        replies = [client.receive() for _ in range(3)]
    assert ["stt_result", "llm_response", "tts_audio"] == [each["type"] for each in replies]
    assert "no model at" in replies[2]["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_daemon_and_workers(daemon: RunningDaemon, number: signal.Signals) -> None:
    """A stopped daemon exits with 0 and leaves nothing running."""
    workers = psutil.Process(daemon.pid).children()
    daemon.process.send_signal(number)
    assert 0 == daemon.process.wait(30)
    assert (3, []) == (len(workers), [each for each in workers if each.is_running()])


def test_signal_during_a_load_ends_the_load(
    start: Starter, models_dir: Path, tmp_path: Path
) -> None:
    """A daemon that is stopped before its models are there does not wait for them."""
    (tmp_path / "slow.onnx").write_bytes((models_dir / "tts/low.onnx").read_bytes())
    os.mkfifo(tmp_path / "slow.onnx.json")
    daemon = start(LOCAL_TTS_MODEL_PATH=str(tmp_path / "slow.onnx"))
    daemon.wait_until(lambda status: status["loading"] == ["tts"])
    workers = psutil.Process(daemon.pid).children()
    assert 0 == daemon.stop()
    assert [] == [each for each in workers if each.is_running()]


def test_killed_daemon_leaves_no_orphans(daemon: RunningDaemon) -> None:
    """Workers end with the daemon, whatever ended it."""
    workers = psutil.Process(daemon.pid).children()
    daemon.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert [] == alive
