"""The three roles of a voice agent: it listens, thinks and speaks."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["stt", "llm", "tts"]
ROLES: tuple[Role, ...] = get_args(Role)
