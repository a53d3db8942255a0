"""What a switch needs of the other verbs: models on disk, backends in the image, proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.daemon.step import Terms
    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.choose import Choice


def pull_missing(session: Session, choices: Iterable[Choice]) -> None:
    """Have the models of *choices* on disk, as far as a catalog knows them.

    Raises:
        AavaError: whatever a pull has against it; nothing was switched.
    """
    from aava_cli.digests import DigestCache
    from aava_cli.download.cataloguing.drafting import Wanted
    from aava_cli.download.presence import Judge
    from aava_cli.download.pulling import Pull, pull_models

    names = tuple(choice.model_id for choice in choices if choice.model_id is not None)
    if names:
        judge = Judge(
            session.settings, DigestCache(session.settings.state_dir), session.output.emit
        )
        pull_models(Pull(names, Wanted("")), session.catalog(), judge)


def build_missing(session: Session, choices: Iterable[Choice], terms: Terms) -> None:
    """Have the daemon's image hold the backends of *choices*; it may be another daemon then.

    Raises:
        AavaError: whatever a rebuild has against it; nothing was switched.
    """
    from aava_cli.rebuild.apply import apply_rebuild
    from aava_cli.rebuild.plan import Wish

    # One that only speaks to a service elsewhere needs nothing in the image.
    needed = tuple(
        choice.selection.backend for choice in choices if choice.selection.capability is not None
    )
    if needed:
        apply_rebuild(session, Wish(needed), terms)


def prove_roles(session: Session, roles: tuple[Role, ...]) -> None:
    """Have the running models of *roles* do their work once; what is heard is said by ours.

    Raises:
        SmokeFailed: one did not.
    """
    from aava_cli.daemon.client import connect
    from aava_cli.smoke.plan import SENTENCE, parse_roles, plan_smoke
    from aava_cli.smoke.trial import run_smoke

    if not roles:
        return
    # Speech is needed to be heard, whoever makes it.
    wanted = {*roles, "tts"} if "stt" in roles else {*roles}
    save = session.settings.state_dir / "smoke.wav"
    plan = plan_smoke(SENTENCE, parse_roles(",".join(wanted)), save=save)
    failure = run_smoke(plan, lambda: connect(session)).failure()
    if failure is not None:
        raise failure
