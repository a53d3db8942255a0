"""Asking the hub and the host that it keeps files on: real servers, real names, no hub."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import pytest

from aava_cli.catalog import parse_catalog
from aava_cli.preflight.networkfacts import Answered, Names
from aava_cli.preflight.probing.hub import (
    ask_downloads,
    ask_hub,
    endpoint,
    file_url,
    find_names,
    late,
    late_names,
    offline_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.catalog import Catalog

TEXT = """\
[models.far]
name = "Far"
role = "stt"
backend = "kroko"
files = [{ path = "kroko/a.data", sources = ["https://example.invalid/a", "hf:org/repo@v1/x/a b"] }]
"""


@pytest.fixture(autouse=True)
def online(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow to ask the hub that a test has; *offline* would forbid it."""
    assert offline is None
    monkeypatch.delenv("HF_HUB_OFFLINE")


class Handler(BaseHTTPRequestHandler):
    """Answers HEAD as the test says: with a status, a place to go to, a time."""

    status = 200
    location: str | None = None
    ahead_s: float | None = 0.0
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        """Answer."""
        type(self).asked.append(self.path)
        self.send_response_only(self.status)
        if self.ahead_s is not None:
            self.send_header("Date", formatdate(time() + self.ahead_s, usegmt=True))
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@contextmanager
def server(
    status: int = 200,
    location: str | None = None,
    ahead_s: float | None = 0.0,
    host: str = "127.0.0.1",
) -> Iterator[tuple[str, list[str]]]:
    """Yield the root of a server that answers so, and the paths that it is asked for."""
    asked: list[str] = []
    words = {"status": status, "location": location, "ahead_s": ahead_s, "asked": asked}
    with ThreadingHTTPServer((host, 0), type("Said", (Handler,), words)) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{host}:{listening.server_address[1]}", asked
        listening.shutdown()
        thread.join()


def catalog(text: str = TEXT) -> Catalog:
    """Return a catalog with one model on the hub."""
    return parse_catalog(text, name="test")


def use_hub(monkeypatch: pytest.MonkeyPatch, root: str) -> str:
    """Have *root* be the hub, and return its name."""
    monkeypatch.setenv("HF_ENDPOINT", root)
    return urlsplit(root).hostname or ""


def test_a_hub_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It also tells the time; this host's clock is a minute behind its."""
    with server(ahead_s=60.0) as (root, _asked):
        host = use_hub(monkeypatch, root)
        found = ask_hub()
    assert (found.host, found.status, found.problem) == (host, 200, None)
    assert found.skew_s is not None
    assert -63 < found.skew_s < -57


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_refusal_is_an_answer(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """What it means is for the check to say."""
    with server(status, ahead_s=None) as (root, _asked):
        use_hub(monkeypatch, root)
        found = ask_hub()
    assert (found.status, found.problem, found.skew_s) == (status, None, None)


def test_a_hub_that_is_down_or_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than was said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        root = f"http://127.0.0.1:{listening.getsockname()[1]}"
        use_hub(monkeypatch, root)
        assert ask_hub(timeout_s=0.1).problem == "no answer within 0.1 s"
    assert ask_hub().problem == "Connection refused"


def test_a_server_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else listens there."""

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        use_hub(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}")
        found = ask_hub()
        thread.join()
    assert (found.status, "SSH-2.0" in (found.problem or "")) == (None, True)


def test_files_are_asked_for_where_the_hub_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of large files is another one, and may be the one that is closed."""
    with (
        server(host="127.0.0.2") as (files, asked),
        server(302, f"{files}/blob") as (root, hub_asked),
    ):
        use_hub(monkeypatch, root)
        found = ask_downloads(catalog)
    assert (found and found.host, found and found.status) == ("127.0.0.2", 200)
    assert (hub_asked, asked) == (["/org/repo/resolve/v1/x/a%20b"], ["/blob"])


def test_a_download_host_that_is_closed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub itself answers well."""
    with server(302, "http://127.0.0.3:9/blob") as (root, _asked):
        use_hub(monkeypatch, root)
        found = ask_downloads(catalog)
    assert found == Answered("127.0.0.3", problem="Connection refused")


@pytest.mark.parametrize(("status", "location"), [(200, None), (307, "/other")])
def test_a_hub_that_keeps_its_files_itself(
    monkeypatch: pytest.MonkeyPatch, status: int, location: str | None
) -> None:
    """A mirror has them, or sends to another name of its own."""
    with server(status, location) as (root, asked):
        host = use_hub(monkeypatch, root)
        found = ask_downloads(catalog)
    assert (found and found.host, found and found.status, len(asked)) == (host, status, 1)


def test_a_catalog_without_the_hub_asks_nobody() -> None:
    """All its models are elsewhere."""
    elsewhere = catalog(TEXT.replace(', "hf:org/repo@v1/x/a b"', ""))
    assert ask_downloads(lambda: elsewhere) is None
    assert file_url(elsewhere) is None


@pytest.mark.parametrize(
    "name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_OFFLINE", "HF_FORCE_OFFLINE"]
)
def test_nothing_is_asked_where_a_variable_forbids_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Which one does is told."""
    with server() as (root, asked):
        host = use_hub(monkeypatch, root)
        monkeypatch.setenv(name, "1")
        assert ask_hub() == Answered(host, offline=name)
        assert ask_downloads(catalog) == Answered(host, offline=name)
        assert find_names() == Names(host, offline=name)
    assert asked == []
    assert offline_by({name: "0"}) is None


def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any program does; one that is none has no address."""
    use_hub(monkeypatch, "http://localhost:1")
    assert set(find_names().addresses) <= {"127.0.0.1", "::1"}
    use_hub(monkeypatch, "http://hub.invalid")
    found = find_names()
    assert (found.addresses, bool(found.problem)) == ((), True)


def test_a_proxy_is_asked_in_place_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows names that this host does not; its password is not told."""
    use_hub(monkeypatch, "http://hub.invalid")
    with server() as (root, asked):
        place = root.removeprefix("http://")
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{place}")
        found, names = ask_hub(), find_names()
    assert (found.status, found.proxy) == (200, f"http://***@{place}")
    assert (names.proxy, asked) == (f"http://***@{place}", ["http://hub.invalid"])


def test_a_proxy_for_everything_counts_where_none_is_for_this(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be written without its scheme; exceptions are spared it."""
    with server() as (root, asked):
        monkeypatch.setenv("ALL_PROXY", root.removeprefix("http://"))
        use_hub(monkeypatch, "http://hub.invalid")
        assert ask_hub().proxy == root
        use_hub(monkeypatch, root)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert (ask_hub().proxy, ask_hub().status) == (None, 200)
    assert asked[0] == "http://hub.invalid"


def test_a_socks_proxy_is_only_tried_for_being_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is behind it, downloads find out."""
    use_hub(monkeypatch, "https://hub.invalid")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        proxy = f"socks5://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("ALL_PROXY", proxy)
        assert ask_hub() == Answered("hub.invalid", proxy=proxy)
    assert ask_hub().problem == "the proxy: Connection refused"


def test_being_late_is_an_answer_about_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning then, not a fact that is missing."""
    host = use_hub(monkeypatch, "https://hub.invalid/")
    assert (late().host, late_names().host) == (host, host)
    assert (late().problem, late_names().problem) == ("no answer in time", "no answer in time")


def test_the_hub_is_the_librarys_own_where_nobody_names_another() -> None:
    """Its address is written nowhere else."""
    from huggingface_hub.constants import ENDPOINT

    assert "HF_ENDPOINT" not in os.environ
    assert endpoint() == ENDPOINT
    url = file_url(catalog())
    assert url is not None
    assert url.startswith(f"{ENDPOINT}/org/repo/")
