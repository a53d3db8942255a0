"""The replies that clients wait for, as they are where nothing came of the request."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.serve.message import Message, Output, Reply
    from aava_cli.serve.session import Session

CUT_OFF = "the answer was cut off by `barge_in`"


def heard(session: Session, mode: str, named: Reply) -> Reply:
    """Return the reply to a recording in which nothing was said."""
    reply: Reply = {"type": "stt_result", "text": "", "call_id": session.call_id, "mode": mode}
    return reply | {"is_final": True, "is_partial": False, "confidence": None, **named}


def answered(session: Session, mode: str, named: Reply) -> Reply:
    """Return the reply to a text that has no answer."""
    reply: Reply = {"type": "llm_response", "text": "", "call_id": session.call_id, "mode": mode}
    return reply | named


def spoken(session: Session, text: str, named: Reply) -> Reply:
    """Return the reply to a text that was not spoken."""
    reply: Reply = {"type": "tts_response", "text": text, "call_id": session.call_id, **named}
    return reply | silence(session.output)


def announced(session: Session, mode: str, named: Reply) -> Reply:
    """Return the announcement of speech that does not come."""
    return {"type": "tts_audio", "call_id": session.call_id, "mode": mode, **named}


def silence(output: Output, data: bytes = b"") -> Reply:
    """Return *data*, speech as *output* says, or none, as a reply carries it."""
    encoded = base64.b64encode(data).decode()
    return {"audio_data": encoded, **asdict(output), "byte_length": len(data)}


def failed(message: Message, session: Session, problem: str) -> Reply:
    """Return what tells that a request failed, in the type that whoever asked waits for."""
    named, told = message.request_id(), {"message": problem}
    mode, text = (_text(message.fields.get(each)) for each in ("mode", "text"))
    match message.type:
        case "switch_model":
            reply = {"type": "switch_response", "status": "error", **told, "changed": []}
            reply |= {"request_id": message.id}
        case "reload_models" | "reload_llm":
            reply = {"type": "reload_response", "status": "error", **told, **named}
        case "backend_schema":
            reply = {"type": "backend_schema_response", "error": problem, **named}
        case "barge_in":
            reply = {"type": "barge_in_ack", "status": "error", **told}
            reply |= {"call_id": session.call_id, "request_id": message.id}
        case "llm_request":
            reply = answered(session, mode or "llm", named) | {"error": problem}
        case "tts_request":
            reply = spoken(session, text, named) | {"error": problem}
        # Nobody waits for an answer to a piece of a stream.
        case "audio" if named:
            reply = heard(session, mode or session.mode, named) | {"error": "refused", **told}
        case _:
            reply = {"type": "error", **told, **named}
    return reply


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
