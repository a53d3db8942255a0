"""How the daemon cuts what it hears into turns, whichever engine listens."""

from __future__ import annotations

from aava_cli.backends.setting import Setting


def _segment(option: str, key: str, about: str, least: int, most: int, default: str) -> Setting:
    """Return one of the limits by which the daemon cuts what it hears; no request names them."""
    return Setting(
        option,
        f"LOCAL_STT_{key}",
        kind="integer",
        about=about,
        least=least,
        most=most,
        default=default,
    )


SEGMENTS = (
    _segment("idle_ms", "IDLE_MS", "silence that ends a turn", 100, 60_000, "5000"),
    _segment("energy", "SEGMENT_ENERGY_THRESHOLD", "loudness of speech", 0, 32_767, "1200"),
    _segment("preroll_ms", "SEGMENT_PREROLL_MS", "kept from before speech", 0, 5_000, "200"),
    _segment("min_ms", "SEGMENT_MIN_MS", "shortest speech", 0, 10_000, "250"),
    _segment("silence_ms", "SEGMENT_SILENCE_MS", "silence that ends speech", 20, 10_000, "500"),
    _segment("max_ms", "SEGMENT_MAX_MS", "longest speech", 1_000, 120_000, "12000"),
)
