"""What is asked over HTTP: is the daemon well, and the three things that models do."""

from __future__ import annotations

import asyncio
import errno
import logging
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.audio import Audio, wav_bytes
from aava_cli.errors import IntegrityError
from aava_cli.serve.asked import question_in, text_in
from aava_cli.serve.description import health_of, model_name
from aava_cli.serve.engines import EngineError, Unanswerable
from aava_cli.serve.gate import Gate, Refused, try_later
from aava_cli.serve.metrics import CONTENT_TYPE, metrics_of
from aava_cli.serve.segments import STT_RATE_HZ
from aava_cli.serve.slot import NotLoaded
from aava_cli.serve.state import word_for
from aava_cli.serve.talk import describe_failure
from aava_cli.serve.upload import for_whom_waits, read_json, sent_file
from aava_cli.serve.work import answer, speak, transcribe
from aava_cli.wavfile import open_wav

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import BinaryIO

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from aava_cli.serve.protocol import Daemon

    Handler: TypeAlias = Callable[["Web", Request], Awaitable[Response]]

_LOG = logging.getLogger(__name__)

# Recordings that are in memory at once: one that is heard, and one that is made ready.
_DECODED_AT_ONCE = 2
_CLIENT_CLOSED = 499


class Web:
    """The HTTP side of one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.models = daemon.models
        self.limits = daemon.shared.limits
        self.answered: Counter[tuple[str, int]] = Counter()
        self.gate = Gate(daemon)
        self.decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        from starlette.routing import Route

        return [
            Route(path, self._told(path, handler), methods=[method])
            for path, method, handler in (
                ("/health", "GET", _health),
                ("/healthz", "GET", _healthz),
                ("/metrics", "GET", _metrics),
                ("/generate", "POST", _generate),
                ("/stt", "POST", _stt),
                ("/tts", "POST", _tts),
            )
        ]

    def _told(self, path: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return *handler* with every failure told as an answer, and every answer counted."""

        async def respond(request: Request) -> Response:
            try:
                response = await handler(self, request)
            except asyncio.CancelledError:
                # Only the end of the daemon does that, and whoever asked waits for an answer.
                response = _answer_of(try_later("the daemon is stopping"))
            except Exception as error:  # noqa: BLE001 - whoever asked waits for an answer
                response = _answer_of(_as_refused(error))
            self.answered[path, response.status_code] += 1
            return response

        return respond

    def on_no_route(self) -> dict[Any, Any]:
        """Return what tells, in the same form, that nothing else can be asked."""
        from starlette.exceptions import HTTPException

        async def respond(_request: Request, error: HTTPException) -> Response:
            from starlette.responses import JSONResponse

            # Whoever asks chooses the path: each as a label of its own would grow the figures.
            self.answered["other", error.status_code] += 1
            detail = {"detail": error.detail}
            return JSONResponse(detail, error.status_code, error.headers)

        return {HTTPException: respond}


def _answer_of(refused: Refused) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse({"detail": refused.detail}, refused.status, refused.headers)


def _as_refused(error: Exception) -> Refused:
    from starlette.requests import ClientDisconnect

    match error:
        case Refused():
            refused = error
        case NotLoaded():
            refused = try_later(str(error))
        case TimeoutError():
            refused = Refused(504, "the model took longer than `LOCAL_LLM_INFER_TIMEOUT_SEC`")
        case Unanswerable():
            problem = {"type": "value_error", "loc": ["body"], "msg": str(error)}
            refused = Refused(422, [problem])
        case EngineError():
            refused = Refused(500, str(error))
        case IntegrityError():
            refused = Refused(400, error.message)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            refused = Refused(507, f"no space left for an upload in `{tempfile.gettempdir()}`")
        case ClientDisconnect():
            refused = Refused(_CLIENT_CLOSED, "nobody waits for the answer any more")
        case _:
            _LOG.error("a request failed", exc_info=error)
            refused = Refused(500, describe_failure(error))
    return refused


async def _health(web: Web, request: Request) -> Response:
    from starlette.responses import JSONResponse

    # A stranger may know that somebody is at home.
    state = word_for(web.models, stopping=web.daemon.shared.stopping)
    known = web.gate.knows(request.headers)
    if known:
        return JSONResponse(health_of(web.models, state))
    return JSONResponse({"status": state}, headers=web.gate.challenge())


async def _healthz(web: Web, request: Request) -> Response:
    from starlette.responses import JSONResponse

    state = word_for(web.models, stopping=web.daemon.shared.stopping)
    named = {"model": model_name("llm", web.models)} if web.gate.knows(request.headers) else {}
    return JSONResponse({"status": state, **named}, 200 if state == "ok" else 503)


async def _metrics(web: Web, request: Request) -> Response:
    from starlette.responses import PlainTextResponse

    web.gate.require_friend(request.headers)
    figures = metrics_of(web.daemon, web.gate.inside, web.answered)
    return PlainTextResponse(figures, media_type=CONTENT_TYPE)


async def _generate(web: Web, request: Request) -> Response:
    from starlette.responses import JSONResponse

    web.gate.require_friend(request.headers)
    with web.gate.work():
        question = question_in(await read_json(request, web.limits), web.models)
        work = answer(
            web.models,
            question.query,
            system=question.system_prompt,
            max_tokens=question.max_new_tokens,
        )
        return JSONResponse({"response": await for_whom_waits(request, work)})


async def _stt(web: Web, request: Request) -> Response:
    from starlette.responses import JSONResponse

    web.gate.require_friend(request.headers)
    with web.gate.work():
        async with sent_file(request, "audio", web.limits) as file:
            work = _heard(web, file)
            return JSONResponse({"transcription": await for_whom_waits(request, work)})


async def _heard(web: Web, file: BinaryIO) -> str:
    async with web.decoding:
        pcm16 = await asyncio.to_thread(_decoded, file, web.limits.recording_s)
        return await transcribe(web.models, pcm16)


def _decoded(file: BinaryIO, longest_s: float) -> bytes:
    wav = open_wav(file)
    if wav.duration_s > longest_s:
        raise Refused(413, f"a recording may last {longest_s:g} s, this one {wav.duration_s:.0f} s")
    return wav.pcm16_at(STT_RATE_HZ)


async def _tts(web: Web, request: Request) -> Response:
    from starlette.responses import Response

    web.gate.require_friend(request.headers)
    with web.gate.work():
        text = text_in(await read_json(request, web.limits))
        speech = await for_whom_waits(request, speak(web.models, text))
        wav = await asyncio.to_thread(wav_bytes, Audio(speech.pcm16, speech.sample_rate_hz))
        name = {"Content-Disposition": 'attachment; filename="speech.wav"'}
        return Response(wav, headers=name, media_type="audio/wav")
