"""The three slots and how they change: the new model answers before the old one goes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.loads import LoadTimes
from aava_cli.roles import ROLES, Role
from aava_cli.serve.changes import Changes, changes_in
from aava_cli.serve.engines import EngineError
from aava_cli.serve.limits import Limits
from aava_cli.serve.message import Message
from aava_cli.serve.process import GOODBYE_S, Wanted, Worker
from aava_cli.serve.room import Room, measure_room
from aava_cli.serve.slot import Slot
from aava_cli.serve.starting import start_worker
from aava_cli.serve.status import status_reply
from aava_cli.serve.values import (
    check_wanted,
    load_keys,
    selected_roles,
    wanted_model,
    with_defaults,
)
from aava_cli.serve.whole import to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aava_cli.backends import Values
    from aava_cli.serve.message import Reply
    from aava_cli.settings import Settings

_LOG = logging.getLogger(__name__)


class Models:
    """What is loaded, and the values it was loaded with; one change at a time."""

    def __init__(self, settings: Settings, env: Values, limits: Limits | None = None) -> None:
        self.settings = settings
        self.limits = limits or Limits()
        self.on_loaded: Callable[[Iterable[Role]], None] = lambda _roles: None
        self.values: Values = with_defaults(env)
        load_times = LoadTimes(settings.state_dir)
        self.slots = {role: Slot(role, load_times) for role in ROLES}
        self.started = False
        self._selected = selected_roles(env)
        self._changing = asyncio.Lock()

    async def load_selected(self) -> None:
        """Load what `.env` selects; a model that does not load leaves its reason in its slot."""
        try:
            async with self._changing:
                await asyncio.gather(*(self._load_first(role) for role in self._selected))
                self.on_loaded(self._selected)
        finally:
            self.started = True

    async def _load_first(self, role: Role) -> None:
        slot = self.slots[role]
        try:
            wanted = wanted_model(role, self.values, self.settings)
            with slot.load_in_progress():
                await slot.install(await slot.prepare(wanted), wanted)
        except EngineError as error:
            slot.fail(str(error))
        except Exception as error:  # noqa: BLE001 - the daemon comes up, and says what is wrong
            _LOG.exception("the first load for `%s` failed", role)
            slot.fail(f"the daemon could not load it: {type(error).__name__}: {error}")

    async def switch(self, message: Mapping[str, Any]) -> Reply:
        """Bring about what *message* asks for, or change nothing and say why."""
        async with self._changing:
            try:
                return await self._switch(message)
            except EngineError as error:
                return {"status": "error", "message": str(error), "changed": []}

    async def _switch(self, message: Mapping[str, Any]) -> Reply:
        dry_run = Message("switch_model", message).flag("dry_run")
        changes = changes_in(message, self.values)
        values = {**self.values, **changes.values}
        wanted = self._to_load(changes, values)
        if not changes.values and not wanted:
            message_text = "No configuration changes to apply"
            return {"status": "no_change", "message": message_text, "changed": []}
        room = await self._room_for(wanted) if wanted else None
        if dry_run:
            await _try_all(wanted, room)
        else:
            await self._load(wanted, values, room)
        return _success(changes, wanted, dry_run=dry_run) | _told(room)

    def _to_load(self, changes: Changes, values: Values) -> dict[Role, Wanted]:
        """Return what was asked for and is not what runs."""
        found: dict[Role, Wanted] = {}
        for role in ROLES:
            if role == "llm" and values["LOCAL_AI_MODE"] == "minimal":
                continue
            if changes.named & load_keys(role, values):
                wanted, slot = wanted_model(role, values, self.settings), self.slots[role]
                if wanted != slot.wanted or not slot.loaded:
                    found[role] = wanted
        return found

    async def reload(self, roles: Iterable[Role], changed: Mapping[str, Any]) -> Reply:
        """Load the models of *roles* anew, with *changed* fields; on failure the old ones stay."""
        async with self._changing:
            try:
                values = {**self.values, **changes_in(changed, self.values).values}
                wanted = {role: wanted_model(role, values, self.settings) for role in roles}
                room = await self._room_for(wanted)
                await self._load(wanted, values, room)
            except EngineError as error:
                return {"status": "error", "message": str(error)}
            models = ", ".join(f"{role}={each.path.name}" for role, each in wanted.items())
            return {"status": "success", "message": f"Models reloaded: {models}", **_told(room)}

    def in_use(self) -> tuple[Role, ...]:
        """Return the roles that have, or should have, a model."""
        return tuple(
            role for role, slot in self.slots.items() if slot.wanted or slot.problem or slot.loading
        )

    async def _room_for(self, wanted: Mapping[Role, Wanted]) -> Room:
        """Return the room for *wanted*, for which the models of the same roles would make place.

        Raises:
            EngineError: there would not be enough even then.
        """
        status = status_reply(self, started_at_s=0, active_sessions=0)
        limit = self.limits.memory_bytes
        room = await asyncio.to_thread(measure_room, self.settings, wanted, status, limit)
        room.require()
        return room

    async def _load(self, wanted: Mapping[Role, Wanted], values: Values, room: Room | None) -> None:
        """Load all of *wanted*, then put all of them in place with *values*; or none.

        It may be cancelled while models are loading; what was loaded is put in place whole.
        """
        loaded: dict[Role, Worker] = {}
        with ExitStack() as loads:
            for role in wanted:
                loads.enter_context(self.slots[role].load_in_progress())
            try:
                await self._make_room(wanted if room and room.unload_first else ())
                for role, each in wanted.items():
                    loaded[role] = await self.slots[role].prepare(each)
            except BaseException:
                await asyncio.gather(*(worker.close() for worker in loaded.values()))
                await to_its_end(self._restore(wanted))
                raise
            await to_its_end(self._install(loaded, wanted, values))

    async def _make_room(self, roles: Iterable[Role]) -> None:
        """End the models of *roles*; `_restore` brings them back."""
        for role in roles:
            await self.slots[role].unload()

    async def _restore(self, roles: Iterable[Role]) -> None:
        """Load again what made room for a model that did not come."""
        for role in roles:
            slot = self.slots[role]
            if slot.wanted is None or not slot.is_unloaded:
                continue
            try:
                await slot.install(await slot.prepare(slot.wanted), slot.wanted)
            except EngineError as error:
                slot.fail(f"the old model did not load again: {error}")

    async def _install(
        self, loaded: Mapping[Role, Worker], wanted: Mapping[Role, Wanted], values: Values
    ) -> None:
        self.values = values
        for role, worker in loaded.items():
            await self.slots[role].install(worker, wanted[role])
        self.on_loaded(loaded)

    async def close(self, *, patience_s: float = GOODBYE_S) -> None:
        """End every worker; what one does now may take *patience_s*."""
        slots = self.slots.values()
        await asyncio.gather(*(slot.close(patience_s=patience_s) for slot in slots))


async def _try_all(wanted: Mapping[Role, Wanted], room: Room | None) -> None:
    """Load all of *wanted* where there is room beside what answers, and end them again.

    Raises:
        EngineError: one does not load.
    """
    for each in wanted.values():
        await asyncio.to_thread(check_wanted, each)
    if room is not None and not room.unload_first:
        for each in wanted.values():
            worker = await start_worker(each)
            await worker.close()


def _success(changes: Changes, wanted: Mapping[Role, Wanted], *, dry_run: bool) -> Reply:
    did = "Models switched" if wanted else "Runtime config updated"
    suffix = " (dry_run)" if dry_run else ""
    what = ", ".join(changes.described) or ", ".join(wanted)
    return {
        "status": "success",
        "message": f"{did}: {what}{suffix}",
        "changed": list(changes.described),
    }


def _told(room: Room | None) -> Reply:
    """Return what a reply says of the memory that a load needed."""
    if room is None:
        return {}
    return {
        "memory": {
            "needed_bytes": room.needed_bytes,
            "free_bytes": room.free_bytes,
            "unloaded_first": room.unload_first,
        }
    }
