"""What a switch needs of the other verbs: models on disk, backends in the image, proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.backends import Backend
    from aava_cli.daemon.step import Terms
    from aava_cli.download.pulled import Pulled
    from aava_cli.rebuild.apply import Rebuilt
    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.smoke.report import Smoked
    from aava_cli.switch.choose import Choice


def pull_missing(session: Session, choices: Iterable[Choice]) -> None:
    """Have the models of *choices* on disk, as far as a catalog knows them.

    Raises:
        AavaError: whatever a pull has against it; nothing was switched.
    """
    names = tuple(choice.model_id for choice in choices if choice.model_id is not None)
    if names:
        pull_named(session, names)


def pull_named(session: Session, names: tuple[str, ...]) -> Pulled:
    """Have the models *names* of the catalog on disk, and return what was fetched for that.

    Raises:
        AavaError: whatever a pull has against it.
    """
    from aava_cli.download.presence import judge_for
    from aava_cli.download.pulling import bring
    from aava_cli.download.sources.mirror import find_mirror
    from aava_cli.download.sources.resolver import Resolver

    resolver = Resolver(mirror=find_mirror(None))
    return bring(session.catalog().expand(names), judge_for(session), resolver=resolver)


def needed_engines(choices: Iterable[Choice]) -> tuple[Backend, ...]:
    """Return the backends that an image has to hold for *choices*."""
    # One that only speaks to a service elsewhere needs nothing in the image.
    selections = (choice.selection for choice in choices)
    return tuple(each.backend for each in selections if each.capability is not None)


def build_missing(session: Session, choices: Iterable[Choice], terms: Terms) -> Rebuilt:
    """Have the daemon's image hold the backends of *choices*; it may be another daemon then.

    Raises:
        AavaError: whatever a rebuild has against it; nothing was switched.
    """
    from aava_cli.rebuild.apply import NOTHING, apply_rebuild
    from aava_cli.rebuild.plan import Wish

    needed = needed_engines(choices)
    return apply_rebuild(session, Wish(needed), terms) if needed else NOTHING


def prove_roles(session: Session, roles: tuple[Role, ...]) -> None:
    """Have the running models of *roles* do their work once; what is heard is said by ours.

    Raises:
        SmokeFailed: one did not.
    """
    if not roles:
        return
    failure = try_roles(session, roles).failure()
    if failure is not None:
        raise failure


def try_roles(session: Session, roles: tuple[Role, ...]) -> Smoked:
    """Return what the running models of *roles* make of a sentence."""
    from aava_cli.daemon.client import connect
    from aava_cli.smoke.plan import SENTENCE, parse_roles, plan_smoke
    from aava_cli.smoke.trial import run_smoke

    # Speech is needed to be heard, whoever makes it.
    wanted = {*roles, "tts"} if "stt" in roles else {*roles}
    save = session.settings.state_dir / "smoke.wav"
    plan = plan_smoke(SENTENCE, parse_roles(",".join(wanted)), save=save)
    return run_smoke(plan, lambda: connect(session))
