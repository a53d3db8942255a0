"""A file server on loopback that misbehaves as it is told, and remembers what it was asked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping


@dataclass(slots=True)
class Served:
    """What one path answers; the faults that are counted happen so often, then no more."""

    body: bytes | mmap.mmap = b""
    etag: str | None = '"one"'
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    ignores_range: bool = False
    ignores_condition: bool = False
    content_range: str | None = None
    framing: str = "length"
    stalled: threading.Event | None = None
    authorization: str | None = None


class _QuietServer(ThreadingHTTPServer):
    """Does not complain of clients that were killed."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class Server:
    """Serves `files` by path; `asked` has each request's method, path and headers.

    `sent_bytes` is how much of files was sent for GET.
    """

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.sent_bytes = 0
        self._http = _QuietServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._http.server_port

    @property
    def root(self) -> str:
        """The address of `/`."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, path: str, body: bytes | mmap.mmap, **faults: Any) -> str:  # noqa: ANN401 - fields of Served
        """Serve *body* at *path* from now on, and return its address."""
        self.files[path] = Served(body, **faults)
        return self.root + path

    def gets(self, path: str) -> list[Mapping[str, str]]:
        """Return the headers of every GET of *path*."""
        return [
            headers for method, asked, headers in self.asked if (method, asked) == ("GET", path)
        ]

    def serve_wheel(self, name: str, version: str, members: Mapping[str, bytes]) -> None:
        """Serve a package of *members* from an index under `/simple/`."""
        package = wheel(members)
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        self.serve(f"/packages/{filename}", package)
        digest = hashlib.sha256(package).hexdigest()
        link = f'<a href="../../packages/{filename}#sha256={digest}">{filename}</a>'
        page = f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
        self.serve(f"/simple/{name}/", page, headers={"Content-Type": "text/html"})

    def serve_npm(self, name: str, version: str, members: Mapping[str, bytes]) -> None:
        """Serve a package of *members* from a registry under `/npm/`."""
        package = tarball({f"package/{path}": body for path, body in members.items()})
        url = self.serve(f"/tarballs/{name}-{version}.tgz", package)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
        described = {"name": name, "dist": {"tarball": url, "integrity": integrity}}
        self.serve(f"/npm/{name}/{version}", json.dumps(described).encode())

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _answer(server, self)

            def do_HEAD(self) -> None:
                _answer(server, self)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        return Handler


def wheel(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of *members*."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, body in members.items():
            archive.writestr(path, body)
    return buffer.getvalue()


def tarball(members: Mapping[str, bytes], compression: str = "gz") -> bytes:
    """Return a compressed tar of *members*."""
    buffer = io.BytesIO()
    with tarfile.open(mode=f"w:{compression}", fileobj=buffer) as archive:  # type: ignore[call-overload]
        for path, body in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def _answer(server: Server, request: BaseHTTPRequestHandler) -> None:
    path = unquote(urlsplit(request.path).path)
    server.asked.append((request.command, path, dict(request.headers.items())))
    served = server.files.get(path)
    if served is None:
        _send(request, 404, {}, b"")
    elif served.authorization and served.authorization not in request.headers.get(
        "Authorization", ""
    ):
        _send(request, 401, {}, b"")
    elif served.statuses:
        _send(request, served.statuses.pop(0), served.headers, b"")
    else:
        _send_file(server, request, served)


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def _send_file(server: Server, request: BaseHTTPRequestHandler, served: Served) -> None:
    wanted = _wanted(request, served)
    start, end = wanted or (0, len(served.body))
    request.send_response(200 if wanted is None else 206)
    if served.etag:
        request.send_header("ETag", served.etag)
    if wanted is not None:
        exact = f"bytes {start}-{end - 1}/{len(served.body)}"
        request.send_header("Content-Range", served.content_range or exact)
    for name, value in served.headers.items():
        request.send_header(name, value)
    if request.command == "GET":
        server.sent_bytes += end - start
    _send_body(request, served, served.body[start:end])


def _send_body(request: BaseHTTPRequestHandler, served: Served, body: bytes) -> None:
    cut = _cut_within(served, len(body))
    if served.framing == "length":
        request.send_header("Content-Length", str(len(body)))
    elif served.framing == "chunked":
        request.send_header("Transfer-Encoding", "chunked")
    if served.framing == "close" or cut is not None:
        request.close_connection = True
    request.end_headers()
    if request.command == "HEAD":
        return
    sent = body if cut is None else body[:cut]
    if served.framing == "chunked":
        request.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
        if cut is None:
            request.wfile.write(b"0\r\n\r\n")
    else:
        request.wfile.write(sent)
    if served.stalled is not None and cut is not None:
        request.wfile.flush()
        served.stalled.wait(60)


def _cut_within(served: Served, size_bytes: int) -> int | None:
    """Return where the next cut falls in an answer of *size_bytes*, if it does."""
    if not served.cuts:
        return None
    if served.cuts[0] > size_bytes:
        served.cuts[0] -= size_bytes
        return None
    return served.cuts.pop(0)


def _wanted(request: BaseHTTPRequestHandler, served: Served) -> tuple[int, int] | None:
    """Return the range that was asked for, or None for the whole file."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if found is None or served.ignores_range:
        return None
    condition = request.headers.get("If-Range")
    if not (served.ignores_condition or condition in (None, served.etag)):
        return None
    size = len(served.body)
    return int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
