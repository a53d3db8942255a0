"""An HTTP model server that answers as it is told, in the shapes of the real one."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE_HZ = 44_100

HEALTH = {
    "status": "ok",
    "models": {
        "llm": {
            "name": "org/llm",
            "device": "cuda:0",
            "loading_strategy": "fp16 on CUDA",
            "max_new_tokens": 200,
        },
        "stt": {"name": "org/stt", "device": "cpu", "type": "manual"},
        "tts": {"name": "org/tts", "device": "cuda", "type": "pipeline"},
    },
}


def float_wav(samples: list[float], rate_hz: int = RATE_HZ) -> bytes:
    """Return *samples* as a WAV file of form 3, which the model server writes."""
    data = struct.pack(f"<{len(samples)}f", *samples)
    form = struct.pack("<HHIIHH", 3, 1, rate_hz, rate_hz * 4, 4, 32)
    head = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(data)) + b"WAVE" + head + data


TONE = [math.sin(index / 20) / 3 for index in range(RATE_HZ // 2)]


@dataclass
class ModelServer:
    """Its answers by path, each a status and a body; a dictionary is sent as JSON."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(
        default_factory=lambda: {
            "/health": (200, HEALTH),
            "/tts": (200, float_wav(TONE)),
            "/stt": (200, {"transcription": "hello can you tell me what a telephone is"}),
            "/generate": (200, {"response": "It carries voices."}),
        }
    )
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @contextmanager
    def listening(self, port: int = 0, *, host: str = "127.0.0.1") -> Iterator[ModelServer]:
        """Answer on a port of loopback for the block."""

        class Listener(ThreadingHTTPServer):
            """Listens in either family."""

            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        server = Listener((host, port), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        own = self

        class Handler(BaseHTTPRequestHandler):
            """Looks the answer up."""

            def do_GET(self) -> None:
                """Answer a question."""
                self.answer()

            def do_POST(self) -> None:
                """Answer a request with a body."""
                self.answer()

            def answer(self) -> None:
                """Keep what was asked, and answer."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                own.asked.append((self.path, dict(self.headers), body))
                status, content = own.answers.get(self.path, (404, {"detail": "Not Found"}))
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        return Handler
