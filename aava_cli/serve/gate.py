"""Who may ask over HTTP, how many at once, and how an answer that is none looks."""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aava_cli.daemon.address import is_loopback
from aava_cli.serve.connection import RETRY_AFTER_S, is_foreign_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.serve.protocol import Daemon

_BEARER = "bearer "
TOKEN_HEADER = "x-auth-token"  # noqa: S105 - where a token is, not one


class Refused(Exception):
    """The answer is an error: its status, its `detail` and its headers."""

    def __init__(
        self,
        status: int,
        detail: object,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def try_later(problem: str) -> Refused:
    """Return the refusal of what would be done at another time."""
    return Refused(503, problem, {"Retry-After": str(RETRY_AFTER_S)})


def invalid(field_: str, problem: str) -> Refused:
    """Return the refusal of a body whose *field_* is wrong, in the form that FastAPI gives it."""
    return Refused(422, [{"type": "value_error", "loc": ["body", field_], "msg": problem}])


def _is_this_machine(host: str | None) -> bool:
    """Whether a request was sent to this machine by name: a page may give it a name of its own."""
    if host is None:
        return True
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


@dataclass(slots=True)
class Gate:
    """Lets requests in: those of friends, and so many at once."""

    daemon: Daemon
    inside: int = 0

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether *headers* bring the token, or none is needed."""
        token = self.daemon.token
        if not token:
            is_foreign = is_foreign_page(headers.get("origin"))
            return not is_foreign and _is_this_machine(headers.get("host"))
        said = headers.get("authorization", "")
        bearer = said[len(_BEARER) :] if said.lower().startswith(_BEARER) else ""
        offered = (bearer or headers.get(TOKEN_HEADER, "")).strip()
        # What is not ASCII comes as UTF-8 from some programs, and as Latin-1 from others.
        raw, decoded = offered.encode("latin-1", "replace"), offered.encode("utf-8", "replace")
        right = token.encode()
        return hmac.compare_digest(raw, right) | hmac.compare_digest(decoded, right)

    def require_friend(self, headers: Mapping[str, str]) -> None:
        """Refuse who brings no token, or comes from the page of another machine.

        Raises:
            Refused: with 401, or 403 where no token would help.
        """
        if self.knows(headers):
            return
        if self.daemon.token:
            problem = "bring the token: `Authorization: Bearer TOKEN`"
            raise Refused(401, problem, self.challenge())
        raise Refused(403, "pages of other machines may not ask")

    def challenge(self) -> dict[str, str]:
        """Return the headers that tell a stranger how to become a friend."""
        return {"WWW-Authenticate": "Bearer"} if self.daemon.token else {}

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count the block among those that keep the models busy.

        Raises:
            Refused: with 503, there are enough of them, or the daemon is about to end.
        """
        shared = self.daemon.shared
        if shared.stopping:
            raise try_later(str(shared.refusal("the daemon is stopping")))
        if self.inside >= shared.limits.requests:
            problem = f"{self.inside} requests are being answered already"
            raise try_later(str(shared.refusal(problem)))
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
