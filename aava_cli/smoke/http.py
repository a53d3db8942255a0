"""A trial over HTTP, as a client of the model server would ask."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NoReturn

import httpx

from aava_cli.audio import Audio, wav_bytes
from aava_cli.errors import AccessDenied, DaemonUnreachable, IntegrityError
from aava_cli.smoke.line import SPEECH_HZ, STAGE_TIMEOUT_S
from aava_cli.smoke.report import STATUS_HINT, SmokeFailed
from aava_cli.wavfile import open_wav

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.roles import Role

_LONGEST_DETAIL = 300
_START_HINT = "start one with `aava serve`, or name it with `--daemon URL`"
# Without one, the model server answers with the prompt before its reply.
_SYSTEM_PROMPT = "You are a voice assistant on a phone call. Answer briefly."


class HttpLine:
    """A model server, or the native daemon, at *url*."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def require_loaded(self, roles: Sequence[Role]) -> None:
        """Refuse *roles* whose models are not there.

        Raises:
            SmokeFailed: the first such role.
            DaemonUnreachable: there is no such server to begin with.
            AccessDenied: it does not accept the token.
        """
        health = self._health()
        models = health.get("models")
        if not isinstance(models, dict):
            self._refuse(health)
        for role in roles:
            # The model server loads before it listens, and does not say so.
            said = models.get(role, {"loaded": False})
            if not isinstance(said, dict) or said.get("loaded", True) is not True:
                raise SmokeFailed(role, "no model is loaded")

    def _health(self) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self._url}/health", headers=self._headers, trust_env=False)
            health = answer.json()
        except httpx.HTTPError as error:
            text = f"no model server answers at {self._url}: {error}"
            raise DaemonUnreachable(text, hint=_START_HINT) from error
        except ValueError:
            health = None
        return health if isinstance(health, dict) else {}

    def _refuse(self, health: dict[str, Any]) -> NoReturn:
        # The native daemon tells a stranger its state alone.
        if "status" in health:
            raise AccessDenied(
                "the daemon does not accept the token",
                hint="set `LOCAL_WS_AUTH_TOKEN` in `.env` to the daemon's own",
            )
        text = f"what listens at {self._url} is no model server"
        raise DaemonUnreachable(text, hint="name it with `--daemon URL`")

    def speak(self, text: str) -> Audio:
        """Return *text*, spoken: a WAV file of any form."""
        answer = self._post("tts", "/tts", json={"text": text})
        try:
            return Audio(open_wav(io.BytesIO(answer.content)).pcm16_at(SPEECH_HZ), SPEECH_HZ)
        except IntegrityError as error:
            raise SmokeFailed("tts", f"its audio cannot be read: {error.message}") from error

    def hear(self, audio: Audio) -> str:
        """Return what is said in *audio*."""
        wav = ("smoke.wav", wav_bytes(audio), "audio/wav")
        return self._text_of(
            "stt", "transcription", self._post("stt", "/stt", files={"audio": wav})
        )

    def answer(self, text: str) -> str:
        """Return the answer to *text*."""
        asked = {"query": text, "system_prompt": _SYSTEM_PROMPT}
        return self._text_of("llm", "response", self._post("llm", "/generate", json=asked))

    def advice_for(self, role: Role) -> str:
        """Return what to do about a model that failed."""
        del role
        return STATUS_HINT

    def _post(self, role: Role, path: str, **body: Any) -> httpx.Response:  # noqa: ANN401 - any body
        try:
            answer = httpx.post(
                f"{self._url}{path}",
                headers=self._headers,
                timeout=STAGE_TIMEOUT_S,
                trust_env=False,
                **body,
            )
        except httpx.HTTPError as error:
            raise SmokeFailed(role, f"{path} did not answer: {error}") from error
        if not answer.is_success:
            said = answer.text[:_LONGEST_DETAIL]
            raise SmokeFailed(role, f"{path} answered {answer.status_code}: {said}")
        return answer

    def _text_of(self, role: Role, name: str, answer: httpx.Response) -> str:
        try:
            said = answer.json()[name]
        except (ValueError, LookupError, TypeError) as error:
            raise SmokeFailed(role, f"its answer has no `{name}`") from error
        return str(said).strip()
