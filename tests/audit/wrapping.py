"""What collectors make of lines: each takes (process, line) pairs and returns the whole log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Wrap: TypeAlias = Callable[[Iterable[tuple[str, bytes]]], bytes]

_PART = 16 << 10
_SECONDS_FROM = 1_765_746_725


def plain(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the lines alone: one process."""
    return b"".join(line + b"\n" for _, line in lines)


def logged(*calls: Iterable[bytes]) -> bytes:
    """Return a log of *calls*, one after the other, of one process."""
    return plain(("", line) for call in calls for line in call)


def compose(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `docker compose logs` prints."""
    return b"".join(b"%b  | %b\n" % (process.encode(), line) for process, line in lines)


def compose_timed(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `docker compose logs --timestamps` prints."""
    return b"".join(
        b"%b  | 2025-12-14T21:12:%02d.%09dZ %b\n" % (process.encode(), index % 60, index, line)
        for index, (process, line) in enumerate(lines)
    )


def honcho(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what honcho prints."""
    return b"".join(b"17:03:27 %b     | %b\n" % (process.encode(), line) for process, line in lines)


def journal_short(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `journalctl` prints."""
    return b"".join(
        b"Dec 14 23:12:05 host %b[812]: %b\n" % (process.encode(), line) for process, line in lines
    )


def journal_precise(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `journalctl -o short-precise` prints."""
    return b"".join(
        b"Dec 14 23:12:05.%06d host %b[812]: %b\n" % (index, process.encode(), line)
        for index, (process, line) in enumerate(lines)
    )


def journal_iso(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `journalctl -o short-iso` prints."""
    return b"".join(
        b"2025-12-14T23:12:05+0200 host %b[812]: %b\n" % (process.encode(), line)
        for process, line in lines
    )


def json_file(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what Docker's json-file driver writes; long lines come in parts."""
    entries = []
    for index, (_, line) in enumerate(lines):
        whole = line + b"\n"
        for begin in range(0, len(whole), _PART):
            entry = {
                "log": whole[begin : begin + _PART].decode("utf-8", "replace"),
                "stream": ("stdout", "stderr")[index % 2],
                "time": f"2025-12-14T21:12:05.{index:09d}Z",
            }
            entries.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
    return "".join(f"{entry}\n" for entry in entries).encode()


def journal_json(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `journalctl -o json` prints; every third message is an array of bytes."""
    records = []
    for index, (process, line) in enumerate(lines):
        message: str | list[int] = list(line) if index % 3 == 0 else line.decode("utf-8", "replace")
        record = {
            "__CURSOR": f"s={index}",
            "__REALTIME_TIMESTAMP": str((_SECONDS_FROM + index) * 1_000_000),
            "_PID": "812",
            "CONTAINER_NAME": process,
            "MESSAGE": message,
        }
        records.append(json.dumps(record))
    return "".join(f"{record}\n" for record in records).encode()


def journal_export(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `journalctl -o export` prints; every second message is binary."""
    log = b""
    for index, (process, line) in enumerate(lines):
        log += b"__CURSOR=s=%d\n__REALTIME_TIMESTAMP=%d\n_PID=812\nCONTAINER_NAME=%b\n" % (
            index,
            (_SECONDS_FROM + index) * 1_000_000,
            process.encode(),
        )
        if index % 2:
            log += b"MESSAGE\n" + len(line).to_bytes(8, "little") + line + b"\n\n"
        else:
            log += b"MESSAGE=" + line + b"\n\n"
    return log


def four_lines(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what a web console copies: time, hash, user, message."""
    return b"".join(
        b"2025-12-02 23:07:%02d.85\nabcdef12\nUser\n%b\n" % (index % 60, line)
        for index, (_, line) in enumerate(lines)
    )


def coloured(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the lines with colours, and with the cursor keys that somebody pressed."""
    return b"".join(
        b"\x1b[36m%b\x1b[0m^[[B\x1b[1m%b\x1b[0m\r\n" % (line[:9], line[9:]) for _, line in lines
    )


ONE_PROCESS: dict[str, Wrap] = {
    "plain": plain,
    "json-file": json_file,
    "four-line": four_lines,
    "coloured": coloured,
}
PROCESSES: dict[str, Wrap] = {
    "compose": compose,
    "compose-timed": compose_timed,
    "honcho": honcho,
    "journal": journal_short,
    "journal-precise": journal_precise,
    "journal-iso": journal_iso,
    "journal-json": journal_json,
    "journal-export": journal_export,
}
COLLECTORS = ONE_PROCESS | PROCESSES
