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

_AMBIGUOUS = (
    (re.compile(r"y|n|yes|no|on|off|true|false", re.IGNORECASE), "a boolean in some YAML versions"),
    (re.compile(r"~|null", re.IGNORECASE), "nothing in some YAML versions"),
    (re.compile(rf"-?[1-9][0-9]{{{MAX_DIGITS},}}"), f"a number of more than {MAX_DIGITS} digits"),
    (re.compile(r"[-+]?[0-9]+"), "a number in a form that is read differently"),
    (re.compile(r"[-+]?0(?:[oO]?[0-7_]+|[xX][0-9a-fA-F_]+|[bB][01_]+)"), "an octal, hexadecimal or binary number"),
    (re.compile(r"[-+]?[0-9][0-9_]*"), "a number in some YAML versions"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"), "a number of base 60 in some YAML versions"),
    (re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"), "a floating-point number"),
    (re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE), "a floating-point number"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), "a date in some YAML versions"),
    (re.compile(r"="), "a special value in some YAML versions"),
)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A plain scalar that is read differently by different programs."""

    text: str
    why: str

    @property
    def shown(self) -> str:
        """The text, cut where it is long."""
        return self.text if len(self.text) <= _LONGEST_SHOWN else f"{self.text[:_LONGEST_SHOWN]}..."

    @property
    def hint(self) -> str:
        """How to write it so that everyone reads the same."""
        lowered = self.text.lower()
        if lowered in ("true", "false", "null"):
            return f"write {lowered}"
        return f'write "{self.shown}" if text is meant, else true, false, null or a plain decimal number'


def plain_value(text: str) -> str | int | bool | Ambiguous | None:
    """The value of a plain scalar."""
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    why = next((why for pattern, why in _AMBIGUOUS if pattern.fullmatch(text)), None)
    return text if why is None else Ambiguous(text, why)
