"""The strict YAML reader: bytes to a `Document`, never an exception.

It builds plain data from the events of ruamel.yaml's parser (the C one where it is installed, else the pure one) and
never constructs objects. Whatever people and programs may read differently, or review cannot see, is a finding:
anchors, aliases, tags, directives, several documents, merge and duplicate keys, ambiguous plain scalars, deep nesting.
"""

import contextlib
import functools
import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamStartEvent,
)

from hyops_gitops.core.document import (
    YAML_AMBIGUOUS,
    YAML_ANCHOR,
    YAML_CHARACTERS,
    YAML_DEPTH,
    YAML_DIRECTIVE,
    YAML_DOCUMENTS,
    YAML_DUPLICATE_KEY,
    YAML_EMPTY,
    YAML_ENCODING,
    YAML_KEY,
    YAML_MERGE_KEY,
    YAML_SYNTAX,
    YAML_TAG,
    Document,
    KeyPath,
)
from hyops_gitops.core.findings import Finding, Mark, Rule, finding
from hyops_gitops.core.layout import FILE_PROBLEM, MAX_FILE_BYTES

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
        """The problem in words; a long text is cut."""
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


Events = Generator[Event, None, None]

MAX_DEPTH = 16
_COLON_IN_FLOW = "found unexpected ':'"


def read_document(path: str, content: bytes, *, pure: bool = False) -> tuple[Document | None, tuple[Finding, ...]]:
    """One YAML file as data with marks, and its findings.

    Args:
        path: What findings call the file.
        content: The file's bytes.
        pure: Use the parser written in Python even where the C parser is installed.

    Returns:
        The document, or None when reading had to stop, and the findings in file order. Values with a finding are in the
        document's `faulty`.
    """
    if len(content) > MAX_FILE_BYTES:
        message = f"is larger than {MAX_FILE_BYTES // 1024} KiB"
        return None, (finding(FILE_PROBLEM, path, Mark(1, 1), message),)
    text, problem = decode(path, content)
    if text is None:
        return None, () if problem is None else (problem,)
    directive = _directive_line(text)
    if directive is not None:
        message = "YAML directives are not allowed"
        return None, (finding(YAML_DIRECTIVE, path, Mark(directive, 1), message, "delete the line"),)
    document, findings = _Builder(path).build(text, pure)
    if document is None and _COLON_IN_FLOW in " ".join(finding.message for finding in findings):
        # libyaml stops at a colon in a flow list ([fd00::1]), which YAML 1.2 and the pure parser read as text.
        return _Builder(path).build(text, pure=True)
    return document, findings


class _Stop(Exception):
    """Reading ends here; the finding is recorded."""


class _Builder:
    """Builds one document out of events, collecting findings."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._findings: list[Finding] = []
        self._key_marks: dict[KeyPath, Mark] = {}
        self._value_marks: dict[KeyPath, Mark] = {}
        self._faulty: set[KeyPath] = set()

    def build(self, text: str, pure: bool) -> tuple[Document | None, tuple[Finding, ...]]:
        document = None
        try:
            # Closed at once when we stop early: libyaml takes quadratic time for deep flow nesting.
            with contextlib.closing(_events(text, pure)) as events:
                data = self._document(events)
            document = Document(self._path, data, self._key_marks, self._value_marks, frozenset(self._faulty))
        except _Stop:
            pass
        except YAMLError as error:
            self._syntax(error, text)
        except (ValueError, OverflowError) as error:  # the pure parser, for escapes beyond Unicode
            self._add(YAML_SYNTAX, Mark(1, 1), f"cannot be read as YAML: {error}")
        return document, tuple(self._findings)

    def _document(self, events: Events) -> object:
        first = next(event for event in events if not isinstance(event, StreamStartEvent))
        if not isinstance(first, DocumentStartEvent):
            self._add(YAML_EMPTY, Mark(1, 1), "the file is empty", "delete it, or write the contract")
            raise _Stop
        root = next(events)
        data = self._node(root, events, (), 1)
        if isinstance(root, ScalarEvent) and not root.value:
            self._value_marks[()] = Mark(1, 1)  # of nothing, as in a lone `---`: the parsers differ on where that is
        end = next(events)
        if not (isinstance(end, DocumentEndEvent) and end.explicit):  # `...` already invites another document
            end = next(events)
            if not isinstance(end, DocumentStartEvent):
                return data
        hint = "remove `...`, or `---` and all after it"
        self._add(YAML_DOCUMENTS, _mark(end), "a file holds one document", hint)
        raise _Stop

    def _node(self, event: Event, events: Events, at: KeyPath, depth: int) -> object:
        mark = _mark(event)
        self._value_marks[at] = mark
        if isinstance(event, AliasEvent):
            self._fault(at, YAML_ANCHOR, mark, f"the alias *{event.anchor} is not allowed", "write the value out")
            return None
        self._check_properties(event, at, mark)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, at, mark)
        if depth > MAX_DEPTH:
            self._add(YAML_DEPTH, mark, f"nesting deeper than {MAX_DEPTH} levels is not allowed")
            raise _Stop
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, at, depth)
        return self._sequence(events, at, depth)

    def _check_properties(self, event: Event, at: KeyPath, mark: Mark) -> None:
        if anchor := getattr(event, "anchor", None):
            hint = "delete the anchor and write values out"
            self._add(YAML_ANCHOR, mark, f"the anchor &{anchor} is not allowed", hint)
        if (tag := getattr(event, "tag", None)) is not None:
            hint = "delete the tag; quote the value if text is meant"
            self._fault(at, YAML_TAG, mark, f"the tag {_short_tag(str(tag))} is not allowed", hint)

    def _scalar(self, event: ScalarEvent, at: KeyPath, mark: Mark) -> object:
        text = str(event.value)
        unwanted = unwanted_character(text)
        if unwanted is not None:
            self._fault(at, YAML_CHARACTERS, mark, f"the value holds {unwanted}", "delete it")
        value = plain_value(text) if _is_plain(event) else text
        if isinstance(value, Ambiguous):
            self._fault(at, YAML_AMBIGUOUS, mark, value.message, value.hint)
            return text
        return value

    def _sequence(self, events: Events, at: KeyPath, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self._node(event, events, (*at, len(items)), depth + 1))
        return items

    def _mapping(self, events: Events, at: KeyPath, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key = self._key(event, at, items)
            if key is not None:
                self._key_marks[*at, key] = _mark(event)
                value = next(events)
                items[key] = self._node(value, events, (*at, key), depth + 1)
                if isinstance(value, ScalarEvent) and not value.value and _is_plain(value):
                    # No value: the parsers differ on where it ends, so that it stands right after the key's colon.
                    self._value_marks[*at, key] = _mark_of(event.end_mark, 1)
            else:
                self._skip(events, at, depth)
        return items

    def _key(self, event: Event, at: KeyPath, items: dict[str, object]) -> str | None:
        """The key, or None when its value is to be left out."""
        mark = _mark(event)
        if not isinstance(event, ScalarEvent):
            self._add(YAML_KEY, mark, "a key must be one plain or quoted word, not a list, mapping or alias")
            raise _Stop
        key = str(event.value)
        self._check_properties(event, (*at, key), mark)
        if _is_plain(event) and key == "<<":
            self._fault(at, YAML_MERGE_KEY, mark, "merge keys are not allowed", "write the values out")
            return None
        if key in items:
            first = self._key_marks[*at, key]
            message = f"the key {key!r} is given twice, first on line {first.line}"
            self._add(YAML_DUPLICATE_KEY, mark, message, "keep one of the two")
            return None
        if unwanted := unwanted_character(key):
            self._fault((*at, key), YAML_CHARACTERS, mark, f"the key holds {unwanted}", "delete it")
        elif _is_plain(event) and not isinstance(plain_value(key), str):
            hint = f'write "{key}" if this key is meant'
            self._fault((*at, key), YAML_AMBIGUOUS, mark, f"the key {key!r} is not text for every YAML reader", hint)
        return key

    def _skip(self, events: Events, at: KeyPath, depth: int) -> None:
        """Read a value without findings: its key already has one."""
        kept, self._findings = self._findings, []
        marks, self._value_marks = self._value_marks, {}
        faulty, self._faulty = self._faulty, set()
        keys, self._key_marks = self._key_marks, {}
        try:
            self._node(next(events), events, at, depth + 1)
        except _Stop:
            kept += self._findings
            raise
        finally:
            self._findings, self._value_marks, self._faulty, self._key_marks = kept, marks, faulty, keys

    def _add(self, rule: Rule, mark: Mark, message: str, hint: str = "") -> None:
        self._findings.append(finding(rule, self._path, mark, message, hint))

    def _fault(self, at: KeyPath, rule: Rule, mark: Mark, message: str, hint: str) -> None:
        self._faulty.add(at)
        self._add(rule, mark, message, hint)

    def _syntax(self, error: YAMLError, text: str) -> None:
        problem = str(getattr(error, "problem", None) or error).splitlines()[0].replace("in this context", "here")
        context = getattr(error, "context", None)
        start = getattr(error, "context_mark", None)
        if context and start is not None and "next token" not in context:
            problem = f"{problem}, {context} that begins on line {start.line + 1}"
        mark = _mark_of(getattr(error, "problem_mark", None))
        lines = text.splitlines() or [""]
        if mark.line >= len(lines) and start is not None:
            mark = _mark_of(start)  # not the end of the file, but where the unfinished thing begins
        if mark.line > len(lines):
            mark = Mark(len(lines), len(lines[-1]) + 1)
        self._add(YAML_SYNTAX, mark, f"cannot be read as YAML: {problem}", _syntax_hint(problem, text, mark))


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _syntax_hint(problem: str, text: str, mark: Mark) -> str:
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces, never with tabs"
    if "mapping values are not allowed" in problem:
        return "check the indentation, and quote a value that holds `: `"
    if "cannot start any token" in problem:
        return "quote a value that begins with a special character"
    return "check quotes, brackets and the indentation of this line and of the one before"


def _directive_line(text: str) -> int | None:
    """The line of the first directive, after comments only."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("%"):
            return number
        if line.strip() and not line.lstrip().startswith("#"):
            return None
    return None


def _is_plain(event: ScalarEvent) -> bool:
    return event.tag is None and bool(event.implicit[0])


def _mark(event: Event) -> Mark:
    return _mark_of(event.start_mark)


def _mark_of(mark: Any, further: int = 0) -> Mark:
    return Mark(1, 1) if mark is None else Mark(mark.line + 1, mark.column + 1 + further)


@functools.cache
def _parser(pure: bool) -> YAML:
    """One parser for all files.

    Making one looks for plug-ins on disk, which takes as long as reading a contract.
    """
    return YAML(typ="safe", pure=pure)


def _events(text: str, pure: bool) -> Events:
    return cast("Events", _parser(pure).parse(text))
