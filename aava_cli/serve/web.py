"""What is asked over HTTP: is the daemon well, and the three things that models do."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from aava_cli.audio import Audio, wav_bytes
from aava_cli.errors import IntegrityError
from aava_cli.serve.description import health_of, model_name
from aava_cli.serve.engines import EngineError
from aava_cli.serve.gate import Gate, Refused, invalid, try_later
from aava_cli.serve.metrics import CONTENT_TYPE, metrics_of
from aava_cli.serve.segments import STT_RATE_HZ
from aava_cli.serve.slot import NotLoaded
from aava_cli.serve.state import word_for
from aava_cli.serve.talk import describe_failure
from aava_cli.serve.upload import read_json, sent_file
from aava_cli.serve.work import LONGEST_TEXT, answer, speak, transcribe
from aava_cli.wavfile import open_wav

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import BinaryIO

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from aava_cli.serve.protocol import Daemon

    Handler: TypeAlias = Callable[["Web", Request], Awaitable[Response]]

_T = TypeVar("_T")

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
            from starlette.responses import JSONResponse

            try:
                response = await handler(self, request)
            except Exception as error:  # noqa: BLE001 - whoever asked waits for an answer
                refused = _as_refused(error)
                detail = {"detail": refused.detail}
                response = JSONResponse(detail, refused.status, refused.headers)
            self.answered[path, response.status_code] += 1
            return response

        return respond


def _as_refused(error: Exception) -> Refused:
    from starlette.requests import ClientDisconnect

    match error:
        case Refused():
            refused = error
        case NotLoaded():
            refused = try_later(str(error))
        case TimeoutError():
            refused = Refused(504, "the model took longer than `LOCAL_LLM_INFER_TIMEOUT_SEC`")
        case EngineError():
            refused = Refused(500, str(error))
        case IntegrityError():
            refused = Refused(400, error.message)
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
    return JSONResponse(health_of(web.models, state) if known else {"status": state})


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
        asked = await read_json(request, web.limits)
        query, system = _text(asked, "query"), _optional_text(asked, "system_prompt")
        named = _optional_text(asked, "model_name")
        if named and named not in (model_name("llm", web.models), model_path(web)):
            raise Refused(400, "Model server was started with a different model.")
        work = answer(web.models, query, system=system, max_tokens=_most_tokens(web, asked))
        return JSONResponse({"response": await _for_whom_waits(request, work)})


def model_path(web: Web) -> str:
    """Return what `.env` calls the language model."""
    return web.models.values["LOCAL_LLM_MODEL_PATH"]


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise invalid(name, "Input should be a valid string" if name in asked else "Field required")
    if len(value) > LONGEST_TEXT and name == "text":
        raise invalid(name, f"String should have at most {LONGEST_TEXT} characters")
    return value


def _optional_text(asked: dict[str, Any], name: str) -> str | None:
    return None if asked.get(name) is None else _text(asked, name)


def _most_tokens(web: Web, asked: dict[str, Any]) -> int | None:
    value = asked.get("max_new_tokens")
    most = int(web.models.values["LOCAL_LLM_CONTEXT"])
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise invalid("max_new_tokens", f"Input should be a whole number from 1 to {most}")
    return value


async def _stt(web: Web, request: Request) -> Response:
    from starlette.responses import JSONResponse

    web.gate.require_friend(request.headers)
    with web.gate.work():
        async with sent_file(request, "audio", web.limits) as file:
            work = _heard(web, file)
            return JSONResponse({"transcription": await _for_whom_waits(request, work)})


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
        text = _text(await read_json(request, web.limits), "text")
        speech = await _for_whom_waits(request, speak(web.models, text))
        wav = await asyncio.to_thread(wav_bytes, Audio(speech.pcm16, speech.sample_rate_hz))
        name = {"Content-Disposition": 'attachment; filename="speech.wav"'}
        return Response(wav, headers=name, media_type="audio/wav")


async def _for_whom_waits(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what *work* returns, unless whoever asked leaves before."""
    from starlette.requests import ClientDisconnect

    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
