"""What a trial needs of a daemon, whichever way it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.audio import Audio
    from aava_cli.roles import Role

SPEECH_HZ = 16_000

# The longest sentence takes two minutes; what plays for hours may be a thousand times as long
# at our rate as it was on its way.
LONGEST_SPEECH_S = 600

# Speech recognition on a busy host with two cores was seen to take 47 s.
STAGE_TIMEOUT_S = 120.0


class Line(Protocol):
    """A daemon's three models; each call may raise `SmokeFailed` for its own role.

    *instruction* is what the language model is told beside the prompt, as far as that is known.
    """

    instruction: str

    def require_loaded(self, roles: Sequence[Role]) -> None:
        """Refuse *roles* whose models are not there."""
        ...

    def speak(self, text: str) -> Audio:
        """Return *text*, spoken; no samples where none came."""
        ...

    def hear(self, audio: Audio) -> str:
        """Return what is said in *audio*, at `SPEECH_HZ`."""
        ...

    def answer(self, text: str) -> str:
        """Return the answer to *text*."""
        ...

    def advice_for(self, role: Role) -> str:
        """Return what to do about a model that failed."""
        ...
