"""What a plain YAML scalar means here: true, false, null, a decimal integer, else a string.

YAML 1.1 and 1.2 and their many implementations read some plain scalars differently (`no` as false, `010` as eight,
`12:30` as 750, a date as a date). Those are never guessed at: they have to be quoted or written plainly.
"""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A plain scalar that is read differently by different programs."""

    text: str
    why: str
    hint: str  # how to write it so that everyone reads the same

    @property
    def message(self) -> str:
        """What to say about it; a long text is cut."""
        shown = self.text if len(self.text) <= _LONGEST_SHOWN else f"{self.text[:_LONGEST_SHOWN]}..."
        return f"{shown!r} {self.why}"


def plain_value(text: str) -> str | int | bool | Ambiguous | None:
    """The value of a plain scalar."""
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    for pattern, why, hint in _COMPILED:
        if pattern.fullmatch(text):
            return Ambiguous(text, why, hint)
    return text
