"""Uploads of 20 MB at once: all are answered, and memory is bounded."""

from __future__ import annotations

import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from benchmarks.serve.setting import Peak, left_over, serving

_UPLOAD_BYTES = 20_000_000
_COUNTS = (4, 16, 64)
_TIMEOUT_S = 1800


def _recording() -> bytes:
    """Return a WAV file of form 3 with 64 bits, 8 channels at 48 kHz: 6.5 s in 20 MB."""
    frame = 8 * 8
    data = bytes(_UPLOAD_BYTES // frame * frame)
    form = struct.pack("<HHIIHH", 3, 8, 48_000, 48_000 * frame, frame, 64)
    head = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(data)) + b"WAVE" + head + data


def run(counts: tuple[int, ...] = _COUNTS) -> bool:
    """Print a line per number of uploads; return whether all were answered with 200."""
    recording, right = _recording(), True
    with serving() as daemon:
        url = f"http://127.0.0.1:{daemon.port}"

        def upload(_number: int) -> int:
            files = {"audio": ("a.wav", recording, "audio/wav")}
            with httpx.Client(trust_env=False, timeout=_TIMEOUT_S) as client:
                return client.post(f"{url}/stt", files=files).status_code

        before = psutil.Process(daemon.pid).memory_info().rss
        for count in counts:
            start = time.monotonic()
            with Peak(daemon.pid) as peak, ThreadPoolExecutor(count) as pool:
                codes = Counter(pool.map(upload, range(count)))
            took_s, grown = time.monotonic() - start, peak.resident_bytes - before
            print(
                f"{count:3} uploads: {dict(codes)} in {took_s:.1f} s, {grown / 1e6:+.0f} MB at most"
            )
            right &= codes == {200: count}
        print("left over:", left_over(daemon))
    return right
