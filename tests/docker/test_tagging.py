"""The step that moves a tag, on real images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.engine import find_image, remove_tag, require_engine
from aava_cli.docker.tagging import MoveTag, sibling
from aava_cli.errors import NotPossible, RecoveryDue

if TYPE_CHECKING:
    from tests.docker_fixture import ComposeProject


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("agent-local-ai-server:latest", "agent-local-ai-server:x"),
        ("agent-local-ai-server", "agent-local-ai-server:x"),
        ("registry:5000/team/agent", "registry:5000/team/agent:x"),
    ],
)
def test_tag_beside_another(image: str, expected: str) -> None:
    """A registry's port is no tag."""
    assert expected == sibling(image, "x")


def test_image_that_is_pinned_has_no_tag_beside_it() -> None:
    """It is what it is."""
    with pytest.raises(NotPossible, match="digest"):
        sibling("agent@sha256:00", "x")


@pytest.fixture
def ids(shell_project: ComposeProject) -> tuple[str, str]:
    """Return two images of a project, the second of which its tag names."""
    found = []
    for value in ("false", "true"):
        shell_project.compose("build", f"--build-arg=INCLUDE_WHISPER_CPP={value}", SERVICE)
        image = find_image(shell_project.image)
        assert image is not None
        shell_project.compose("build", "--quiet", SERVICE)
        found.append(image.id)
    return found[0], found[1]


def named(tag: str) -> str | None:
    """Return the image that *tag* names."""
    image = find_image(tag)
    return image.id if image else None


def test_tag_moves_and_comes_back(shell_project: ComposeProject, ids: tuple[str, str]) -> None:
    """Undo may run again, and in another process."""
    old = named(shell_project.image)
    assert old is not None
    new = ids[0] if ids[0] != old else ids[1]
    step = MoveTag(shell_project.image, old, new, require_engine().id)
    step.apply()
    assert new == named(shell_project.image)
    again = MoveTag.from_json(json.loads(json.dumps(step.to_json())))
    assert step == again
    for _ in range(2):
        again.undo(recovering=True)
        assert old == named(shell_project.image)
    with pytest.raises(NotPossible, match="another program built it"):
        MoveTag(shell_project.image, new, old, step.engine_id).apply()


def test_tag_that_was_not_there_goes_again(
    shell_project: ComposeProject, ids: tuple[str, str]
) -> None:
    """The image keeps its other names."""
    tag = sibling(shell_project.image, "kept")
    step = MoveTag(tag, None, ids[0], require_engine().id)
    step.apply()
    assert ids[0] == named(tag)
    step.undo(recovering=False)
    assert named(tag) is None


def test_image_of_another_program_keeps_a_name(
    shell_project: ComposeProject, ids: tuple[str, str]
) -> None:
    """Undo needs the tag, and takes nobody's work away."""
    here = named(shell_project.image)
    assert here is not None
    gone = MoveTag(shell_project.image, ids[0], "sha256:" + "0" * 64, require_engine().id)
    other = ids[1] if here == ids[1] else here
    gone.undo(recovering=False)
    assert ids[0] == named(shell_project.image)
    found = sibling(shell_project.image, f"aava-found-{other.partition(':')[2][:12]}")
    if other != ids[0]:
        assert other == named(found)
        remove_tag(found)


def test_undo_without_its_image_or_engine_is_due(shell_project: ComposeProject) -> None:
    """The journal has to stay."""
    shell_project.build()
    here = named(shell_project.image)
    assert here is not None
    lost = "sha256:" + "0" * 64
    with pytest.raises(RecoveryDue, match="is gone"):
        MoveTag(shell_project.image, lost, here, require_engine().id).undo(recovering=False)
    with pytest.raises(RecoveryDue, match="another Docker engine"):
        MoveTag(shell_project.image, here, lost, "other").undo(recovering=True)
