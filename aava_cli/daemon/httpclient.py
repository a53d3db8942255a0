"""Questions over HTTP to what listens where the daemon should; each has a deadline and an end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.address import http_url
from aava_cli.daemon.client import BUSY_HINT
from aava_cli.daemon.quoting import quoted
from aava_cli.errors import DaemonUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The health of a server is a few words; a program that sends more is something else.
MOST_WORDS_BYTES = 1 << 20
_START_HINT = "start one with `aava serve`, or name it with `--daemon URL`"
_OTHER_HINT = "name the daemon with `--daemon URL`"


class TooLong(Exception):
    """An answer is larger than what was asked for can be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, and the address that gave it."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the server did what it was asked."""
        return self.status // 100 == 2  # noqa: PLR2004 - as RFC 9110 numbers them

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return what the body says.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def text(self) -> str:
        """Return the body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")


class HttpClient:
    """Asks the first of *urls*, those of a WebSocket, at which somebody listens."""

    def __init__(self, urls: tuple[str, ...], token: str | None = None) -> None:
        self._urls = tuple(map(http_url, urls))
        self._headers = {"Accept-Encoding": "identity"} | _authorization(token)

    @property
    def url(self) -> str:
        """The address that was meant."""
        return self._urls[0]

    def ask(
        self,
        path: str,
        *,
        timeout_s: float,
        most_bytes: int = MOST_WORDS_BYTES,
        **body: Any,  # noqa: ANN401 - as the library takes it
    ) -> Answer:
        """Return the answer to a question, or with a *body* to a request.

        Raises:
            DaemonUnreachable: the cause is an `OSError` where nothing listens, a `TimeoutError`
                where the whole answer did not come in *timeout_s*, and else another.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            return self._ask_first(path, most_bytes, deadline_s, body)
        except TimeoutError as error:
            text = f"{self.url} did not answer `{path}` in {timeout_s:g} s"
            raise DaemonUnreachable(text, hint=BUSY_HINT) from error
        except OSError as error:
            raise DaemonUnreachable(f"nothing listens at {self.url}", hint=_START_HINT) from error
        except TooLong as error:
            text = f"{self.url} answered `{path}` with more than {most_bytes >> 20} MB"
            raise DaemonUnreachable(text, hint=_OTHER_HINT) from error
        except ValueError as error:
            text = f"{self.url} did not answer `{path}`: {quoted(error)}"
            raise DaemonUnreachable(text, hint=_OTHER_HINT) from error

    def _ask_first(
        self, path: str, most_bytes: int, deadline_s: float, body: Mapping[str, Any]
    ) -> Answer:
        import httpcore

        refused: list[httpcore.ConnectError] = []
        for url in self._urls:
            try:
                return self._ask(url, path, most_bytes, deadline_s, body)
            except httpcore.ConnectError as error:
                refused.append(error)
            except httpcore.TimeoutException as error:
                raise TimeoutError from error
            except (
                httpcore.NetworkError,
                httpcore.ProtocolError,
                httpcore.UnsupportedProtocol,
            ) as error:
                raise ValueError(str(error) or type(error).__name__) from error
        # The first address is what was meant; a host without IPv6 fails on the second otherwise.
        raise ConnectionRefusedError(str(refused[0])) from refused[0]

    def _ask(
        self, url: str, path: str, most_bytes: int, deadline_s: float, body: Mapping[str, Any]
    ) -> Answer:
        import httpcore
        import httpx

        from aava_cli.daemon.deadline import TimedBackend

        method = "POST" if body else "GET"
        # One library writes the body, the other lets the whole have a deadline.
        asked = httpx.Request(method, f"{url}{path}", headers=self._headers, **body)
        backend = TimedBackend(deadline_s)
        with (
            httpcore.ConnectionPool(network_backend=backend) as pool,
            pool.stream(
                method, str(asked.url), headers=asked.headers.raw, content=asked.read()
            ) as answer,
        ):
            content = _bounded(answer.iter_stream(), most_bytes)
            return Answer(url, answer.status, httpx.Headers(answer.headers), content)


def _authorization(token: str | None) -> dict[str, Any]:
    # Bytes: a header of text may hold no more than ASCII.
    stripped = (token or "").strip()
    return {"Authorization": b"Bearer " + stripped.encode()} if stripped else {}


def _bounded(pieces: Iterable[bytes], most_bytes: int) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > most_bytes:
            raise TooLong
    return bytes(content)
