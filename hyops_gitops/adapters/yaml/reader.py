"""The strict YAML reader: bytes to a `Document`, never an exception.

It builds plain data from the events of ruamel.yaml's parser (the C one where it is installed, else the pure one) and
never constructs objects. Whatever people and programs may read differently, or review cannot see, is a finding:
anchors, aliases, tags, directives, several documents, merge and duplicate keys, ambiguous plain scalars, deep nesting.

A file is read quickly first: data without marks, given up at the first thing that is not surely sound. Then it is read
with care: with marks and findings. A sound file is read with care too once something has to be placed in it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from ruamel.yaml import main as ruamel
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from hyops_gitops.adapters.yaml.careful import MAX_DEPTH, read_with_care
from hyops_gitops.adapters.yaml.scalars import Ambiguous, decode, plain_value
from hyops_gitops.core.document import YAML_DIRECTIVE, Document, KeyPath
from hyops_gitops.core.findings import Finding, Mark, finding
from hyops_gitops.core.layout import FILE_PROBLEM, MAX_FILE_BYTES

_C_PARSER: Any = getattr(ruamel, "CParser", None)  # None where it is not installed


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
    sound = None if pure else _sound_document(path, content, text)
    return (sound, ()) if sound is not None else read_with_care(path, text, pure=pure)


def _directive_line(text: str) -> int | None:
    """The line of the first directive, after comments only."""
    if not text.startswith("%") and "\n%" not in text:
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("%"):
            return number
        if line.strip() and not line.lstrip().startswith("#"):
            return None
    return None


def _sound_document(path: str, content: bytes, text: str) -> Document | None:
    """The document of a file that surely has no finding."""
    if _C_PARSER is None or "\\" in text:  # an escape can hold any character
        return None
    try:
        data = _sound_data(_C_PARSER(text).get_event)
    except (_Unusual, YAMLError):
        return None
    care = _Care(path, content)
    return Document(path, data, _Marks(care, "key_marks"), _Marks(care, "value_marks"))


class _Unusual(Exception):
    """Something that is not surely sound."""


def _sound_data(take: Callable[[], Event]) -> dict[str, object]:
    take()  # the start of the stream
    if type(take()) is not DocumentStartEvent or type(root := take()) is not MappingStartEvent:
        raise _Unusual
    data = _sound_mapping(root, take, 1)
    end = take()
    if type(end) is not DocumentEndEvent or end.explicit or type(take()) is not StreamEndEvent:
        raise _Unusual
    return data


def _sound_mapping(start: MappingStartEvent, take: Callable[[], Event], depth: int) -> dict[str, object]:
    _check_sound(start, depth)
    items: dict[str, object] = {}
    while type(event := take()) is not MappingEndEvent:
        if type(event) is not ScalarEvent or event.anchor is not None or event.tag is not None:
            raise _Unusual
        key = event.value
        if key in items or (event.implicit[0] and not _is_sound_key(key)):
            raise _Unusual
        items[key] = _sound_value(take(), take, depth + 1)
    return items


def _sound_value(event: Event, take: Callable[[], Event], depth: int) -> object:
    if type(event) is ScalarEvent:
        if event.anchor is not None or event.tag is not None:
            raise _Unusual
        value = plain_value(event.value) if event.implicit[0] else event.value
        if type(value) is Ambiguous:
            raise _Unusual
        return value
    if type(event) is MappingStartEvent:
        return _sound_mapping(event, take, depth)
    if type(event) is not SequenceStartEvent:
        raise _Unusual
    _check_sound(event, depth)
    items: list[object] = []
    while type(event := take()) is not SequenceEndEvent:
        items.append(_sound_value(event, take, depth + 1))
    return items


def _check_sound(event: MappingStartEvent | SequenceStartEvent, depth: int) -> None:
    if depth > MAX_DEPTH or event.anchor is not None or event.tag is not None:
        raise _Unusual


@functools.lru_cache(maxsize=1024)
def _is_sound_key(key: str) -> bool:
    """Whether a plain key is text to every reader."""
    return key != "<<" and isinstance(plain_value(key), str)


class _Care:
    """A sound file, read with care when a mark is needed."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._content = content

    @functools.cached_property
    def document(self) -> Document:
        document, _ = read_with_care(self._path, self._content.decode())
        return document or Document(self._path, None, {}, {})


class _Marks(Mapping[KeyPath, Mark]):
    """The marks of a sound document."""

    def __init__(self, care: _Care, which: str) -> None:
        self._care = care
        self._which = which

    def _read(self) -> Mapping[KeyPath, Mark]:
        return cast("Mapping[KeyPath, Mark]", getattr(self._care.document, self._which))

    def __getitem__(self, at: KeyPath) -> Mark:
        return self._read()[at]

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
