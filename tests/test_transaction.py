"""All or nothing: through failing steps, interruptions, kills and other programs' writes."""

from __future__ import annotations

import base64
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import (
    AavaError,
    ConfigError,
    NotPossible,
    RecoveryDue,
    RolledBack,
    Terminated,
)
from aava_cli.journal import Journal, Record
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out, recover

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.journal import StepLoader
    from aava_cli.steps import Step

Trouble: TypeAlias = Literal["error", "os", "bug", "interrupt", "terminate"]
TROUBLES: tuple[Trouble, ...] = ("error", "os", "bug", "interrupt", "terminate")
FILE_KINDS: Mapping[str, StepLoader] = {"write-file": WriteFile.from_json}


class Failed(AavaError):
    """What a step raises when it is told to fail."""


def make_trouble(trouble: Trouble | None) -> None:
    """Raise what *trouble* stands for."""
    match trouble:
        case "error":
            raise Failed("it did not load", hint="run `aava preflight`")
        case "os":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        case "bug":
            raise ZeroDivisionError
        case "interrupt":
            raise KeyboardInterrupt
        case "terminate":
            raise Terminated
        case None:
            return


@dataclass(slots=True)
class World:
    """What the fake steps change, and the order in which they did."""

    new: set[int] = field(default_factory=set)
    undone: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FakeStep:
    """A step that changes one number of a world, and fails where it is told to."""

    world: World
    number: int
    at_check: Trouble | None = None
    at_apply: Trouble | None = None
    halfway: bool = False
    at_undo: Trouble | None = None
    kind: str = "fake"

    def check(self) -> None:
        """Fail if so told."""
        make_trouble(self.at_check)

    def apply(self) -> None:
        """Make the change, unless it fails before it, or halfway."""
        if self.halfway:
            self.world.new.add(self.number)
        make_trouble(self.at_apply)
        self.world.new.add(self.number)

    def undo(self, *, recovering: bool) -> None:
        """Take the change back; a recovery finds nothing in the way any more."""
        if not recovering:
            make_trouble(self.at_undo)
        self.world.new.discard(self.number)
        self.world.undone.append(self.number)

    def to_json(self) -> dict[str, Any]:
        """Name the number."""
        return {"number": self.number}

    @classmethod
    def from_json(cls, world: World, fields: Mapping[str, Any]) -> FakeStep:
        """Return a step that undoes the same number."""
        return cls(world, fields["number"])


def fine() -> None:
    """Verify that all is well."""


def journal_in(folder: Path) -> Journal:
    """Return the journal of a project."""
    return Journal(folder / ".aava")


def history_of(folder: Path) -> list[str]:
    """Return how the changes of a project ended, oldest first."""
    names = sorted(path.name for path in (folder / ".aava" / "history").iterdir())
    return [name.removesuffix(".json").partition("-")[2] for name in names]


def mode_of(path: Path) -> int:
    """Return the permission bits of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


def test_all_steps_hold_after_success(tmp_path: Path) -> None:
    """The change is in the history, and nothing is under way."""
    world, journal = World(), journal_in(tmp_path)
    carry_out(tuple(FakeStep(world, number) for number in range(3)), journal, verify=fine)
    assert ({0, 1, 2}, []) == (world.new, world.undone)
    assert (False, ["committed"]) == (journal.is_open, history_of(tmp_path))


def test_failed_step_is_undone_with_those_before_it_newest_first(tmp_path: Path) -> None:
    """What was never begun is left alone."""
    world = World()
    steps = (
        FakeStep(world, 0),
        FakeStep(world, 1),
        FakeStep(world, 2, at_apply="error", halfway=True),
        FakeStep(world, 3),
    )
    with pytest.raises(RolledBack) as caught:
        carry_out(steps, journal_in(tmp_path), verify=fine)
    assert (set(), [2, 1, 0]) == (world.new, world.undone)
    assert caught.value.message == "it did not load; the previous configuration is active again"
    assert caught.value.hint == "run `aava preflight`"
    assert history_of(tmp_path) == ["rolled-back"]


def test_step_that_cannot_be_undone_does_not_keep_the_others(tmp_path: Path) -> None:
    """As much as possible is old again, and the journal is kept for the rest."""
    world, journal = World(), journal_in(tmp_path)
    steps = (
        FakeStep(world, 0),
        FakeStep(world, 1, at_undo="error"),
        FakeStep(world, 2, at_apply="os"),
    )
    with pytest.raises(RecoveryDue, match="could not be restored: it did not load") as caught:
        carry_out(steps, journal, verify=fine)
    assert "Input/output error" in caught.value.message
    assert caught.value.hint == "run `aava recover`"
    assert ({1}, [2, 0], True) == (world.new, world.undone, journal.is_open)
    assert recover(journal, {"fake": partial(FakeStep.from_json, world)}).undone_steps == 3
    assert (set(), False) == (world.new, journal.is_open)


def test_hint_of_a_step_that_knows_better_is_kept(tmp_path: Path) -> None:
    """A step that says what to do first is not overruled."""
    path = tmp_path / ".env"
    path.write_bytes(b"old")

    def overwrite() -> None:
        path.write_bytes(b"theirs")
        make_trouble("error")

    step = WriteFile.change(path, b"old", b"new")
    with pytest.raises(RecoveryDue) as caught:
        carry_out((step,), journal_in(tmp_path), verify=overwrite)
    assert f"move your version of `{path}` away" in caught.value.hint


def test_nothing_begins_when_the_world_has_changed(tmp_path: Path) -> None:
    """Every step is checked before the first one; there is not even a journal."""
    world, journal = World(), journal_in(tmp_path)
    steps = (FakeStep(world, 0), FakeStep(world, 1, at_check="error"))
    with pytest.raises(Failed):
        carry_out(steps, journal, verify=fine)
    assert (set(), [], False) == (world.new, world.undone, journal.is_open)


def test_verification_of_the_whole_decides(tmp_path: Path) -> None:
    """Steps that each went well are undone when the whole is not as wished."""
    world = World()
    with pytest.raises(RolledBack):
        carry_out((FakeStep(world, 0),), journal_in(tmp_path), verify=lambda: make_trouble("error"))
    assert (set(), [0]) == (world.new, world.undone)


def test_open_journal_stops_every_other_change(tmp_path: Path) -> None:
    """Whatever comes next says that recovery is due, names the command and touches nothing."""
    world, journal = World(), journal_in(tmp_path)
    journal.write(Record("aava switch --stt vosk", 0.0, 1), ())
    with pytest.raises(RecoveryDue, match="`aava switch --stt vosk` of ") as caught:
        carry_out((FakeStep(world, 0),), journal, verify=fine)
    assert (set(), "run `aava recover` to bring the old state back") == (
        world.new,
        caught.value.hint,
    )


TROUBLE = st.none() | st.sampled_from(TROUBLES)
CHANCES = st.tuples(TROUBLE, TROUBLE, st.booleans(), TROUBLE)
EXPECTED: Mapping[str | None, tuple[type[BaseException], ...]] = {
    "error": (RolledBack, Failed),
    "os": (RolledBack, OSError),
    "bug": (ZeroDivisionError,),
    "interrupt": (KeyboardInterrupt,),
    "terminate": (Terminated,),
}


@contextmanager
def ending() -> Iterator[list[BaseException | None]]:
    """Collect how the block ended."""
    ended: list[BaseException | None] = [None]
    try:
        yield ended
    except BaseException as error:  # noqa: BLE001 - any ending is looked at
        ended[0] = error


@given(chances=st.lists(CHANCES, max_size=4), at_verify=TROUBLE)
def test_everything_is_new_or_old_or_recovery_makes_it_old(
    tmp_path_factory: pytest.TempPathFactory,
    chances: list[tuple[Trouble | None, Trouble | None, bool, Trouble | None]],
    at_verify: Trouble | None,
) -> None:
    """Whatever fails and wherever: success means all, failure none, and else recovery is due."""
    folder = tmp_path_factory.mktemp("project")
    world, journal = World(), journal_in(folder)
    steps = tuple(
        FakeStep(world, number, check, apply, halfway, undo)
        for number, (check, apply, halfway, undo) in enumerate(chances)
    )
    with ending() as ended:
        carry_out(steps, journal, verify=lambda: make_trouble(at_verify))
    match ended[0]:
        case None:
            assert set(range(len(steps))) == world.new
            assert not journal.is_open
        case RecoveryDue():
            assert journal.is_open
            recover(journal, {"fake": partial(FakeStep.from_json, world)})
            assert (set(), False) == (world.new, journal.is_open)
        case error:
            assert (set(), False) == (world.new, journal.is_open)
            first = next(each for each in _troubles(chances, at_verify) if each)
            assert isinstance(error, EXPECTED[first])


def _troubles(
    chances: list[tuple[Trouble | None, Trouble | None, bool, Trouble | None]],
    at_verify: Trouble | None,
) -> list[Trouble | None]:
    """Return the troubles in the order in which they are met."""
    checks = [check for check, _apply, _halfway, _undo in chances]
    return [*checks, *(apply for _check, apply, _halfway, _undo in chances), at_verify]


def test_interruption_after_the_commit_changes_nothing(tmp_path: Path) -> None:
    """The rename is the commit; what comes a moment later is too late to undo it."""
    world = World()

    class Interrupted(Journal):
        def close(self, outcome: str) -> None:
            super().close(outcome)
            raise KeyboardInterrupt

    carry_out((FakeStep(world, 0),), Interrupted(tmp_path / ".aava"), verify=fine)
    assert ({0}, [], ["committed"]) == (world.new, world.undone, history_of(tmp_path))


def test_journal_that_cannot_be_closed_after_the_undo_is_kept(tmp_path: Path) -> None:
    """An undo that nobody recorded is finished by `recover`, which finds nothing to change."""
    world = World()

    class Broken(Journal):
        def close(self, outcome: str) -> None:
            raise OSError(errno.EIO, outcome)

    with pytest.raises(RecoveryDue):
        carry_out((FakeStep(world, 0),), Broken(tmp_path / ".aava"), verify=fine)
    assert journal_in(tmp_path).is_open
    recover(journal_in(tmp_path), {"fake": partial(FakeStep.from_json, world)})
    assert set() == world.new


@pytest.mark.parametrize(
    ("trouble", "how"), [("interrupt", "interrupted"), ("terminate", "terminated")]
)
def test_interrupted_undo_says_so_in_words(tmp_path: Path, trouble: Trouble, how: str) -> None:
    """Whoever presses Ctrl-C twice reads what that means."""
    steps = (FakeStep(World(), 0, at_undo=trouble),)
    with pytest.raises(RecoveryDue) as caught:
        carry_out(steps, journal_in(tmp_path), verify=lambda: make_trouble("interrupt"))
    assert caught.value.message == f"{how} while the old state was being restored"
    assert (caught.value.hint, journal_in(tmp_path).is_open) == ("run `aava recover`", True)


def test_journal_that_cannot_be_written_begins_nothing(tmp_path: Path) -> None:
    """Without a way back there is no way forth."""
    world = World()
    (tmp_path / ".aava").write_bytes(b"")
    with pytest.raises(OSError):
        carry_out((FakeStep(world, 0),), journal_in(tmp_path), verify=fine)
    assert (set(), []) == (world.new, world.undone)


def test_journal_is_private(tmp_path: Path) -> None:
    """It holds the bytes of `.env`, tokens and all."""
    journal_in(tmp_path).write(Record("aava switch", 0.0, 1), ())
    state = tmp_path / ".aava"
    assert (0o700, 0o600) == (mode_of(state), mode_of(state / "journal.json"))
    journal_in(tmp_path).close("committed")
    [kept] = (state / "history").iterdir()
    assert (0o700, 0o600) == (mode_of(state / "history"), mode_of(kept))


def test_history_keeps_every_change(tmp_path: Path) -> None:
    """Two changes in one second are two entries."""
    for _ in range(3):
        carry_out((FakeStep(World(), 0),), journal_in(tmp_path), verify=fine)
    assert history_of(tmp_path) == ["committed"] * 3


GOOD = {"schema": 1, "command": "x", "started_at": 0, "pid": 1}
GOOD |= {"started_steps": 1, "finished_steps": 0}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b"[1]",
        b"null",
        b"{}",
        json.dumps({**GOOD, "schema": 2, "steps": []}).encode(),
        json.dumps({**GOOD, "pid": None, "steps": []}).encode(),
        json.dumps(GOOD).encode(),
    ],
)
def test_garbage_instead_of_a_journal_is_named(tmp_path: Path, content: bytes) -> None:
    """No command goes on, and none overwrites what may still help."""
    path = tmp_path / ".aava" / "journal.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        journal_in(tmp_path).require_none()
    with pytest.raises(ConfigError, match=str(path)) as caught:
        recover(journal_in(tmp_path), FILE_KINDS)
    assert content == path.read_bytes()
    assert f"then move `{path}` away" in caught.value.hint
    path.rename(tmp_path / "elsewhere")
    carry_out((), journal_in(tmp_path), verify=fine)
    assert ["committed"] == history_of(tmp_path)


@pytest.mark.parametrize(
    "steps", [None, 7, [None], [{}], [{"kind": "magic"}], [{"kind": "write-file", "path": "x"}]]
)
def test_unknown_steps_are_not_undone_in_part(tmp_path: Path, steps: object) -> None:
    """A journal of another version is left for that version."""
    path = tmp_path / ".aava" / "journal.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**GOOD, "steps": steps}))
    with pytest.raises(ConfigError, match="is not a journal that this version"):
        recover(journal_in(tmp_path), FILE_KINDS)
    assert path.exists()


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """Return a file that a change writes."""
    path = tmp_path / ".env"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def test_file_is_written_with_its_mode_and_owner(env_file: Path, tmp_path: Path) -> None:
    """Only the bytes differ, and after an undo not even they."""
    if os.geteuid() == 0:
        os.chown(env_file, 4321, 4322)
    before = env_file.stat()
    step = WriteFile.change(env_file, b"old", b"new")
    carry_out((step,), journal_in(tmp_path), verify=fine)
    assert b"new" == env_file.read_bytes()
    step.undo(recovering=False)
    after = env_file.stat()
    assert b"old" == env_file.read_bytes()
    assert [before.st_mode, before.st_uid, before.st_gid] == [
        after.st_mode,
        after.st_uid,
        after.st_gid,
    ]


def test_removed_file_comes_back_as_it_was(env_file: Path) -> None:
    """Bytes, mode and owner are in the journal, so the file itself is not needed."""
    if os.geteuid() == 0:
        os.chown(env_file, 4321, 4322)
    before = env_file.stat()
    step = WriteFile.from_json(WriteFile.change(env_file, b"old", b"new").to_json())
    env_file.unlink()
    step.undo(recovering=True)
    after = env_file.stat()
    assert (b"old", before.st_mode) == (env_file.read_bytes(), after.st_mode)
    assert (before.st_uid, before.st_gid) == (after.st_uid, after.st_gid)


def test_new_file_disappears_again(tmp_path: Path) -> None:
    """An overlay that the change made is gone after the undo, and the undo may repeat."""
    path = tmp_path / "config" / "overlay.yaml"
    step = WriteFile.change(path, None, b"new")
    step.apply()
    assert path.read_bytes() == b"new"
    step.undo(recovering=False)
    step.undo(recovering=True)
    assert not path.exists()


def test_link_stays_a_link(tmp_path: Path, env_file: Path) -> None:
    """A linked file is written and undone where it really is."""
    link = tmp_path / "link"
    link.symlink_to(env_file)
    step = WriteFile.change(link, b"old", b"new")
    step.apply()
    assert (b"new", True) == (env_file.read_bytes(), link.is_symlink())
    step.undo(recovering=False)
    assert (b"old", True) == (env_file.read_bytes(), link.is_symlink())


def test_link_to_nowhere_is_kept_by_the_undo(tmp_path: Path) -> None:
    """What was a link without a target is one again."""
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    step = WriteFile.change(link, None, b"new")
    step.apply()
    assert target.read_bytes() == b"new"
    step.undo(recovering=False)
    assert (True, False) == (link.is_symlink(), target.exists())


@pytest.mark.parametrize("theirs", [b"theirs", None])
def test_change_of_another_program_is_not_overwritten(env_file: Path, theirs: bytes | None) -> None:
    """An admin page that saved in the meantime loses nothing."""
    step = WriteFile.change(env_file, b"old", b"new")
    env_file.unlink()
    if theirs:
        env_file.write_bytes(theirs)
    for attempt in (step.check, step.apply):
        with pytest.raises(NotPossible, match="was changed by another program"):
            attempt()
    assert (theirs or b"") == (env_file.read_bytes() if env_file.exists() else b"")


def test_change_between_the_steps_rolls_back_and_keeps_the_other_programs_bytes(
    tmp_path: Path, env_file: Path
) -> None:
    """A file that was not written yet needs no undo, so nothing stands in its way."""
    world = World()

    @dataclass(frozen=True, slots=True)
    class Slow(FakeStep):
        def apply(self) -> None:
            env_file.write_bytes(b"theirs")

    steps: tuple[Step, ...] = (Slow(world, 0), WriteFile.change(env_file, b"old", b"new"))
    with pytest.raises(RolledBack, match="was changed by another program"):
        carry_out(steps, journal_in(tmp_path), verify=fine)
    assert (b"theirs", False) == (env_file.read_bytes(), journal_in(tmp_path).is_open)


def test_undo_leaves_another_programs_bytes_alone(env_file: Path) -> None:
    """Whose bytes are newer is for a person to decide."""
    step = WriteFile.change(env_file, b"old", b"new")
    step.apply()
    env_file.write_bytes(b"theirs")
    with pytest.raises(RecoveryDue, match="was changed by another program"):
        step.undo(recovering=True)
    assert env_file.read_bytes() == b"theirs"


@given(old=st.none() | st.binary(), new=st.binary())
def test_write_file_survives_the_journal(old: bytes | None, new: bytes) -> None:
    """Any bytes at all come back from JSON."""
    step = WriteFile(Path("/x/.env"), old, new, 0o640, (1, 2))
    assert step == WriteFile.from_json(json.loads(json.dumps(step.to_json())))


KILLED = """
import os, signal, sys
from pathlib import Path
from aava_cli.journal import Journal
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out

folder, moment = Path(sys.argv[1]), sys.argv[2]

class Killer:
    kind = "write-file"
    def __init__(self, step, at): self.step, self.at = step, at
    def check(self): self.step.check()
    def to_json(self): return self.step.to_json()
    def undo(self, *, recovering): self.step.undo(recovering=recovering)
    def apply(self):
        if moment == f"before {self.at}": os.kill(os.getpid(), signal.SIGKILL)
        self.step.apply()
        if moment == f"after {self.at}": os.kill(os.getpid(), signal.SIGKILL)

def verify():
    if moment == "verify": os.kill(os.getpid(), signal.SIGKILL)

steps = tuple(
    Killer(WriteFile.change(folder / name, b"old", b"new"), name) for name in ("one", "two")
)
carry_out(steps, Journal(folder / ".aava"), verify=verify)
"""


@pytest.mark.parametrize(
    ("moment", "undone"),
    [("before one", 1), ("after one", 1), ("before two", 2), ("after two", 2), ("verify", 2)],
)
def test_killed_process_is_recovered_from(tmp_path: Path, moment: str, undone: int) -> None:
    """SIGKILL between any two steps: the next command says so, and recovery makes all old."""
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    journal = journal_in(tmp_path)
    with pytest.raises(RecoveryDue):
        journal.require_none()
    recovered = recover(journal, FILE_KINDS)
    assert undone == recovered.undone_steps
    assert (b"old", b"old") == ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes())
    assert (False, ["recovered"]) == (journal.is_open, history_of(tmp_path))
    journal.require_none()


def test_recovery_can_be_repeated(tmp_path: Path, env_file: Path) -> None:
    """One that could not finish leaves the journal, and the next one finishes."""
    journal = journal_in(tmp_path)
    step = WriteFile.change(env_file, b"old", b"new")
    journal.write(Record("aava switch", 0.0, 1, started_steps=1), (step,))
    env_file.write_bytes(b"theirs")
    with pytest.raises(RecoveryDue):
        recover(journal, FILE_KINDS)
    assert journal.is_open
    env_file.unlink()
    assert recover(journal, FILE_KINDS).command == "aava switch"
    assert (b"old", False) == (env_file.read_bytes(), journal.is_open)


def test_steps_that_were_not_begun_are_not_undone(tmp_path: Path, env_file: Path) -> None:
    """The journal says how far the change came."""
    journal = journal_in(tmp_path)
    step = WriteFile.change(env_file, b"before", b"new")
    journal.write(Record("aava switch", 0.0, 1), (step,))
    assert recover(journal, FILE_KINDS).undone_steps == 0
    assert env_file.read_bytes() == b"old"


@given(old=st.binary(max_size=40), new=st.binary(max_size=40), data=st.data())
def test_write_in_place_that_did_not_end_is_undone(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes, data: st.DataObject
) -> None:
    """A bind-mounted file is written in place; a kill leaves new bytes, then old ones."""
    path = tmp_path_factory.mktemp("torn") / ".env"
    path.write_bytes(old)
    step = WriteFile.change(path, old, new)
    done = data.draw(st.integers(0, len(new)))
    path.write_bytes(new[:done] + old[done:])
    step.undo(recovering=True)
    assert old == path.read_bytes()


def test_recovery_clears_what_a_killed_writer_left(tmp_path: Path) -> None:
    """No half-written file stays beside the user's own."""
    path = tmp_path / ".env"
    path.write_bytes(b"old")
    leftover = tmp_path / "..env.1234.new"
    leftover.write_bytes(b"half")
    WriteFile.change(path, b"old", b"new").undo(recovering=True)
    assert [path] == list(tmp_path.iterdir())


def test_history_keeps_the_newest(tmp_path: Path) -> None:
    """Old bytes of `.env` are not kept for ever."""
    path, journal = tmp_path / "file", Journal(tmp_path / "state")
    path.write_bytes(b"0")
    for number in range(1, 56):
        old, new = str(number - 1).encode(), str(number).encode()
        carry_out((WriteFile.change(path, old, new),), journal, verify=lambda: None)
    kept = sorted((tmp_path / "state" / "history").iterdir())
    assert 50 == len(kept)
    assert 55 == int(base64.b64decode(json.loads(kept[-1].read_bytes())["steps"][0]["new"]))
