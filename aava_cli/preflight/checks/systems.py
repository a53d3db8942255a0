"""Until when each system gets fixes for nothing.

Debian and Ubuntu: `debian.csv` (column `eol-lts`) and `ubuntu.csv` (column `eol`) of the Debian
package `distro-info-data`. CentOS: its own end-of-life notices, as kept in the repository
adoptium/infrastructure (wiki, "End of support date for OS distributions"). RHEL 7 to 10: the
end of maintenance in Red Hat's life cycle, which Rocky, Alma and Oracle Linux follow. Fedora
says it itself, as `SUPPORT_END` of os-release(5).
"""

from __future__ import annotations

_RHEL = {"7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"}
_ENDS = {
    "almalinux": _RHEL,
    "centos": {"6": "2020-11-30", "7": "2024-06-30", "8": "2021-12-31", "9": "2027-05-31"},
    "debian": {
        "8": "2020-06-30",
        "9": "2022-06-30",
        "10": "2024-06-30",
        "11": "2026-08-31",
        "12": "2028-06-30",
        "13": "2030-06-30",
    },
    "ol": _RHEL,
    "rhel": _RHEL,
    "rocky": _RHEL,
    "ubuntu": {
        "16.04": "2021-04-30",
        "18.04": "2023-05-31",
        "20.04": "2025-05-29",
        "22.04": "2027-06-01",
        "22.10": "2023-07-20",
        "23.04": "2024-01-25",
        "23.10": "2024-07-11",
        "24.04": "2029-05-31",
        "24.10": "2025-07-10",
        "25.04": "2026-01-15",
        "25.10": "2026-07-09",
        "26.04": "2031-05-29",
    },
}


def support_end(os_id: str, version: str) -> str | None:
    """Return the last day (ISO) on which the system gets fixes, None where nobody told us."""
    ends = _ENDS.get(os_id, {})
    return ends.get(version) or ends.get(version.partition(".")[0])
