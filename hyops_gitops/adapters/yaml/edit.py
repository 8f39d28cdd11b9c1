"""Edits of YAML text that leave every other byte alone.

Works on the text by the offsets of ruamel.yaml's pure parser, so comments, quotes, blank lines and line ends stay as
they are. The outcome is never trusted: it is read again and compared (`move.contract_files`).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from hyops_gitops.adapters.files import replace_files
from hyops_gitops.adapters.yaml.scalars import plain_value
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import InvalidData, OutsideFailure
from hyops_gitops.move.contract_files import key_order


def add_scalar(text: str, section: str, key: str, value: str) -> str:
    """Add `key: "value"` as the last key of a top-level mapping.

    Raises:
        InvalidData: code `no-section`: there is no such mapping, or it has no keys.
    """
    mapping = _section(text, section)
    if mapping.flow_style:
        before = text[: mapping.end_mark.index - 1].rstrip()
        return f'{before}, {key}: "{value}"{text[len(before) :]}'
    line_end = text.find("\n", last_leaf(mapping).end_mark.index)
    line_end = len(text) if line_end < 0 else line_end
    newline = "\r\n" if text[:line_end].endswith("\r") else "\n"
    before, after = text[:line_end].removesuffix("\r"), text[line_end:] or newline
    indent = " " * mapping.value[0][0].start_mark.column
    carriage_return = "\r" if newline == "\r\n" else ""
    return f'{before}{newline}{indent}{key}: "{value}"{carriage_return}{after}'


def compose(text: str) -> Node | None:
    """The nodes of a text with their places, None for malformed YAML."""
    try:
        # The pure parser: the C parser's nodes have no offsets.
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return None
    return root


def _section(text: str, section: str) -> MappingNode:
    root = compose(text)
    for name, value in root.value if isinstance(root, MappingNode) else ():
        if name.value == section and isinstance(value, MappingNode) and value.value:
            return value
    raise InvalidData(f"there is no mapping {section!r} at the top level", code="no-section")


def last_leaf(node: Node) -> Node:
    """The last scalar or flow collection.

    A block collection's own end lies behind the comments that follow it.
    """
    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@#-]*")


def set_values(text: str, edits: Iterable[Edit]) -> str:
    """Set these keys; a new one stands in its canonical order.

    Raises:
        InvalidData: code `not-editable`: the file or a key on the way is not a mapping.
    """
    for edit in edits:
        text = _set(text, edit.at, edit.value)
    return text


def new_text(fields: Mapping[str, object], header: str = "") -> str:
    """A new file with these keys, in canonical order."""
    lines = [
        f"{key}: {_written(value)}\n" for key, value in sorted(fields.items(), key=lambda item: key_order(item[0]))
    ]
    return header + "".join(lines)


def in_order(text: str) -> str:
    """The text with its keys in canonical order and clean line ends.

    A comment goes with the key below it; what stands before the first key stays at the top.

    Raises:
        InvalidData: code `not-editable`.
    """
    text = "".join(f"{line.rstrip()}\n" for line in text.replace("\r\n", "\n").splitlines())
    root = _root(text)
    if root.flow_style or not root.value:
        return text
    start = _line_start(text, root.value[0][0].start_mark.index)
    header, chunks, at = text[:start], [], start
    for key, value in root.value:
        end = _after_own_comments(text, _line_end(text, _end(key, value)))
        chunks.append((key_order(str(key.value)), text[at:end]))
        at = end
    return header + "".join(chunk for _, chunk in sorted(chunks, key=lambda edit: edit[0])) + text[at:]


def _set(text: str, at: Sequence[str], value: object) -> str:
    node: Node = _root(text)
    for depth, name in enumerate(at):
        if not isinstance(node, MappingNode):
            raise InvalidData(f"cannot set {name!r}: {'.'.join(at[:depth])} is not a mapping", code="not-editable")
        pair = next((pair for pair in node.value if pair[0].value == name), None)
        if pair is None:
            for step in reversed(at[depth + 1 :]):
                value = {step: value}
            return _added(text, node, name, value, top=depth == 0)
        if depth == len(at) - 1:
            return _replaced(text, pair[0], pair[1], value)
        node = pair[1]
    raise AssertionError("unreachable: an edit names a key")


def _root(text: str) -> MappingNode:
    root = compose(text)
    if not isinstance(root, MappingNode):
        raise InvalidData("the file is not a mapping of keys", code="not-editable")
    return root


# --- a key that is there


def _replaced(text: str, key: Node, node: Node, value: object) -> str:
    if not isinstance(node, CollectionNode) or node.flow_style:
        start, end = node.start_mark.index, node.end_mark.index
        written = _written(value, text[start : start + 1])
        closing = "\n" if text[start:end].endswith("\n") else ""  # a block scalar ends with its line
        space = " " if text[start - 1] == ":" else ""
        return text[:start] + space + written + closing + text[end:]
    if (
        isinstance(node, SequenceNode)
        and isinstance(value, list)
        and all(isinstance(item, ScalarNode) for item in node.value)
    ):
        return _replaced_items(text, node, [str(item) for item in value])
    return _replaced_block(text, key, node, value)


def _replaced_items(text: str, node: SequenceNode, values: list[str]) -> str:
    """A list of one item a line; unchanged lines and comments stay."""
    lines = [(_line_start(text, item.start_mark.index), _line_end(text, item.end_mark.index)) for item in node.value]
    have = [str(item.value) for item in node.value]
    newline = _newline(text)
    indent = " " * node.start_mark.column
    fresh = "".join(f"{indent}- {_written(value)}{newline}" for value in values if value not in have)
    kept = [place for place, item in enumerate(have) if item in values]
    after = kept[-1] if kept else len(lines) - 1
    for place in reversed(range(len(lines))):
        start, end = lines[place]
        if place == after:
            line = text[start:end] if place in kept else ""
            line += newline if line and not line.endswith("\n") else ""
            text = text[:start] + line + fresh + text[end:]
        elif place not in kept:
            text = text[:start] + text[end:]
    return text


def _replaced_block(text: str, key: Node, node: CollectionNode, value: object) -> str:
    """A block as one line, its comments above the key."""
    start, colon = _line_start(text, key.start_mark.index), text.index(":", key.end_mark.index) + 1
    end = _line_end(text, _end(key, node))
    newline, indent = _newline(text), " " * key.start_mark.column
    comments = "".join(f"{indent}{comment}{newline}" for comment in _comments(text, colon, end, node))
    return f"{text[:start]}{comments}{text[start:colon]} {_written(value)}{newline}{text[end:]}"


def _comments(text: str, start: int, end: int, node: CollectionNode) -> list[str]:
    """The comments of a block, without its scalars."""
    inside = list(text[start:end])
    for leaf in _leaves(node):
        for index in range(leaf.start_mark.index, leaf.end_mark.index):
            inside[index - start] = "x"
    lines = "".join(inside).splitlines()
    found = (re.search(r"(?:^|\s)#.*$", line) for line in lines)
    return [match[0].strip() for match in found if match]


def _leaves(node: Node) -> Iterable[Node]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, CollectionNode):
        for child in node.value:
            for inner in child if isinstance(child, tuple) else (child,):
                yield from _leaves(inner)


# --- a key that is new


def _added(text: str, mapping: MappingNode, key: str, value: object, *, top: bool) -> str:
    if mapping.flow_style:
        return _added_in_flow(text, mapping, f"{_written(key)}: {_written(value)}")
    before = [pair for pair in mapping.value if not top or key_order(str(pair[0].value)) < key_order(key)]
    first = mapping.value[0][0].start_mark
    newline = _newline(text)
    line = f"{' ' * first.column}{_written(key)}: {_written(value)}{newline}"
    if not before:
        place = _line_start(text, first.index)
        return text[:place] + line + text[place:]
    place = max(_line_end(text, _end(*pair)) for pair in before)
    head = text[:place]
    return head + ("" if head.endswith("\n") else newline) + line + text[place:]


def _added_in_flow(text: str, mapping: MappingNode, pair: str) -> str:
    if not mapping.value:
        place = mapping.start_mark.index + 1
        return text[:place] + pair + text[place:]
    place = _end(*mapping.value[-1])
    return f"{text[:place]}, {pair}{text[place:]}"


# --- places


def _end(key: Node, value: Node) -> int:
    """The end of a pair's last thing, before following comments."""
    return max(int(key.end_mark.index), int(last_leaf(value).end_mark.index))


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """The end of the line; a block scalar ends with its own."""
    if index > 0 and text[index - 1] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _after_own_comments(text: str, index: int) -> int:
    """The place after indented comments, which belong to the block above."""
    while (match := re.compile(r"[ \t]+#.*\n?").match(text, index)) is not None:
        index = match.end()
    return index


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


# --- values


def _written(value: object, quote: str = "") -> str:
    """A value on one line, with the quotes of the one before."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return _text(value, quote)
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return "{" + ", ".join(f"{_written(key)}: {_written(item)}" for key, item in value.items()) + "}"
        case _:
            raise InvalidData(f"a contract has no value such as {value!r}", code="not-editable")


def _text(value: str, quote: str) -> str:
    if quote == "'" and "'" not in value and value.isprintable():
        return f"'{value}'"
    if quote != '"' and _PLAIN.fullmatch(value) and plain_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


_SCHEMA = "schemas/endpoint.schema.json"


@dataclass(frozen=True, slots=True)
class TextWriter:
    """The writer of one repository; new contracts name its schema."""

    root: Path

    def set_values(self, content: bytes, edits: Sequence[Edit]) -> bytes:
        """Set these keys and keep every other byte."""
        return set_values(_contract_text(content), edits).encode()

    def new(self, path: str, fields: Mapping[str, object]) -> bytes:
        """A new file with these keys, for this path."""
        up = "../" * path.count("/")
        named = f"# yaml-language-server: $schema={up}{_SCHEMA}\n" if (self.root / _SCHEMA).is_file() else ""
        return new_text(fields, named).encode()

    def in_order(self, content: bytes) -> bytes:
        """The file with its keys in canonical order, comments kept."""
        return in_order(_contract_text(content)).encode()

    def replace(self, files: Mapping[str, bytes]) -> None:
        """Write these files, all or none, with their folders.

        Raises:
            OutsideFailure: code `cannot-write`; also where a link would lead it out of the repository.
        """
        for path in files:
            folder = self.root.resolve() / Path(path).parent
            try:
                if folder.resolve() != folder:
                    raise OutsideFailure(f"cannot write {path}: a link is on the way to it", code="cannot-write")
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutsideFailure(f"cannot write {path}: {error.strerror}", code="cannot-write") from None
        replace_files({self.root / path: _as_on_disk(self.root / path, content) for path, content in files.items()})


def _as_on_disk(file: Path, content: bytes) -> bytes:
    """With the line ends of the file that it replaces.

    Git may store others (core.autocrlf).
    """
    try:
        before = file.read_bytes()
    except OSError:
        return content
    converted = b"\r\n" not in content and b"\r\n" in before and before.count(b"\n") == before.count(b"\r\n")
    return content.replace(b"\n", b"\r\n") if converted else content


def _contract_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidData("the file is not UTF-8", code="not-editable") from None
