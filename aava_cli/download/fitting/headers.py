"""Read what models need from their sources: headers by range, sizes by a question."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.download.cataloguing.drafting import file_name
from aava_cli.download.sources.ranges import open_source
from aava_cli.errors import AccessDenied, IntegrityError, NetworkError, NotFound, NotPossible
from aava_cli.gguf import check_end, read_beginning
from aava_cli.measuring.disk import need_of_config, need_of_headers, parts_of
from aava_cli.redact import shown_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.download.sources.hub import Snapshot
    from aava_cli.download.sources.resolver import Resolver
    from aava_cli.gguf import GgufHeader, Source
    from aava_cli.memory.needs import ModelNeed

# The first is more than most headers have, and none is larger than the last.
BITES = tuple((1 << 20) << step for step in range(7))
# Longer than eight million bytes take on a line of a few megabits.
HEADER_S = 30.0
_CONFIG, _INDEX = "config.json", "model.safetensors.index.json"
_MAX_JSON_BYTES = 32 << 20
_WEIGHT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}


@contextmanager
def naming(word: str) -> Iterator[None]:
    """Have what fails in the block say that it was with the model *word*, where it does not."""
    try:
        yield
    except (NetworkError, NotFound, AccessDenied, IntegrityError, NotPossible) as error:
        shown, name = shown_source(word), file_name(word)
        if shown not in error.message and (not name or f"{name}`" not in error.message):
            error.message = f"`{shown}`: {error.message}"
        raise


@dataclass(slots=True)
class Fetched:
    """Reads from sources, each in at most *limit_s*, and counts what came."""

    resolver: Resolver
    bytes: int = 0
    limit_s: float = HEADER_S

    def gguf(self, source: str, name: str) -> ModelNeed:
        """Return what the GGUF model of *source*, with all its parts, needs.

        Raises:
            IntegrityError: a header is damaged.
            NetworkError: its server cannot be reached, or is too slow.
            NotPossible: it does not give parts of a file.
            NotFound, AccessDenied: it does not give the file away.
        """
        return need_of_headers(name, [self._header(each) for each in _parts(source)])

    def size(self, source: str) -> int | None:
        """Return how large the file of *source* is, if its server says so.

        Raises:
            NetworkError, NotFound, AccessDenied: it does not give the file away.
        """
        download = self.resolver.resolve(source, digest_known=True).download
        if download.size_bytes is not None:
            return download.size_bytes
        with open_source(download, limit_s=self.limit_s) as opened:
            self.bytes += len(opened.read_at(0, 1))
            return opened.size_bytes

    def checkpoint(self, snapshot: Snapshot, name: str) -> ModelNeed:
        """Return what the transformers model in *snapshot* needs.

        Raises:
            IntegrityError: what it says of itself is damaged.
            NetworkError: the hub does not answer.
        """
        sizes = {file.path: file.size_bytes or 0 for file in snapshot.files}
        weights = sum(size for path, size in sizes.items() if path.endswith(".safetensors"))
        config = self._json(snapshot, _CONFIG)
        size = weights
        if _INDEX in sizes:
            described = self._json(snapshot, _INDEX).get("metadata")
            told = described.get("total_size") if isinstance(described, dict) else None
            size = told if isinstance(told, int) else weights
        return need_of_config(name, config, size // _weight_bytes(config), weights)

    def _header(self, source: str) -> GgufHeader:
        name = file_name(source)
        with naming(source):
            download = self.resolver.resolve(source, digest_known=True).download
            with open_source(download, limit_s=self.limit_s) as opened:
                counted = _Counted(opened, self)
                header = read_beginning(counted, name=name, bites=BITES).header
        if header is None:
            message = f"the header of `{name}` is not to be had: its server gives no parts of files"
            hint = "pull the model first, `aava models pull`, then ask for it by its name"
            raise NotPossible(message, hint=hint)
        if counted.size_bytes is not None:
            check_end(header, counted.size_bytes, name=name)
        return header

    def _json(self, snapshot: Snapshot, path: str) -> Mapping[str, object]:
        source = f"hf:{snapshot.repository}@{snapshot.commit}/{path}"
        download = self.resolver.resolve(source, digest_known=True).download
        with open_source(download, limit_s=self.limit_s) as opened:
            data = opened.read_at(0, _MAX_JSON_BYTES)
        self.bytes += len(data)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _no_json(path) from error
        if not isinstance(found, dict):
            raise _no_json(path)
        return found


class _Counted:
    """A source, the bytes of which are counted as they come."""

    def __init__(self, source: Source, fetched: Fetched) -> None:
        self._source = source
        self._fetched = fetched

    @property
    def size_bytes(self) -> int | None:
        return self._source.size_bytes

    def read_at(self, offset: int, count: int) -> bytes:
        data = self._source.read_at(offset, count)
        self._fetched.bytes += len(data)
        return data


def _parts(source: str) -> tuple[str, ...]:
    folder, slash, rest = source.rpartition("/")
    name, mark, query = rest.partition("?")
    return tuple(f"{folder}{slash}{each}{mark}{query}" for each in parts_of(name))


def _weight_bytes(config: Mapping[str, object]) -> int:
    kind = config.get("torch_dtype") or config.get("dtype")
    return _WEIGHT_BYTES.get(str(kind).removeprefix("torch."), 2)


def _no_json(path: str) -> IntegrityError:
    return IntegrityError(f"`{path}` is not a JSON object", hint="look at the repository")
