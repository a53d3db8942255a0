"""Bodies of HTTP requests, bounded in size and time, and clients that do not wait for answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from aava_cli.output import human_bytes
from aava_cli.serve.gate import Refused, invalid
from aava_cli.serve.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine

    from starlette.requests import Request

    from aava_cli.serve.limits import Limits

_T = TypeVar("_T")

_LARGEST_JSON_BYTES = MIB
_FIELDS = 8
_SLICE_BYTES = 16 << 10


async def read_json(request: Request, limits: Limits) -> dict[str, Any]:
    """Return the object in the body of *request*.

    Raises:
        Refused: it is none, too large, or too slow.
    """
    most = min(_LARGEST_JSON_BYTES, limits.body_bytes)
    async with _in_time(limits):
        body = b"".join([chunk async for chunk in _bounded(request, most)])
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(
            422, [{"type": "json_invalid", "loc": ["body"], "msg": "not JSON"}]
        ) from error
    if not isinstance(parsed, dict):
        raise Refused(422, [{"type": "dict_type", "loc": ["body"], "msg": "expected an object"}])
    return parsed


@asynccontextmanager
async def sent_file(request: Request, name: str, limits: Limits) -> AsyncIterator[BinaryIO]:
    """Have the file in the field *name* of a form for the block; nothing of it is left behind.

    What is larger than a megabyte lies in a file without a name, in the system's folder for
    such files.

    Raises:
        Refused: there is no such field, or the body is no form, too large, or too slow.
    """
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise _missing(name)
    kind = request.headers["content-type"]
    stream = _in_slices(_from_boundary(_bounded(request, limits.body_bytes), kind))
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=_FIELDS)
    try:
        async with _in_time(limits):
            form = await parser.parse()
    except MultiPartException as error:
        raise invalid(name, error.message) from error
    try:
        found = form.get(name)
        if not isinstance(found, UploadFile):
            raise _missing(name)
        yield found.file
    finally:
        await form.close()


def _missing(name: str) -> Refused:
    problem = {"type": "missing", "loc": ["body", name], "msg": "Field required"}
    return Refused(422, [problem])


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """Yield the body of *request*, and stop where it becomes larger than *most* bytes."""
    announced = request.headers.get("content-length", "")
    read = int(announced) if announced.isdecimal() and int(announced) > most else 0
    if not read:
        async for chunk in request.stream():
            read += len(chunk)
            if read > most:
                break
            yield chunk
    if read > most:
        raise Refused(413, f"a body may have {human_bytes(most)}")


async def _in_slices(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield *stream* in slices; others get their turn after each, however long it takes to read."""
    async for piece in stream:
        for at in range(0, len(piece), _SLICE_BYTES):
            yield piece[at : at + _SLICE_BYTES]
            await asyncio.sleep(0)


async def _from_boundary(
    stream: AsyncGenerator[bytes, None], content_type: str
) -> AsyncGenerator[bytes, None]:
    """Yield *stream* without what is before the first part, which RFC 2046 has readers ignore."""
    from python_multipart.multipart import parse_options_header

    mark = b"--" + parse_options_header(content_type)[1].get(b"boundary", b"")
    before = b"\r\n"
    async for piece in stream:
        # A mark stands at the beginning of a line, and may be cut in two.
        before += piece
        found = before.find(b"\r\n" + mark)
        if found >= 0:
            yield before[found + 2 :]
            break
        before = before[-len(mark) - 1 :]
    async for piece in stream:
        yield piece


@asynccontextmanager
async def _in_time(limits: Limits) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limits.upload_s):
            yield
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {limits.upload_s:g} s") from error


async def for_whom_waits(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what *work* returns; it is dropped where whoever asked leaves before.

    Raises:
        ClientDisconnect: nobody waits any more.
    """
    from starlette.requests import ClientDisconnect

    doing, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
