"""Scalars: their values, and what is refused rather than guessed."""

import re

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import YAML_CHARACTERS, YAML_ENCODING
from hyops_gitops.core.findings import Finding, Mark, finding

MAX_DIGITS = 18  # far beyond every number a contract has; int() of a huge text is slow or refused
_LONGEST_SHOWN = 40
_INTEGER = re.compile(rf"-?(?:0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}})")
_KEYWORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "": None}

_NUMBER = "write a plain decimal number, or quote it if text is meant"
_QUOTE = "quote it"

_AMBIGUOUS = (
    (r"true|false", "is a boolean in some YAML versions", "write it in lower case, or quote it if text is meant"),
    (r"y|yes|on", "is a boolean in some YAML versions", "write true, or quote it if text is meant"),
    (r"n|no|off", "is a boolean in some YAML versions", "write false, or quote it if text is meant"),
    (r"~|null", "is nothing in some YAML versions", "write null, or quote it if text is meant"),
    (rf"-?[1-9][0-9]{{{MAX_DIGITS},}}", f"is a number of more than {MAX_DIGITS} digits", _QUOTE),
    (r"[-+]?[0-9]+", "is read as different numbers by different YAML versions", _NUMBER),
    (
        r"[-+]?0(?:o[0-7_]+|x[0-9a-f_]+|b[01_]+)",
        "is an octal, hexadecimal or binary number in some YAML versions",
        _NUMBER,
    ),
    (r"[-+]?[0-9][0-9_]*", "is a number in some YAML versions", _NUMBER),
    (r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", "is a number of base 60 in some YAML versions", _QUOTE),
    (r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:e[-+]?[0-9]+)?", "is a floating-point number", _NUMBER),
    (r"[-+]?\.(?:inf|nan)", "is a floating-point number", _QUOTE),
    (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[t \t].*)?", "is a date in some YAML versions", _QUOTE),
    (r"=", "has a special meaning in some YAML versions", _QUOTE),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE | re.ASCII), why, hint) for pattern, why, hint in _AMBIGUOUS)
_ANY_AMBIGUOUS = re.compile("|".join(pattern for pattern, _, _ in _AMBIGUOUS), re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A plain scalar that is read differently by different programs."""

    text: str
    why: str
    hint: str  # how to write it so that everyone reads the same

    @property
    def message(self) -> str:
        """The problem in words; a long text is cut."""
        shown = self.text if len(self.text) <= _LONGEST_SHOWN else f"{self.text[:_LONGEST_SHOWN]}..."
        return f"{shown!r} {self.why}"


def plain_value(text: str) -> str | int | bool | Ambiguous | None:
    """The value of a plain scalar."""
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _ANY_AMBIGUOUS.fullmatch(text):
        return text
    for pattern, why, hint in _COMPILED:
        if pattern.fullmatch(text):
            return Ambiguous(text, why, hint)
    return text


# Controls but tab and line ends, the other Unicode line separators (they would shift line numbers), bidirectional
# controls (they show a reviewer another order than the program reads), byte order marks and invisible tags.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]|\r(?!\n)"
)


def decode(path: str, content: bytes) -> tuple[str | None, Finding | None]:
    """The text of a file, or the finding about its encoding."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        mark = _mark_after(content[: error.start].decode("utf-8"))
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        return None, finding(YAML_ENCODING, path, mark, message, "save the file as UTF-8")
    if text.startswith("\ufeff"):
        message = "the file begins with a byte order mark"
        return None, finding(YAML_ENCODING, path, Mark(1, 1), message, "save the file as UTF-8 without BOM")
    unwanted = _UNWANTED.search(text)
    if unwanted is None:
        return text, None
    mark = _mark_after(text[: unwanted.start()])
    return None, finding(YAML_CHARACTERS, path, mark, f"{_name(unwanted[0])} is not allowed", "delete it")


def unwanted_character(value: str) -> str | None:
    """The name of the first forbidden character of a scalar."""
    unwanted = _UNWANTED.search(value)
    return _name(unwanted[0]) if unwanted else None


def _name(character: str) -> str:
    return f"the character U+{ord(character):04X}"


def _mark_after(text: str) -> Mark:
    """The place right after this text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)
