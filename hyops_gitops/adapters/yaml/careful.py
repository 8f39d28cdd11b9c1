"""Reading with care: marks, and findings about all but plain data."""

import contextlib
import functools
from collections.abc import Generator
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

from hyops_gitops.adapters.yaml.scalars import Ambiguous, plain_value, unwanted_character
from hyops_gitops.core.document import (
    YAML_AMBIGUOUS,
    YAML_ANCHOR,
    YAML_CHARACTERS,
    YAML_DEPTH,
    YAML_DOCUMENTS,
    YAML_DUPLICATE_KEY,
    YAML_EMPTY,
    YAML_KEY,
    YAML_MERGE_KEY,
    YAML_SYNTAX,
    YAML_TAG,
    Document,
    KeyPath,
)
from hyops_gitops.core.findings import Finding, Mark, Rule, finding

Events = Generator[Event, None, None]

MAX_DEPTH = 16
_COLON_IN_FLOW = "found unexpected ':'"


def read_with_care(path: str, text: str, *, pure: bool = False) -> tuple[Document | None, tuple[Finding, ...]]:
    """A decoded file as data with marks, and its findings."""
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
