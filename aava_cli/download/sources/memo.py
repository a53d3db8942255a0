"""Ask once what several threads want to know."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memo(Generic[T]):
    """Answers by question; who asks while another does gets the same answer, or failure."""

    def __init__(self) -> None:
        self._answers: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, question: str, ask: Callable[[], T]) -> T:
        """Return what *ask* returned for *question*; after a failure it is asked again."""
        with self._lock:
            known = self._answers.get(question)
            if known is None:
                mine = self._answers[question] = Future()
        if known is not None:
            return known.result()
        try:
            mine.set_result(ask())
        except BaseException as error:
            with self._lock:
                del self._answers[question]
            mine.set_exception(error)
            raise
        return mine.result()
