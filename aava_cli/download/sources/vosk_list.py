"""Vosk's list of models, which lies beside the models and says size and MD5 of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.download.sources.github import Published
from aava_cli.download.sources.http import Access, get_page
from aava_cli.download.sources.memo import Memo
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODEL = re.compile(r"(https?://[^?#]+/)(vosk-model-[^/?#]+)\.zip")
_LIST = "model-list.json"
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class VoskLists:
    """Asks for each host's list once."""

    _known: Memo[Mapping[str, Published]] = field(default_factory=Memo)

    def describe(self, url: str) -> Published:
        """Return what the list beside the model *url* says of it.

        Raises:
            NotFound: there is no list, or it does not have the model.
            NetworkError: the list cannot be had, or is none.
            AccessDenied: the host wants credentials.
        """
        found = _MODEL.fullmatch(url)
        if found is None:
            raise NotFound(f"`{url}` is no Vosk model", hint="check the address")
        page = found[1] + _LIST
        listed = self._known.get(page, lambda: _ask(page))
        if found[2] not in listed:
            message = f"the list beside it has no `{found[2]}`"
            raise NotFound(message, hint="check the address of the source")
        return listed[found[2]]


def is_vosk_model(url: str) -> bool:
    """Return whether *url* is named as the models of the list are."""
    return _MODEL.fullmatch(url) is not None


def _ask(page: str) -> Mapping[str, Published]:
    body, _ = get_page(page, Access(), accept="application/json")
    return _parse(body)


def _parse(body: bytes) -> Mapping[str, Published]:
    try:
        return {each["name"]: _entry(each) for each in json.loads(body)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "check the address of the source"
        raise NetworkError("the list of models is none", hint=hint) from error


def _entry(entry: Mapping[str, object]) -> Published:
    size, md5 = entry.get("size"), str(entry.get("md5") or "").lower()
    digest = Digest("md5", md5) if _MD5.fullmatch(md5) else None
    return Published(size if isinstance(size, int) and size > 0 else None, digest)
