"""Splice one change into YAML text at the marks that the parser gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aava_cli.errors import ConfigError
from aava_cli.yamltext import (
    BREAK,
    BREAKS,
    content_end,
    indent,
    last_token,
    line_start,
    loader,
    newline_of,
    next_line,
    scalar,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import yaml

    # The mappings that a path leads through, each with the position of the entry it takes.
    Trail: TypeAlias = list[tuple[yaml.MappingNode, int]]

_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_DEFAULT_STEP = 2
_PROPERTIES = re.compile(r"(?:(?:!<[^>]*>|[&!][^\s,\[\]{}]*)\s*)*")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+")
_EMPTY_MAPPING = re.compile(r"\{[ \t]*\}")
_COMMENT = re.compile(r"[ \t]+#.*")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is to be written where nothing is yet: a value as YAML, below one or more new keys."""

    keys: tuple[str, ...]
    raw: str

    def flow(self) -> str:
        opened = ": {".join(scalar(key) for key in self.keys)
        return f"{opened}: {self.raw}" + "}" * (len(self.keys) - 1)

    def block(self, pad: str, step: int, newline: str) -> str:
        lines = (f"{pad}{' ' * step * depth}{scalar(key)}:" for depth, key in enumerate(self.keys))
        return f"{newline.join(lines)} {self.raw}{newline}"


def splice(text: str, path: tuple[str, ...], raw: str | None, *, name: str) -> str:
    """Set to *raw*, which is YAML, or remove (`None`) the key at *path* in *text*, which loads.

    The caller verifies. A single value can be set, and `{}`.

    Raises:
        ConfigError: the path leads through an alias or something that is not a mapping.

    """
    import yaml

    root = yaml.compose(text, Loader=loader())
    trail = _trail(root, path)
    _refuse_shared(root, trail if raw is not None else trail[:-1], path, name)
    target = _value(trail) if trail else root
    line = 1 + target.start_mark.line if target else 1
    if raw is None:
        if len(trail) < len(path):
            raise _refusal(name, line, path, "a key of its own, found one that `<<` brings")
        return _removed(text, trail)
    entry = _Entry(path[len(trail) :], raw)
    if not trail and not isinstance(target, yaml.MappingNode):
        return _begun(text, target, entry)
    if entry.keys and isinstance(target, yaml.MappingNode):
        return _added(text, target, trail, entry)
    if entry.keys and target and target.tag == _NULL:
        return _filled(text, target, trail, entry)
    empty = isinstance(target, yaml.MappingNode) and not target.value
    if not entry.keys and target and (isinstance(target, yaml.ScalarNode) or empty):
        return _replaced(text, target, raw)
    expected = "a mapping" if entry.keys else "a single value, found a collection"
    raise _refusal(name, line, path[: len(trail)], expected)


def _trail(root: yaml.Node | None, path: tuple[str, ...]) -> Trail:
    import yaml

    trail: Trail = []
    node = root
    for step in path:
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        places = (i for i, key in enumerate(keys) if (key.tag, key.value) == (_STRING, step))
        place = next(places, None)
        if place is None or not isinstance(node, yaml.MappingNode):
            break
        trail.append((node, place))
        node = node.value[place][1]
    return trail


def _value(trail: Trail) -> yaml.Node:
    mapping, place = trail[-1]
    value: yaml.Node = mapping.value[place][1]
    return value


def _refuse_shared(root: yaml.Node | None, trail: Trail, path: tuple[str, ...], name: str) -> None:
    shared = _shared(root)
    for depth, (mapping, place) in enumerate(trail, start=1):
        key, value = mapping.value[place]
        if value in shared:
            expected = "a value of its own, found one that an alias shares"
            raise _refusal(name, key.start_mark.line + 1, path[:depth], expected)


def _shared(root: yaml.Node | None) -> set[yaml.Node]:
    """Return the nodes that the document reaches twice: an anchor's, in each alias's place."""
    import yaml

    seen: set[yaml.Node] = set()
    shared: set[yaml.Node] = set()
    waiting = [root] if root else []
    while waiting:
        node = waiting.pop()
        if node in seen:
            shared.add(node)
        elif isinstance(node, yaml.MappingNode):
            waiting.extend(child for entry in node.value for child in entry)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        seen.add(node)
    return shared


def _refusal(name: str, line: int, path: Iterable[str], expected: str) -> ConfigError:
    return ConfigError.at(name, line, f"expected {expected} at `{'.'.join(path)}`")


def _begun(text: str, null: yaml.Node | None, entry: _Entry) -> str:
    if null is not None:
        text = text[: null.start_mark.index] + text[null.end_mark.index :]
    return _with_lines(text, len(text), entry.block("", _DEFAULT_STEP, newline_of(text)))


def _replaced(text: str, node: yaml.Node, raw: str) -> str:
    import yaml

    start, end = node.start_mark.index, node.end_mark.index
    anchor, content = _parts(text, node)
    if start == end:
        colon = isinstance(last_token(text, start), yaml.ValueToken)
        lead = (" " if text[start - 1] == ":" else "") if colon else ": "
        return text[:start] + lead + raw + text[end:]
    tail = ""
    if content.startswith(("|", ">")):
        header = BREAK.split(content, maxsplit=1)[0]
        kept = content.rstrip(" \t" + BREAKS)
        tail = "".join(_COMMENT.findall(header)) + content.removeprefix(kept).lstrip(" \t")
    return text[:start] + anchor + raw + tail + text[end:]


def _parts(text: str, node: yaml.Node) -> tuple[str, str]:
    """Split the source of a node into its anchor (with a space) and what follows its tag."""
    source = text[node.start_mark.index : node.end_mark.index]
    content = _PROPERTIES.sub("", source, count=1)
    anchors = _ANCHOR.findall(source.removesuffix(content))
    return "".join(f"{each} " for each in anchors), content


def _added(text: str, mapping: yaml.MappingNode, trail: Trail, entry: _Entry) -> str:
    _, content = _parts(text, mapping)
    if mapping.value or not _EMPTY_MAPPING.fullmatch(content):
        return _inserted(text, mapping, trail, entry)
    if trail:
        return _filled(text, mapping, trail, entry)
    newline = newline_of(text)
    block = entry.block("", _DEFAULT_STEP, newline).removesuffix(newline)
    # Behind `---` a block mapping could not begin.
    own_line = mapping.start_mark.column == 0
    return _replaced(text, mapping, block if own_line else "{" + entry.flow() + "}")


def _filled(text: str, node: yaml.Node, trail: Trail, entry: _Entry) -> str:
    """Put the first entry in the place of a null or `{}` below a key."""
    parent, _ = trail[-1]
    if parent.flow_style:
        return _replaced(text, node, "{" + entry.flow() + "}")
    anchor, _ = _parts(text, node)
    head = text[: node.start_mark.index].rstrip(" \t") + f" {anchor}".rstrip()
    step = _step(text, trail)
    lines = entry.block(indent(text, parent) + " " * step, step, newline_of(text))
    text = head + text[node.end_mark.index :]
    return _with_lines(text, next_line(text, len(head)), lines)


def _inserted(text: str, mapping: yaml.MappingNode, trail: Trail, entry: _Entry) -> str:
    import yaml

    if not mapping.flow_style:
        steps = _step(text, [*trail, (mapping, 0)])
        lines = entry.block(indent(text, mapping), steps, newline_of(text))
        return _with_lines(text, _place_behind(text, mapping), lines)
    closer: int = mapping.end_mark.index - 1
    last = last_token(text, closer)
    # Right behind a colon, a comma would belong to the value.
    place = closer if isinstance(last, yaml.ValueToken) else last.end_mark.index
    joints = {yaml.FlowMappingStartToken: "", yaml.FlowEntryToken: " "}
    return text[:place] + joints.get(type(last), ", ") + entry.flow() + text[place:]


def _with_lines(text: str, place: int, lines: str) -> str:
    unended = text[:place] and text[place - 1] not in BREAKS
    return text[:place] + (newline_of(text) if unended else "") + lines + text[place:]


def _place_behind(text: str, mapping: yaml.MappingNode) -> int:
    last = last_token(text, mapping.end_mark.index)
    place = next_line(text, content_end(text, last))
    header = text[last.start_mark.index :][:3]
    if place == len(text) and header[0] in "|>" and "-" not in header and text[-1] not in BREAKS:
        # A line end behind this block scalar would become part of it.
        return line_start(text, mapping.value[0][0].start_mark.index)
    return place


def _removed(text: str, trail: Trail) -> str:
    mapping, place = trail[-1]
    start = mapping.value[place][0].start_mark.index
    ends = [each.start_mark.index for each, _ in mapping.value[place + 1 :]]
    if mapping.flow_style:
        return _removed_from_flow(text, start, [*ends, mapping.end_mark.index - 1][0])
    start = line_start(text, start)
    limit = line_start(text, ends[0]) if ends else mapping.end_mark.index
    end = next_line(text, content_end(text, last_token(text, limit)))
    if len(mapping.value) > 1 or len(trail) == 1:
        return text[:start] + text[end:]
    opener = last_token(text, start).end_mark.index
    return text[:opener] + " {}" + text[opener:start] + text[end:]


def _removed_from_flow(text: str, start: int, limit: int) -> str:
    import yaml

    last, before = last_token(text, limit), last_token(text, start)
    end = last.end_mark.index
    comma = isinstance(last, yaml.FlowEntryToken)
    gap = text[before.end_mark.index : start]
    if not comma and isinstance(before, yaml.FlowEntryToken) and not gap.strip():
        return text[: before.start_mark.index] + text[end:]
    line, following = line_start(text, start), next_line(text, end)
    if not text[line:start].strip() and not text[end:following].strip():
        return text[:line] + text[following:]
    return text[:start] + (text[end:].lstrip(" \t") if comma else text[end:])


def _step(text: str, trail: Trail) -> int:
    """Return how far the nearest mappings are indented below the ones that hold them."""
    import yaml

    for mapping, _ in reversed(trail):
        for key, value in mapping.value:
            own = value.start_mark.index > key.start_mark.index
            if own and isinstance(value, yaml.MappingNode) and value.value:
                step = len(indent(text, value)) - len(indent(text, mapping))
                if step > 0:
                    return step
    return _DEFAULT_STEP
