"""Bytes to text for the strict YAML reader: strict UTF-8, and no character that a reviewer cannot see."""

import re

from hyops_gitops.core.document import Mark
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding

# Controls but tab and line ends, the other Unicode line separators (they would shift line numbers), bidirectional
# controls (they show a reviewer another order than the program reads), byte order marks and invisible tags.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]|\r(?!\n)"
)


def decode(path: str, content: bytes) -> tuple[str | None, Finding | None]:
    """The text of a file, or the finding that says why it has none."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        mark = _mark_after(content[: error.start].decode("utf-8"))
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        return None, finding("yaml-encoding", path, mark, message, "save the file as UTF-8")
    if text.startswith("\ufeff"):
        message = "the file begins with a byte order mark"
        return None, finding("yaml-encoding", path, Mark(1, 1), message, "save the file as UTF-8 without BOM")
    unwanted = _UNWANTED.search(text)
    if unwanted is None:
        return text, None
    mark = _mark_after(text[: unwanted.start()])
    return None, finding("yaml-characters", path, mark, f"{_name(unwanted[0])} is not allowed", "delete it")


def unwanted_character(value: str) -> str | None:
    """The name of the first character that a scalar must not hold even by an escape, if there is one."""
    unwanted = _UNWANTED.search(value)
    return _name(unwanted[0]) if unwanted else None


def _name(character: str) -> str:
    return f"the character U+{ord(character):04X}"


def _mark_after(text: str) -> Mark:
    """The place right after this text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)
