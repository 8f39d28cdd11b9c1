"""Checks of a document's form by our JSON Schemas, in words.

jsonschema-rs says quickly that a document is valid. Where it does not, jsonschema finds the errors; this module knows
which key or value each one is about. Rules about meaning are in `validate`.
"""

import functools
import json
import platform
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import ruamel.yaml

from hyops_gitops import __version__
from hyops_gitops.adapters.files import shipped_directory
from hyops_gitops.adapters.yaml.time_zones import with_time_zones
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import (
    SCHEMA_DUPLICATE,
    SCHEMA_FORM,
    SCHEMA_MISSING_KEY,
    SCHEMA_RANGE,
    SCHEMA_TYPE,
    SCHEMA_UNKNOWN_KEY,
    SCHEMA_VALUE,
    Document,
    KeyPath,
)
from hyops_gitops.core.findings import Finding, Rule, finding
from hyops_gitops.core.text import did_you_mean, suggestion

if TYPE_CHECKING:
    import jsonschema_rs
    from jsonschema import Draft202012Validator, ValidationError

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_DURATION = re.compile(r"(?P<count>[0-9]{1,6}) ?(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SHOWN = 60
_KEY_PREFIX = "endpoint_"
_ELSEWHERE = {"endpoint_host": "endpoint_target"}  # keys of HybridOps' outputs, and where they go here


def describe(value: object) -> str:
    """A value as it was written, short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int():
            return f"the number {value}"
        case str():
            shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
            return f"the text {shown!r}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def expectation(schema: Mapping[str, object]) -> str:
    """The title of a subschema, else its type."""
    title = schema.get("title")
    if isinstance(title, str):
        return title
    types = schema.get("type")
    names = types if isinstance(types, list) else [types]
    return " or ".join(_TYPES.get(str(name), str(name)) for name in names)


def type_hint(value: object, expected: object, schema: Mapping[str, object]) -> str:
    """The probable meaning of a mistyped value, or an example."""
    return _meant_value(value, expected) or example_hint(schema)


def example_hint(schema: Mapping[str, object]) -> str:
    """A good value, as the schema gives it."""
    examples = schema.get("examples")
    if not isinstance(examples, list) or not examples:
        return ""
    return f"such as {examples[0] if isinstance(examples[0], str) else json.dumps(examples[0])}"


def description_hint(key: str, schema: Mapping[str, object]) -> str:
    """The purpose of a key, as the schema gives it."""
    about = str(schema.get("description", "")).rstrip(".")
    return f"{key}: {about}" if about else ""


def _meant_value(value: object, expected: object) -> str:
    if value is None:
        return "give a value, or delete the key"
    if expected == "object":
        return "write a line `key: value` for each key"
    if isinstance(value, list) and expected == "string":
        return "write one value, without brackets or hyphens"
    if isinstance(value, str) and expected == "integer" and (duration := _DURATION.fullmatch(value)):
        return f"write seconds: {int(duration['count']) * _SECONDS[duration['unit']]}"
    if isinstance(value, str) and (
        (expected == "integer" and value.isascii() and value.isdigit())
        or (expected == "boolean" and value in ("true", "false"))
    ):
        return f"write it without quotes: {value}"
    accepts_text = expected == "string" or (isinstance(expected, list) and "string" in expected)
    if accepts_text and isinstance(value, int):
        return f'quote it if text is meant: "{describe(value).removeprefix("the number ")}"'
    return ""


def meant_key(key: str, known: Collection[str]) -> str | None:
    """The known key that an unknown one was probably meant to be."""
    if key in _ELSEWHERE and _ELSEWHERE[key] in known:
        return _ELSEWHERE[key]
    # All keys of a contract begin alike, which would make everything look similar to everything.
    short = {key.removeprefix(_KEY_PREFIX): key for key in known}
    guess = did_you_mean(key.removeprefix(_KEY_PREFIX), short)
    return short[guess] if guess else None


def unknown_key_hint(key: str, known: Collection[str]) -> str:
    """The remedy for an unknown key."""
    meant = meant_key(key, known)
    if meant is None:
        return f"known keys: {', '.join(sorted(known))}"
    if key in _ELSEWHERE:
        return f"{key} is the address behind the name in HybridOps' outputs: write it as {meant}"
    return f"did you mean {meant}?"


def key_hint(key: str, pattern: str) -> str:
    """The probable spelling of a malformed key."""
    spelt = key.lower().replace("_", "-")
    return f"write {spelt}" if re.search(pattern, spelt) else ""


def length_problem(keyword: str, value: object, bound: object) -> str:
    """A text or list that is too short or too long."""
    size = len(value) if isinstance(value, str | list | dict) else 0
    if size == 0:
        return f"got an empty {'text' if isinstance(value, str) else 'list' if isinstance(value, list) else 'mapping'}"
    unit = "characters" if isinstance(value, str) else "items"
    limit = "at least" if keyword.startswith("min") else "at most"
    return f"got {size} {unit}, expected {limit} {bound}"


def shown_path(at: KeyPath) -> str:
    """`secondaries[0].dns`, or `the file` for the whole document."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)
    return text.removeprefix(".") or "the file"


SchemaName = Literal["endpoint", "authority", "evidence", "plan", "apply", "readiness"]


def schema_directory() -> Path:
    """The folder of the shipped schemas."""
    return shipped_directory("schemas")


@functools.cache
def load_schema(name: SchemaName) -> dict[str, object]:
    """One shipped schema; a repository's copies are never read."""
    text = (schema_directory() / f"{name}.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))


def shipped_schemas() -> dict[str, bytes]:
    """Every schema by the path of its copy in a repository."""
    return {f"schemas/{file.name}": file.read_bytes() for file in sorted(schema_directory().glob("*.schema.json"))}


@functools.cache
def rules_digest() -> str:
    """SHA-256 of all that decides whether a contract is valid.

    That is the code of the rules, of the values and of the reader, the schemas, and the versions of what they use.
    """
    package = Path(__file__).parents[2]
    sources = sorted(path for part in ("core", "validate", "adapters/yaml") for path in (package / part).glob("*.py"))
    digests = [f"{sha256_hex(path.read_bytes())}  {path.relative_to(package).as_posix()}\n" for path in sources]
    digests += [f"{sha256_hex(content)}  {name}\n" for name, content in sorted(shipped_schemas().items())]
    versions = f"{__version__} {platform.python_version()} {ruamel.yaml.__version__}\n"
    return sha256_hex("".join([*digests, versions]).encode())


def schema_copies(root: Path) -> list[tuple[str, bytes, bytes]]:
    """A repository's copies: path, content, and the content of the shipped one."""
    if (root / "schemas").resolve() == schema_directory():
        return []
    shipped = shipped_schemas().items()
    return [(path, _read(root / path), content) for path, content in shipped if (root / path).is_file()]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes().replace(b"\r\n", b"\n")  # git may change its line ends on disk
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class _Defect:
    """One thing wrong with one key or value."""

    at: KeyPath
    rule: Rule
    message: str
    hint: str = ""
    about_key: bool = False  # the place is the key's, not the value's
    meant: str | None = None  # the key that an unknown one stands for


# Of several errors at one place the first of these explains the others.
_ORDER = (SCHEMA_UNKNOWN_KEY, SCHEMA_TYPE, SCHEMA_VALUE, SCHEMA_FORM, SCHEMA_RANGE, SCHEMA_DUPLICATE)
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties")


def check_document(schema: SchemaName, document: Document) -> tuple[Document, tuple[Finding, ...]]:
    """The document with malformed values marked, and a finding for each."""
    document = with_time_zones(document) if schema == "authority" else document
    if is_surely_valid(schema, document.data):
        return document, ()
    errors = _validator(schema).iter_errors(cast("Any", document.data))
    defects: dict[KeyPath, _Defect] = {}
    for defect in (defect for error in errors for defect in _defects(error) if document.is_sound(*defect.at)):
        known = defects.get(defect.at)
        if known is None or _rank(defect) < _rank(known):
            defects[defect.at] = defect
    reported = [defect for defect in defects.values() if not _explained(defect, defects)]
    faulty = document.faulty | set(defects)
    return replace(document, faulty=faulty), tuple(sorted(_finding(document, defect) for defect in reported))


def is_surely_valid(schema: SchemaName, data: object) -> bool:
    """Whether the data has no error, by the quick validator."""
    quick = _quick_validator(schema)
    try:
        return quick is not None and quick.is_valid(data)
    except ValueError:  # data that no JSON document holds, such as half of a surrogate pair
        return False


@functools.cache
def _quick_validator(schema: SchemaName) -> "jsonschema_rs.Draft202012Validator | None":
    """None on machines that it was not compiled for."""
    try:
        import jsonschema_rs  # noqa: PLC0415 - not every command reads a file
    except ImportError:
        return None
    return jsonschema_rs.Draft202012Validator(load_schema(schema), validate_formats=False)


@functools.cache
def _validator(schema: SchemaName) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only where something is wrong: a tenth of a second

    return Draft202012Validator(load_schema(schema))


def _rank(defect: _Defect) -> int:
    return _ORDER.index(defect.rule) if defect.rule in _ORDER else len(_ORDER)


def _explained(defect: _Defect, defects: Mapping[KeyPath, _Defect]) -> bool:
    """Whether a missing key is only one that was misspelt beside it."""
    return defect.rule == SCHEMA_MISSING_KEY and any(
        other.meant == defect.at[-1] and other.at[:-1] == defect.at[:-1] for other in defects.values()
    )


def _finding(document: Document, defect: _Defect) -> Finding:
    mark = document.key_mark(*defect.at) if defect.about_key else document.value_mark(*defect.at)
    return finding(defect.rule, document.path, mark, defect.message, defect.hint)


def _defects(error: "ValidationError") -> Iterator[_Defect]:
    """The defects of one error of jsonschema.

    It names a mapping where we want one of the mapping's keys.
    """
    at = tuple(error.absolute_path)
    keyword = str(error.validator)
    if "propertyNames" in error.absolute_schema_path:
        yield _bad_key(error, at)
    elif keyword == "additionalProperties":
        yield from _unknown_keys(error, at)
    elif keyword in ("required", "dependentRequired"):
        yield from _missing_keys(error, at)
    else:
        yield _bad_value(error, at, keyword)


def _bad_key(error: "ValidationError", at: KeyPath) -> _Defect:
    key = str(error.instance)
    if error.validator == "enum":
        allowed = cast("list[str]", error.validator_value)
        message = f"{shown_path(at)} takes no {key!r} here"
        return _Defect((*at, key), SCHEMA_UNKNOWN_KEY, message, suggestion(key, allowed, "keys"), about_key=True)
    message = f"the key {key!r} is not {expectation(_schema(error))}"
    return _Defect((*at, key), SCHEMA_FORM, message, key_hint(key, str(error.validator_value)), about_key=True)


def _unknown_keys(error: "ValidationError", at: KeyPath) -> Iterator[_Defect]:
    known = cast("Mapping[str, object]", _schema(error).get("properties", {}))
    for key in (key for key in cast("Mapping[str, object]", error.instance) if key not in known):
        place = f" in {shown_path(at)}" if at else ""
        message = f"unknown key {key!r}{place}"
        hint, meant = unknown_key_hint(key, known), meant_key(key, known)
        yield _Defect((*at, key), SCHEMA_UNKNOWN_KEY, message, hint, about_key=True, meant=meant)


def _missing_keys(error: "ValidationError", at: KeyPath) -> Iterator[_Defect]:
    instance = cast("Mapping[str, object]", error.instance)
    if error.validator == "required":
        needed = dict.fromkeys(cast("list[str]", error.validator_value), "")
    else:
        pairs = cast("Mapping[str, list[str]]", error.validator_value)
        needed = {key: f", which {given} needs" for given, keys in pairs.items() if given in instance for key in keys}
    properties = cast("Mapping[str, Mapping[str, object]]", _schema(error).get("properties", {}))
    for key, why in needed.items():
        if key not in instance:
            place = f" in {shown_path(at)}" if at else ""
            hint = description_hint(key, properties.get(key, {})) or f"add {key}"
            yield _Defect((*at, key), SCHEMA_MISSING_KEY, f"the required key {key!r} is missing{place}{why}", hint)


def _bad_value(error: "ValidationError", at: KeyPath, keyword: str) -> _Defect:
    name, value, schema = shown_path(at), error.instance, _schema(error)
    if keyword == "type":
        message = f"{name}: got {describe(value)}, expected {expectation(schema) if at else 'a mapping'}"
        return _Defect(at, SCHEMA_TYPE, message, type_hint(value, error.validator_value, schema))
    if keyword == "enum":
        allowed = [str(value) for value in cast("list[object]", error.validator_value)]
        message = f"{name}: got {describe(value)}, expected {' or '.join(allowed)}"
        guess = did_you_mean(str(value), allowed)
        hint = f"did you mean {guess}?" if guess else description_hint(str(at[-1]), schema)
        return _Defect(at, SCHEMA_VALUE, message, hint)
    if keyword in ("minimum", "maximum"):
        low, high = schema.get("minimum"), schema.get("maximum")
        message = f"{name}: got {describe(value)}, expected a whole number from {low} to {high}"
        return _Defect(at, SCHEMA_RANGE, message, description_hint(str(at[-1]), schema))
    if keyword in _LENGTHS:
        message = f"{name}: {length_problem(keyword, value, error.validator_value)}"
        return _Defect(at, SCHEMA_RANGE, message, example_hint(schema))
    if keyword == "uniqueItems":
        return _duplicate(at, cast("list[object]", value))
    message = f"{name}: got {describe(value)}, expected {expectation(schema)}"
    return _Defect(at, SCHEMA_FORM, message, example_hint(schema))


def _duplicate(at: KeyPath, items: list[object]) -> _Defect:
    index = next(index for index, item in enumerate(items) if item in items[:index])
    message = f"{shown_path(at)} lists {describe(items[index])} twice"
    return _Defect((*at, index), SCHEMA_DUPLICATE, message, "delete or correct one of the two")


def _schema(error: "ValidationError") -> Mapping[str, object]:
    """The subschema that the error is from."""
    return cast("Mapping[str, object]", error.schema)
