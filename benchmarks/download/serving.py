"""Servers on loopback: nginx for the bytes, a hub that redirects to it, and a slow link to it."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
COMMIT = "0" * 40

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; types {{ }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    """Return when something listens on *port*."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def _running(*words: str, port: int) -> Iterator[None]:
    process = subprocess.Popen(words)
    try:
        wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[int]:
    """Serve the files of *root*; give the port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port, root=root), encoding="utf-8")
        with _running("nginx", "-e", f"{folder}/error.log", "-c", str(config), port=port):
            yield port


@dataclass(frozen=True, slots=True)
class Link:
    """What the emulated network is: a shared rate and one per connection, in bytes a second."""

    round_trip_ms: float
    link_bytes_s: int
    connection_bytes_s: int
    window_bytes: int = 3_000_000

    def limit_s(self, size_bytes: int, connections: int) -> float:
        """Return how long *size_bytes* take at best: handshake, question, and the rate."""
        own = self.connection_bytes_s * connections
        rate = min(filter(None, (self.link_bytes_s, own)))
        return 2 * self.round_trip_ms / 1000 + size_bytes / rate


@dataclass(frozen=True, slots=True)
class Wire:
    """A link that runs: where it listens, and when the last byte came through."""

    port: int
    stats: Path

    def last_byte_s(self) -> float:
        """Return the time (of the monotonic clock) at which the last byte was delivered."""
        last_s, _delivered = struct.unpack("dd", self.stats.read_bytes())
        return float(last_s)

    def delivered_bytes(self) -> int:
        """Return how many bytes reached clients so far."""
        return int(struct.unpack("dd", self.stats.read_bytes())[1])


def build_link(folder: Path) -> Path:
    """Return the link emulator, compiled."""
    program = folder / "link"
    subprocess.run(("cc", "-O2", "-o", str(program), str(HERE / "link.c")), check=True)
    return program


@contextlib.contextmanager
def behind(link: Link, program: Path, server_port: int) -> Iterator[Wire]:
    """Put *link* before the server on *server_port*."""
    port = free_port()
    stats = program.with_name(f"stats-{port}")
    rates = (link.round_trip_ms, link.link_bytes_s, link.connection_bytes_s, link.window_bytes)
    words = (str(program), str(port), str(server_port), *map(str, rates), str(stats))
    with _running(*words, port=port):
        yield Wire(port, stats)


@contextlib.contextmanager
def hub(url: str, size_bytes: int, sha256: str) -> Iterator[str]:
    """Stand for a hub with one repository, whose one file is at *url*; give the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            """Answer as for GET."""
            self.do_GET()

        def do_GET(self) -> None:
            """Say what the file is and where, or what the repository holds."""
            if "/resolve/" in self.path:
                self._answer(
                    302, b"", Location=url, ETag=f'"{sha256}"', **_linked(size_bytes, sha256)
                )
            else:
                known = {
                    "id": "org/bench",
                    "sha": COMMIT,
                    "siblings": [{"rfilename": "model.gguf"}],
                }
                self._answer(200, json.dumps(known).encode())

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the table clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _linked(size_bytes: int, sha256: str) -> dict[str, str]:
    return {
        "X_Repo_Commit": COMMIT,
        "X_Linked_Size": str(size_bytes),
        "X_Linked_ETag": f'"{sha256}"',
    }
