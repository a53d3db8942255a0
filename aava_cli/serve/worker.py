"""One loaded model in a process of its own, at the other end of two pipes.

An engine that crashes takes only this process with it, and all of its memory is given back
when the process ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path
from typing import BinaryIO

from aava_cli.serve.engines import (
    Engine,
    EngineError,
    Prompt,
    Reporting,
    SpeechToText,
    TextToSpeech,
    Unanswerable,
    load_engine,
)
from aava_cli.serve.frames import Frame, read_frame

_PR_SET_PDEATHSIG = 1
_SECOND_OF_SILENCE = bytes(32_000)


def main() -> None:
    """Load one model, then answer requests until the daemon closes the pipe."""
    _end_with_the_daemon()
    requests, replies = _take_pipes()
    engines: list[Engine] = []
    while (request := read_frame(requests)) is not None:
        try:
            reply = _load(request, engines) if not engines else _answer(engines[0], request)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises, the daemon is told
            told = {"error": str(error) or type(error).__name__}
            reply = Frame({**told, "unanswerable": isinstance(error, Unanswerable)})
        replies.write(reply.encode())
        replies.flush()


def _end_with_the_daemon() -> None:
    """Die when the daemon dies, even inside an engine; leave Ctrl-C to the daemon."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for frames alone: what an engine prints goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def _load(request: Frame, engines: list[Engine]) -> Frame:
    """Load the model and prove that it works: some engines notice only at the first use."""
    fields = request.fields
    engine = load_engine(fields["engine"], Path(fields["path"]), fields["options"])
    prove(engine)
    engines.append(engine)
    return Frame({"effective": dict(engine.effective) if isinstance(engine, Reporting) else {}})


def prove(engine: Engine) -> None:
    """Use *engine* once.

    Raises:
        EngineError: it does nothing; other errors are its own.
    """
    match engine:
        case SpeechToText():
            engine.transcribe(_SECOND_OF_SILENCE)
        case TextToSpeech():
            if not engine.synthesize("hello").pcm16:
                raise EngineError("the voice says nothing")
        case _:
            engine.reply(Prompt("hello", max_tokens=1))


def _answer(engine: Engine, request: Frame) -> Frame:
    match engine:
        case SpeechToText():
            return Frame({"text": engine.transcribe(request.payload)})
        case TextToSpeech():
            speech = engine.synthesize(request.fields["text"])
            return Frame({"sample_rate_hz": speech.sample_rate_hz}, speech.pcm16)
        case _:
            return Frame({"text": engine.reply(Prompt(**request.fields))})


if __name__ == "__main__":
    main()
