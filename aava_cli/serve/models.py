"""The three slots and how they change: the new model answers before the old one goes."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from aava_cli.roles import ROLES, Role
from aava_cli.serve.changes import Changes, changes_in
from aava_cli.serve.engines import EngineError
from aava_cli.serve.process import Wanted, Worker, start_worker
from aava_cli.serve.slot import Slot
from aava_cli.serve.values import (
    check_wanted,
    load_keys,
    selected_roles,
    wanted_model,
    with_defaults,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from aava_cli.backends import Values
    from aava_cli.settings import Settings

Reply = dict[str, Any]


class Models:
    """What is loaded, and the values it was loaded with; one change at a time."""

    def __init__(self, settings: Settings, env: Values) -> None:
        self.settings = settings
        self.on_loaded: Callable[[Iterable[Role]], None] = lambda _roles: None
        self.values: Values = with_defaults(env)
        self.slots = {role: Slot(role) for role in ROLES}
        self._selected = selected_roles(env)
        self._changing = asyncio.Lock()

    async def load_selected(self) -> None:
        """Load what `.env` selects; a model that does not load leaves its reason in its slot."""
        async with self._changing:
            await asyncio.gather(*(self._load_first(role) for role in self._selected))
            self.on_loaded(self._selected)

    async def _load_first(self, role: Role) -> None:
        slot = self.slots[role]
        try:
            wanted = wanted_model(role, self.values, self.settings)
            with slot.load_in_progress():
                await slot.install(await _checked_worker(wanted), wanted)
        except EngineError as error:
            slot.fail(str(error))

    async def switch(self, message: Mapping[str, Any]) -> Reply:
        """Bring about what *message* asks for, or change nothing and say why."""
        async with self._changing:
            try:
                return await self._switch(message)
            except EngineError as error:
                return {"status": "error", "message": str(error), "changed": []}

    async def _switch(self, message: Mapping[str, Any]) -> Reply:
        dry_run = message.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise EngineError("`dry_run` must be true or false")
        changes = changes_in(message, self.values)
        values = {**self.values, **changes.values}
        wanted = self._to_load(changes, values)
        if not changes.values and not wanted:
            message_text = "No configuration changes to apply"
            return {"status": "no_change", "message": message_text, "changed": []}
        if dry_run:
            await asyncio.to_thread(_check_all, wanted)
        else:
            await self._load(wanted, values)
        return _success(changes, wanted, dry_run=dry_run)

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

    async def reload(
        self, roles: Iterable[Role], changed: Mapping[str, Any] | None = None
    ) -> Reply:
        """Load the models of *roles* anew, with *changed* fields; on failure the old ones stay."""
        async with self._changing:
            try:
                values = {**self.values, **changes_in(changed or {}, self.values).values}
                wanted = {role: wanted_model(role, values, self.settings) for role in roles}
                await self._load(wanted, values)
            except EngineError as error:
                return {"status": "error", "message": str(error)}
            models = ", ".join(f"{role}={each.path.name}" for role, each in wanted.items())
            return {"status": "success", "message": f"Models reloaded: {models}"}

    def in_use(self) -> tuple[Role, ...]:
        """Return the roles that have, or should have, a model."""
        return tuple(
            role for role, slot in self.slots.items() if slot.wanted or slot.problem or slot.loading
        )

    async def _load(self, wanted: Mapping[Role, Wanted], values: Values) -> None:
        """Load all of *wanted*, then put all of them in place with *values*; or none.

        It may be cancelled while models are loading; what was loaded is put in place whole.
        """
        loaded: dict[Role, Worker] = {}
        with ExitStack() as loads:
            for role in wanted:
                loads.enter_context(self.slots[role].load_in_progress())
            try:
                for role, each in wanted.items():
                    loaded[role] = await _checked_worker(each)
            except BaseException:
                await asyncio.gather(*(worker.close() for worker in loaded.values()))
                raise
            await _to_its_end(self._install(loaded, wanted, values))

    async def _install(
        self, loaded: Mapping[Role, Worker], wanted: Mapping[Role, Wanted], values: Values
    ) -> None:
        self.values = values
        for role, worker in loaded.items():
            await self.slots[role].install(worker, wanted[role])
        self.on_loaded(loaded)

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(slot.close() for slot in self.slots.values()))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do *work* whole, also for a caller that is cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _checked_worker(wanted: Wanted) -> Worker:
    # Looking for files may take its time on a network drive.
    await asyncio.to_thread(check_wanted, wanted)
    return await start_worker(wanted)


def _check_all(wanted: Mapping[Role, Wanted]) -> None:
    for each in wanted.values():
        check_wanted(each)


def _success(changes: Changes, wanted: Mapping[Role, Wanted], *, dry_run: bool) -> Reply:
    did = "Models switched" if wanted else "Runtime config updated"
    suffix = " (dry_run)" if dry_run else ""
    what = ", ".join(changes.described) or ", ".join(wanted)
    return {
        "status": "success",
        "message": f"{did}: {what}{suffix}",
        "changed": list(changes.described),
    }
