"""A backend with its values: what is written, sent and expected follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aava_cli.backends.record import Backend
    from aava_cli.backends.setting import Condition, Setting, Values

_YAML_FOLDER = ("providers", "local")
_NO_VALUES: Values = {}


@dataclass(frozen=True, slots=True)
class Selection:
    """A backend with the values that it should run with; paths are container paths.

    The values are completed by what they imply, and rid of what means nothing beside them.
    """

    backend: Backend
    values: Values

    def __post_init__(self) -> None:
        # A rule that each caller has to remember is forgotten by one of them.
        object.__setattr__(self, "values", _settled(self.backend, self.values))

    @property
    def model(self) -> str:
        """The value that names the model, or where one runs that is not here."""
        named = self.values.get(self.backend.model, "")
        return named or ("cloud" if self.is_elsewhere else "hub" if self.is_fetched else "")

    @property
    def is_elsewhere(self) -> bool:
        """Whether only a service is spoken to."""
        return self._meets(self.backend.elsewhere)

    @property
    def is_fetched(self) -> bool:
        """Whether the engine brings the model itself."""
        return self._meets(self.backend.fetched)

    @property
    def capability(self) -> str | None:
        """The capability that the daemon must have for it, None where it needs none."""
        return None if self.is_elsewhere else self.backend.capability

    def __str__(self) -> str:
        return f"{self.backend.name}:{self.model.rstrip('/').rsplit('/', 1)[-1]}"

    def env(self) -> dict[str, str]:
        """Return what `.env` must say."""
        chosen = {setting.env: value for setting, value in self._items()}
        if self.backend.env_key:
            chosen[self.backend.env_key] = self.backend.name
        return chosen

    def yaml(self) -> dict[tuple[str, ...], str]:
        """Return what the YAML overlay must say, by path of keys."""
        chosen = {setting.yaml: value for setting, value in self._items() if setting.yaml}
        return {(*_YAML_FOLDER, key): value for key, value in (self._named() | chosen).items()}

    def request(self) -> dict[str, Any]:
        """Return the fields of the `switch_model` request that brings this selection about."""
        message: dict[str, Any] = dict(self._named())
        for setting, value in self._items():
            if setting.request:
                _put(message, setting.request, setting.typed(value))
        return message

    def expected(self) -> dict[str, Any]:
        """Return what a fresh `status` must say once this selection runs, by dotted path."""
        message: dict[str, Any] = dict(self._named())
        for setting, value in self._items():
            if setting.status:
                message[setting.status] = setting.typed(value)
        return message

    def paths(self) -> dict[str, str]:
        """Return the container paths that must be there for it, by option."""
        return {
            setting.option: value
            for setting, value in self._items()
            if value.startswith("/")
            # The model of an engine with a store of its own is a name, or a path of ours.
            and (setting.kind == "path" or setting.option == self.backend.model)
        }

    def lacks(self) -> tuple[Setting, ...]:
        """Return the settings without which it cannot run, and which have no value."""
        known = {setting.option: setting for setting in self.backend.settings}
        return tuple(
            setting
            for setting in known.values()
            if setting.required and setting.option not in self.values
            if _counts(setting, known, self.values)
        )

    def needs_restart(self, env: Mapping[str, str]) -> tuple[Setting, ...]:
        """Return the settings that only a daemon which is started again takes from `.env`.

        *env* are the values of `.env` so far: what is there already needs nothing.
        """
        return tuple(
            setting
            for setting, value in self._items()
            if not setting.request
            if value != setting.plain(env.get(setting.env) or setting.default or "")
        )

    def unseen_changes(self, running: Selection | None) -> tuple[Setting, ...]:
        """Return the settings to be asked for that differ from *running*, and no status tells."""
        before = running.values if running else _NO_VALUES
        return tuple(
            setting
            for setting, value in self._items()
            if setting.request and not setting.status
            if value != before.get(setting.option, setting.default)
        )

    def undoing(self, running: Selection) -> Selection:
        """Return *running* with the defaults of what only this one says, and no status tells."""
        if running.backend is not self.backend:
            return running
        unsaid = {
            setting.option: setting.reset or setting.default or ""
            for setting in self.unseen_changes(running)
            if setting.reset or setting.default
        }
        return Selection(running.backend, {**unsaid, **running.values})

    def _meets(self, condition: Condition | None) -> bool:
        return condition is not None and self.values.get(condition[0]) == condition[1]

    def _named(self) -> dict[str, str]:
        return {self.backend.key: self.backend.name} if self.backend.key else {}

    def _items(self) -> list[tuple[Setting, str]]:
        return [(self.backend.setting(option), value) for option, value in self.values.items()]


def selected_in(backend: Backend, env: Mapping[str, str]) -> Selection:
    """Return what *env*, the values of `.env`, selects for *backend*."""
    values = {
        setting.option: env[setting.env] for setting in backend.settings if env.get(setting.env)
    }
    return Selection(backend, values)


def running_in(
    backend: Backend, status: Mapping[str, Any], env: Mapping[str, str] = _NO_VALUES
) -> Selection:
    """Return what a `status` reply says *backend* runs with; *env* says what no status tells."""
    values: dict[str, str] = {}
    for setting in backend.settings:
        if setting.status:
            told = setting.told(lookup(status, setting.status))
        else:
            told = (env.get(setting.env) or None) if setting.request else None
        if told is not None:
            values[setting.option] = told
    return Selection(backend, values)


def lookup(message: Mapping[str, Any], dotted: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at the *dotted* path of *message*, or None where the path ends early."""
    value: Any = message
    for key in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _settled(backend: Backend, values: Values) -> Values:
    known = {setting.option: setting for setting in backend.settings}
    plain = {
        option: known[option].plain(value) if option in known else value
        for option, value in values.items()
    }
    complete = backend.completed(plain)
    return {
        option: value
        for option, value in complete.items()
        if option not in known or _counts(known[option], known, complete)
    }


def _counts(setting: Setting, known: Mapping[str, Setting], values: Values) -> bool:
    if setting.when is None:
        return True
    option, wanted = setting.when
    return values.get(option, known[option].default) == wanted


def _put(message: dict[str, Any], dotted: str, value: str | float | bool) -> None:  # noqa: FBT001
    *folders, last = dotted.split(".")
    for folder in folders:
        message = message.setdefault(folder, {})
    message[last] = value
