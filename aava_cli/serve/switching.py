"""The requests that change what is loaded, or how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.serve.message import Message, Reply
    from aava_cli.serve.protocol import Daemon
    from aava_cli.serve.session import Session


async def switch(daemon: Daemon, session: Session, message: Message) -> None:
    """Change models, or the system prompt of this connection alone."""
    if message.fields.get("scope") == "session":
        reply = _session_prompt(session, message)
    else:
        daemon.check_paths(message.fields)
        reply = await daemon.models.switch(message.fields)
    await session.send({"type": "switch_response", **reply, "request_id": message.id})


def _session_prompt(session: Session, message: Message) -> Reply:
    """Give this connection a system prompt of its own."""
    asked = message.fields.get("llm_config")
    prompt = asked.get("system_prompt") if isinstance(asked, Mapping) else None
    dry_run = message.flag("dry_run")
    reply: Reply = {"scope": "session", "call_id": message.text("call_id") or session.call_id}
    if not isinstance(prompt, str):
        problem = "a switch of scope `session` needs `llm_config.system_prompt`"
        return reply | {"status": "error", "message": problem, "changed": []}
    if not dry_run:
        session.call_id, session.system_prompt = reply["call_id"], prompt.strip()
    told = "the system prompt of this session is set" + (" (dry_run)" if dry_run else "")
    return reply | {"status": "success", "message": told, "changed": ["system_prompt"]}


async def reload_models(daemon: Daemon, session: Session, message: Message) -> None:
    """Load every model anew."""
    reply = await daemon.models.reload(daemon.models.in_use(), {})
    await session.send({"type": "reload_response", **reply, **message.request_id()})


async def reload_llm(daemon: Daemon, session: Session, message: Message) -> None:
    """Load the language model anew, or another one."""
    path = message.text("llm_model_path") or message.text("model_path")
    asked = {"llm_model_path": path} if path else {}
    daemon.check_paths(asked)
    reply = await daemon.models.reload(("llm",), asked)
    await session.send({"type": "reload_response", **reply, **message.request_id()})
