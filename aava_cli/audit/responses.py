"""Which call a response belongs to, by the beginning of its name."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.audit.calls import Call

_MOST_RESPONSES = 4096
# Some lines shorten the name of a response to so much, others not as far.
_SHORT_BYTES = 15


class Responses:
    """The last few thousand responses of a stream, each under its name and its short name."""

    def __init__(self) -> None:
        # None for a name that responses of several calls share.
        self._calls: OrderedDict[bytes, Call | None] = OrderedDict()
        self.get = self._calls.get

    def is_known(self, response: bytes) -> bool:
        """Return whether *response* was heard of, be it as one that several calls share."""
        return response in self._calls

    def remember(self, response: bytes, call: Call | None) -> None:
        """Note that *response* is of *call*; None where that is not known."""
        for name in {response, response[:_SHORT_BYTES]}:
            known = self._calls.get(name, call)
            if known is not call:
                self._blur(name, known)
            elif call is not None and name not in self._calls:
                self._calls[name] = call
                call.responses.add(name)
        while len(self._calls) > _MOST_RESPONSES:
            name, call = self._calls.popitem(last=False)
            if call is not None:
                call.responses.discard(name)

    def set_aside(self, call: Call) -> None:
        """Know the responses of *call*, which seems to be over, only where they are asked for."""
        for name in call.responses:
            self._calls[name] = None

    def take_back(self, call: Call) -> None:
        """Know the responses of *call* as before: it goes on."""
        for name in call.responses:
            self._calls[name] = call

    def forget(self, call: Call) -> None:
        """Forget the responses of *call*, which is over."""
        for name in call.responses:
            self._calls.pop(name, None)
        call.responses.clear()

    def _blur(self, name: bytes, known: Call | None) -> None:
        self._calls[name] = None
        if known is not None:
            known.responses.discard(name)
