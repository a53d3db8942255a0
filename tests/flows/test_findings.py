"""What is wrong, told from what a report has, whatever shape its parts have."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

from aava_cli.errors import DaemonUnreachable, NotFound
from aava_cli.flows.doctor.bundle import write_bundle
from aava_cli.flows.doctor.examine import Examined
from aava_cli.flows.doctor.findings import Wrong, find_wrong
from aava_cli.flows.doctor.scene import Part, look_up
from aava_cli.redactor import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.errors import AavaError

WELL: dict[str, Any] = {"recovery_due": False, "degraded": False, "drift": False}


def wrong(
    status: dict[str, Any] | None = None,
    preflight: dict[str, Any] | None = None,
    error: AavaError | None = None,
) -> tuple[Wrong, ...]:
    """Return what is wrong where *status* and *preflight* were found."""
    parts = (
        Part("status.json", {**WELL, **(status or {})}, error=error),
        Part("preflight.json", preflight or {"counts": {"pass": 1}}),
    )
    return find_wrong(parts, ())


def test_nothing_is_wrong() -> None:
    """A project that is well has nothing to tell."""
    assert () == wrong()
    assert (["nothing is wrong"], None) == ([*Examined(()).text()], Examined(()).failure())


def test_checks_of_any_shape() -> None:
    """Each has a name and a status; what it says and what helps may be called otherwise."""
    old = {"name": "a", "status": "warn", "evidence": "seen", "fix": "run `x`"}
    new = {"name": "b", "status": "fail", "message": "no", "remediation": ["do", {"run": "y"}]}
    plain = {"name": "c", "status": "fail", "message": "no"}
    good = {"name": "d", "status": "pass", "message": "yes"}
    for name in ("checks", "items"):
        assert (
            Wrong("fail", "b: no", "do; y"),
            Wrong("fail", "c: no", "run `aava preflight`"),
            Wrong("warn", "a: seen", "run `x`"),
        ) == wrong(preflight={name: [old, new, plain, good, "a word"], "counts": {}})


def test_status_that_is_not_well() -> None:
    """A drift and a degraded daemon work; one that is down does not, and several are counted."""
    assert [("warn", "run `aava status --json`"), ("warn", "a, b")] == [
        (each.severity, each.next)
        for each in wrong({"degraded": True, "drift": True, "hints": ["a", "b"]})
    ]
    down = DaemonUnreachable("down", hint="start it")
    found = wrong(None, {"items": [{"name": "x", "status": "fail"}]}, down)
    failure = Examined(found).failure()
    assert failure is not None
    expected = (9, "down, and 1 more", "start it")
    assert expected == (failure.exit_code, failure.message, failure.hint)


def test_parts_that_failed() -> None:
    """What is not known is wrong, and an error brings its own hint."""

    def refuse() -> None:
        raise NotFound("none", hint="make one")

    parts = (look_up("status.json", refuse), look_up("preflight.json", lambda: 1 / 0))
    assert (
        Wrong("fail", "none", "make one"),
        Wrong("warn", "no preflight: ZeroDivisionError: division by zero", "run `aava preflight`"),
    ) == find_wrong(parts, ())
    status = Part("status.json", problem="ValueError: x")
    assert "run `aava status`" == find_wrong((status, parts[1]), ())[0].next


def test_part_that_is_too_long_is_cut(tmp_path: Path) -> None:
    """A report can be attached, whatever it has to say; lines that only look like JSON stay."""
    parts = (Part("long.json", ["word"] * 200_000), Part("log.txt", '{"a": \n{"a": 1}\n'))
    members = write_bundle(tmp_path / "b.tar.gz", parts, Redactor(()), "")
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        manifest, _summary, long, log = (archive.extractfile(each) for each in archive)
        assert manifest
        assert long
        assert log
        assert long.read().endswith(b" bytes are left out]\n")
        assert b'{"a": \n{"a": 1}\n' == log.read()
        assert [each.name for each in members] == [
            each["name"] for each in json.loads(manifest.read())["members"]
        ]
    assert members[1].size_bytes < 600_000
