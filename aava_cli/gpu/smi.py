"""What `nvidia-smi` says, where the driver's library is not where programs look for it.

A missing value is in brackets: `[N/A]`, `[Not Supported]`, `[Insufficient Permissions]`.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from aava_cli.gpu import programs
from aava_cli.gpu.codes import problem_said
from aava_cli.gpu.facts import Broken, Gpu, Gpus, Holder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aava_cli.gpu.programs import Ran

TIMEOUT_S = 4.0
# Windows lays it there, and not every distribution has the folder on its PATH.
WSL_PROGRAM = "/usr/lib/wsl/lib/nvidia-smi"

_FIELDS = ("index", "name", "uuid", "pci.bus_id", "memory.total", "memory.free", "driver_version")
# Drivers before 510 do not know the first, those before 450 not the second.
_NEWER_FIELDS = ("compute_cap", "mig.mode.current")
_UNKNOWN_FIELD = 2
_MIB = 1 << 20
# The driver works, and none of its devices does.
_NONE = "No devices were found"
_LISTED = re.compile(r"^GPU (\d+): .*\(UUID: (\S+?)\)")
_LISTED_SLICE = re.compile(r"^\s+(MIG \S+)\s+Device\s+\d+: \(UUID: (\S+?)\)")


def find_program() -> str | None:
    """Return where `nvidia-smi` is, if it is."""
    return shutil.which("nvidia-smi") or shutil.which(WSL_PROGRAM)


def ask_nvidia_smi(program: str) -> Gpus:
    """Return the devices that the driver's *program* lists."""
    fields: tuple[str, ...] = (*_FIELDS, *_NEWER_FIELDS)
    ran = _query(program, "gpu", fields)
    if ran is not None and ran.exit_code == _UNKNOWN_FIELD:
        fields = _FIELDS
        ran = _query(program, "gpu", fields)
    if ran is None:
        return _nothing("no-answer", f"no answer within {TIMEOUT_S:g} s")
    if ran.exit_code and _NONE not in ran.said:
        return _nothing(problem_said(ran.exit_code, ran.said), ran.said)
    rows = tuple(_rows(ran.stdout, fields))
    return _gpus(program, rows)


def _nothing(problem: str, detail: str) -> Gpus:
    return Gpus(problem=problem, detail=detail, source="nvidia-smi")  # type: ignore[arg-type]


def _query(program: str, subject: str, fields: Sequence[str]) -> Ran | None:
    argv = (program, f"--query-{subject}={','.join(fields)}", "--format=csv,noheader,nounits")
    return programs.run(argv, timeout_s=TIMEOUT_S)


def _rows(printed: str, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield what is known of each line; `No devices were found` is a line too, of no fields."""
    for line in printed.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(fields):
            yield {
                name: value
                for name, value in zip(fields, values, strict=True)
                if value and not value.startswith("[")
            }


def _gpus(program: str, rows: Sequence[Mapping[str, str]]) -> Gpus:
    holders = _holders(program) if rows else {}
    cut = any(row.get("mig.mode.current") == "Enabled" for row in rows)
    slices = _listed_slices(program) if cut else {}
    found = [each for row in rows for each in _devices(row, holders, slices)]
    return Gpus(
        devices=tuple(each for each in found if isinstance(each, Gpu)),
        driver=rows[0].get("driver_version") if rows else None,
        broken=tuple(each for each in found if isinstance(each, Broken)),
        source="nvidia-smi",
    )


def _devices(
    row: Mapping[str, str],
    holders: Mapping[str, tuple[Holder, ...]],
    slices: Mapping[str, tuple[tuple[str, str], ...]],
) -> Iterator[Gpu | Broken]:
    gpu = _gpu(row, holders)
    if row.get("mig.mode.current") != "Enabled":
        yield gpu
        return
    parts = slices.get(gpu.uuid, ())
    if not parts:
        yield Broken(gpu.index, "uncut", "MIG is on, and it has no instance")
    for name, uuid in parts:
        # How much memory a slice has is not in this answer: its name says it.
        yield Gpu(
            f"{gpu.name} {name}",
            uuid,
            compute=gpu.compute,
            index=gpu.index,
            bus_id=gpu.bus_id,
            parent=gpu.uuid,
        )


def _gpu(row: Mapping[str, str], holders: Mapping[str, tuple[Holder, ...]]) -> Gpu:
    major, _, minor = row.get("compute_cap", "").partition(".")
    uuid = row.get("uuid", "")
    return Gpu(
        name=row.get("name") or "unnamed GPU",
        uuid=uuid,
        total_bytes=_mib(row.get("memory.total")),
        free_bytes=_mib(row.get("memory.free")),
        compute=(int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None,
        index=int(row.get("index", "0")),
        bus_id=row.get("pci.bus_id", ""),
        holders=holders.get(uuid, ()),
    )


def _holders(program: str) -> dict[str, tuple[Holder, ...]]:
    fields = ("gpu_uuid", "pid", "process_name", "used_gpu_memory")
    ran = _query(program, "compute-apps", fields)
    found: dict[str, tuple[Holder, ...]] = {}
    for row in _rows(ran.stdout if ran and not ran.exit_code else "", fields):
        uuid, pid = row.get("gpu_uuid", ""), row.get("pid", "")
        if pid.isdecimal():
            name = row.get("process_name")
            holder = Holder(
                int(pid), name and name.rpartition("/")[2], _mib(row.get("used_gpu_memory"))
            )
            found[uuid] = (*found.get(uuid, ()), holder)
    return found


def _listed_slices(program: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the slices, name and UUID, of each GPU by its UUID."""
    ran = programs.run((program, "-L"), timeout_s=TIMEOUT_S)
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    uuid = ""
    for line in (ran.stdout if ran else "").splitlines():
        if whole := _LISTED.match(line):
            uuid = whole[2]
        elif part := _LISTED_SLICE.match(line):
            found[uuid] = (*found.get(uuid, ()), (part[1], part[2]))
    return found


def _mib(value: str | None) -> int | None:
    return int(value) * _MIB if value and value.isdecimal() else None
