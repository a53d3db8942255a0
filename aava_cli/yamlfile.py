"""Read, merge and edit YAML text; every byte that a change does not need stays."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from aava_cli import yamlsplice, yamltext
from aava_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import yaml


class Null(Enum):
    """A null that is written out; in an overlay it deletes the key below."""

    NULL = "null"


NULL: Final = Null.NULL
Scalar: TypeAlias = "str | int | float | bool | date | Literal[Null.NULL]"

_BOM = "\ufeff"
_NULL = "tag:yaml.org,2002:null"
_TOP_KEYS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"})
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
)


def load(text: str, *, name: str) -> dict[str, object]:
    """Return the mapping that *text* holds; an empty file is an empty mapping.

    Raises:
        ConfigError: not YAML, not a mapping at the top, or a key that is there twice.

    """
    body = text.removeprefix(_BOM)
    if not body:
        return {}
    import yaml

    unprintable = _UNPRINTABLE.search(body)
    if unprintable:
        line = 1 + len(yamltext.BREAK.findall(body, 0, unprintable.start()))
        raise ConfigError.at(name, line, "expected printable characters")
    try:
        root = yaml.compose(body, Loader=yamltext.loader())
        _check_top(root, name)
        return _constructed(root, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        reason = ": ".join(each for each in (error.context, error.problem) if each)
        raise ConfigError.at(name, line, f"expected YAML; {reason}") from error
    except RecursionError as error:
        raise ConfigError.at(name, 1, "expected YAML that is nested less deeply") from error


def merge(base: Mapping[str, object], overlay: Mapping[str, object]) -> dict[str, object]:
    """Return *base* overlaid as the engine does it: mappings merge, `None` deletes its key."""
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def leaves(tree: Mapping[str, object]) -> dict[tuple[str, ...], object]:
    """Return the values of *tree* by path of keys; what holds others is none, and so is `{}`."""
    found: dict[tuple[str, ...], object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= {(key, *path): below for path, below in leaves(value).items()}
        else:
            found[(key,)] = value
    return found


def edit(text: str, changes: Mapping[tuple[str, ...], Scalar | None], *, name: str) -> str:
    """Set a value or remove (`None`) the key at each path; leave every other byte as it is.

    A mapping that loses its last key becomes `{}`: left without a value it would be null,
    which in an overlay deletes the key below, while `{}` changes nothing below. Missing
    parents are created, and a null or `{}` on the way becomes a mapping.

    Raises:
        ConfigError: the text does not load, a path leads through an alias or something
            that is not a mapping, or the result would not read as meant.

    """
    body = text.removeprefix(_BOM)
    wanted = load(body, name=name)
    edited = body
    for path, value in changes.items():
        changed = _with(wanted, path, value)
        if not _same(changed, wanted):
            raw = None if value is None else _spelled(value)
            edited = yamlsplice.splice(edited, path, raw, name=name)
            wanted = changed
    if edited is not body:
        _verify(edited, wanted, changes, name)
    return text[: len(text) - len(body)] + edited


def _check_top(root: yaml.Node | None, name: str) -> None:
    import yaml

    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _NULL):
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError.at(name, root.start_mark.line + 1, "expected a mapping at the top")
    for key, _ in root.value:
        if key.tag not in _TOP_KEYS:
            raise ConfigError.at(name, key.start_mark.line + 1, "expected a string as the key")
    _check_keys(root, name, ())


def _check_keys(node: yaml.Node, name: str, above: tuple[yaml.Node, ...]) -> None:
    import yaml

    if node in above:
        line = node.start_mark.line + 1
        raise ConfigError.at(name, line, "expected no alias to a value around it")
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, name, (*above, node))
    if isinstance(node, yaml.MappingNode):
        _refuse_twins((key for key, _ in node.value), name)
        for _, value in node.value:
            _check_keys(value, name, (*above, node))


def _refuse_twins(keys: Iterable[yaml.Node], name: str) -> None:
    import yaml

    seen = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in seen:
            line = key.start_mark.line + 1
            raise ConfigError.at(name, line, f"expected `{key.value}` once, found it again")
        seen.add((key.tag, key.value))


def _constructed(root: yaml.Node | None, name: str) -> dict[str, object]:
    if root is None:
        return {}
    loader = yamltext.loader()("")
    try:
        data: dict[str, object] | None = loader.construct_document(root)
    except (ValueError, OverflowError) as error:
        # The message of the cause quotes the value, which may be a secret.
        failed = list(loader.recursive_objects)[-1]
        line = failed.start_mark.line + 1
        raise ConfigError.at(name, line, "expected a value that its tag can hold") from error
    return data or {}


def _spelled(value: Scalar) -> str:
    if isinstance(value, str):
        return yamltext.scalar(value)
    return yamltext.spelled(None if value is NULL else value)


def _with(
    data: Mapping[str, object], path: tuple[str, ...], value: Scalar | None
) -> dict[str, object]:
    changed = dict(data)
    key, *rest = path
    below = data.get(key)
    if rest:
        if value is not None or isinstance(below, dict):
            changed[key] = _with(below if isinstance(below, dict) else {}, tuple(rest), value)
    elif value is None:
        changed.pop(key, None)
    else:
        changed[key] = None if value is NULL else value
    return changed


def _same(ours: object, theirs: object) -> bool:
    """Compare as YAML means it: `1`, `1.0` and `true` differ, `.nan` is itself."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return ours == theirs or repr(ours) == repr(theirs)


def _verify(
    edited: str,
    wanted: Mapping[str, object],
    changes: Mapping[tuple[str, ...], Scalar | None],
    name: str,
) -> None:
    paths = ", ".join(f"`{'.'.join(path)}`" for path in changes)
    wrong = ConfigError(
        f"{name}: changing {paths} here would change more than that; nothing was written",
        hint=f"change {paths} in `{name}` by hand; look for an anchor or a `<<` near by",
    )
    try:
        found = load(edited, name=name)
    except ConfigError as error:
        raise wrong from error
    if not _same(found, wanted):
        raise wrong
