"""Adding a key to a YAML file without touching anything else in it: comments, order, quotes and line ends stay."""

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from hyops_gitops.core.errors import InvalidData


def add_scalar(text: str, section: str, key: str, value: str) -> str:
    """The text with `key: "value"` added as the last key of the top-level mapping `section`.

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
    """The nodes of a text with their places, or None where it is no YAML."""
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
    """The last scalar, or flow collection: a block collection's own end lies behind the comments that follow it."""
    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node
