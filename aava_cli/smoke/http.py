"""A trial over HTTP, as a client of the model server would ask."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NoReturn

from aava_cli.audio import Audio, wav_bytes
from aava_cli.backends import SYSTEM_PROMPT
from aava_cli.daemon.httpclient import MOST_WORDS_BYTES, Answer, HttpClient
from aava_cli.daemon.quoting import quoted
from aava_cli.errors import AccessDenied, DaemonUnreachable, IntegrityError
from aava_cli.smoke.checks import require_short, words_in
from aava_cli.smoke.line import SPEECH_HZ, STAGE_TIMEOUT_S
from aava_cli.smoke.report import STATUS_HINT, DaemonSilent, SmokeFailed
from aava_cli.wavfile import open_wav

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aava_cli.roles import Role

HEALTH_TIMEOUT_S = 10.0
# Minutes of speech in the form that takes most room.
_MOST_AUDIO_BYTES = 64 << 20
_UNAUTHORIZED = 401


class HttpLine:
    """A model server, or the native daemon; each stage may take *stage_timeout_s*."""

    # Without one, the model server answers with the prompt before its reply.
    instruction = SYSTEM_PROMPT

    def __init__(self, client: HttpClient, *, stage_timeout_s: float = STAGE_TIMEOUT_S) -> None:
        self._client = client
        self._stage_timeout_s = stage_timeout_s

    def require_loaded(self, roles: Sequence[Role]) -> None:
        """Refuse *roles* whose models are not there.

        Raises:
            SmokeFailed: the first such role.
            DaemonUnreachable: there is no such server to begin with, or it is not well.
            AccessDenied: it does not accept the token.
        """
        answer = self._client.ask("/health", timeout_s=HEALTH_TIMEOUT_S)
        models = _models_in(answer)
        if models is None:
            self._refuse(answer)
        if not answer.is_success:
            text = f"{answer.url} is not well: `/health` answered {answer.status}"
            raise DaemonUnreachable(text, hint="see the log of the model server")
        for role in roles:
            _require(role, models.get(role))

    def _refuse(self, answer: Answer) -> NoReturn:
        # The native daemon tells a stranger how to become a friend, and its state.
        if answer.status == _UNAUTHORIZED or "www-authenticate" in answer.headers:
            raise AccessDenied(
                "the daemon does not accept the token",
                hint="set `LOCAL_WS_AUTH_TOKEN` in `.env` to the daemon's own",
            )
        text = f"what listens at {answer.url} is no model server"
        raise DaemonUnreachable(text, hint="name it with `--daemon URL`")

    def speak(self, text: str) -> Audio:
        """Return *text*, spoken: a WAV file of any form."""
        answer = self._post("tts", "/tts", most_bytes=_MOST_AUDIO_BYTES, json={"text": text})
        try:
            wav = open_wav(io.BytesIO(answer.body))
        except IntegrityError as error:
            raise SmokeFailed("tts", f"its audio cannot be read: {error.message}") from error
        require_short(wav.duration_s)
        return Audio(wav.pcm16_at(SPEECH_HZ), SPEECH_HZ)

    def hear(self, audio: Audio) -> str:
        """Return what is said in *audio*."""
        wav = ("smoke.wav", wav_bytes(audio), "audio/wav")
        return _text_of("stt", "transcription", self._post("stt", "/stt", files={"audio": wav}))

    def answer(self, text: str) -> str:
        """Return the answer to *text*."""
        asked = {"query": text, "system_prompt": self.instruction}
        return _text_of("llm", "response", self._post("llm", "/generate", json=asked))

    def advice_for(self, role: Role) -> str:
        """Return what to do about a model that failed."""
        del role
        return STATUS_HINT

    def _post(
        self,
        role: Role,
        path: str,
        *,
        most_bytes: int = MOST_WORDS_BYTES,
        **body: Any,  # noqa: ANN401 - any body
    ) -> Answer:
        try:
            answer = self._client.ask(
                path, timeout_s=self._stage_timeout_s, most_bytes=most_bytes, **body
            )
        except DaemonUnreachable as error:
            raise DaemonSilent(role, error.message, hint=error.hint) from error
        if not answer.is_success:
            raise SmokeFailed(role, f"{path} answered {answer.status}: {quoted(answer.text())}")
        return answer


def _models_in(answer: Answer) -> Mapping[str, Any] | None:
    """Return what a health says of each model, or None where it is the health of another thing."""
    try:
        health = answer.json()
    except ValueError:
        return None
    models = health.get("models") if isinstance(health, dict) else None
    return models if isinstance(models, dict) else None


def _require(role: Role, said: object) -> None:
    # The model server loads before it listens, and does not say so.
    if not isinstance(said, dict) or said.get("loaded", True) is not True:
        # The native daemon loads a model whose process died again when it is asked.
        is_revived = isinstance(said, dict) and said.get("error")
        if not is_revived:
            raise SmokeFailed(role, "no model is loaded")


def _text_of(role: Role, name: str, answer: Answer) -> str:
    try:
        return words_in(role, answer.json(), name)
    except ValueError as error:
        raise SmokeFailed(role, f"its answer has no `{name}`") from error
