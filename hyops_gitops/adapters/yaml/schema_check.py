"""Checks a document's form against one of our JSON Schemas and says each defect once, at its place, in words.

jsonschema finds the errors; this module knows which key or value each one is about. Rules about meaning are in
core.rules.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError

from hyops_gitops.adapters.yaml.schema_words import (
    describe,
    description_hint,
    example_hint,
    expectation,
    key_hint,
    length_problem,
    meant_key,
    shown_path,
    type_hint,
    unknown_key_hint,
)
from hyops_gitops.adapters.yaml.schemas import SchemaName, load_schema
from hyops_gitops.core.contracts.context import did_you_mean, suggestion
from hyops_gitops.core.document import Document, KeyPath
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding


@dataclass(frozen=True, slots=True)
class _Defect:
    """One thing wrong with one key or value."""

    at: KeyPath
    rule: str
    message: str
    hint: str = ""
    about_key: bool = False  # the place is the key's, not the value's
    meant: str | None = None  # the key that an unknown one stands for


# Of several errors at one place the first of these explains the others.
_ORDER = ("schema-unknown-key", "schema-type", "schema-value", "schema-form", "schema-range", "schema-duplicate")
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties")


def check_document(schema: SchemaName, document: Document) -> tuple[Document, tuple[Finding, ...]]:
    """The document with malformed values marked as faulty, and one finding for each defect."""
    errors = _validator(schema).iter_errors(cast("Any", document.data))
    defects: dict[KeyPath, _Defect] = {}
    for defect in (defect for error in errors for defect in _defects(error) if document.is_sound(*defect.at)):
        known = defects.get(defect.at)
        if known is None or _rank(defect) < _rank(known):
            defects[defect.at] = defect
    told = [defect for defect in defects.values() if not _explained(defect, defects)]
    faulty = document.faulty | set(defects)
    return replace(document, faulty=faulty), tuple(sorted(_finding(document, defect) for defect in told))


@functools.cache
def _validator(schema: SchemaName) -> Draft202012Validator:
    return Draft202012Validator(load_schema(schema))


def _rank(defect: _Defect) -> int:
    return _ORDER.index(defect.rule) if defect.rule in _ORDER else len(_ORDER)


def _explained(defect: _Defect, defects: Mapping[KeyPath, _Defect]) -> bool:
    """Whether a missing key is only one that was misspelt beside it."""
    return defect.rule == "schema-missing-key" and any(
        other.meant == defect.at[-1] and other.at[:-1] == defect.at[:-1] for other in defects.values()
    )


def _finding(document: Document, defect: _Defect) -> Finding:
    mark = document.key_mark(*defect.at) if defect.about_key else document.value_mark(*defect.at)
    return finding(defect.rule, document.path, mark, defect.message, defect.hint)


def _defects(error: ValidationError) -> Iterator[_Defect]:
    """What one error of jsonschema is about. It names a mapping where we want one of the mapping's keys."""
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


def _bad_key(error: ValidationError, at: KeyPath) -> _Defect:
    key = str(error.instance)
    if error.validator == "enum":
        allowed = cast("list[str]", error.validator_value)
        message = f"{shown_path(at)} takes no {key!r} here"
        return _Defect((*at, key), "schema-unknown-key", message, suggestion(key, allowed, "keys"), about_key=True)
    message = f"the key {key!r} is not {expectation(_schema(error))}"
    return _Defect((*at, key), "schema-form", message, key_hint(key, str(error.validator_value)), about_key=True)


def _unknown_keys(error: ValidationError, at: KeyPath) -> Iterator[_Defect]:
    known = cast("Mapping[str, object]", _schema(error).get("properties", {}))
    for key in (key for key in cast("Mapping[str, object]", error.instance) if key not in known):
        place = f" in {shown_path(at)}" if at else ""
        message = f"unknown key {key!r}{place}"
        hint, meant = unknown_key_hint(key, known), meant_key(key, known)
        yield _Defect((*at, key), "schema-unknown-key", message, hint, about_key=True, meant=meant)


def _missing_keys(error: ValidationError, at: KeyPath) -> Iterator[_Defect]:
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
            yield _Defect((*at, key), "schema-missing-key", f"the required key {key!r} is missing{place}{why}", hint)


def _bad_value(error: ValidationError, at: KeyPath, keyword: str) -> _Defect:
    name, value, schema = shown_path(at), error.instance, _schema(error)
    if keyword == "type":
        message = f"{name}: got {describe(value)}, expected {expectation(schema) if at else 'a mapping'}"
        return _Defect(at, "schema-type", message, type_hint(value, error.validator_value, schema))
    if keyword == "enum":
        allowed = [str(one) for one in cast("list[object]", error.validator_value)]
        message = f"{name}: got {describe(value)}, expected {' or '.join(allowed)}"
        guess = did_you_mean(str(value), allowed)
        hint = f"did you mean {guess}?" if guess else description_hint(str(at[-1]), schema)
        return _Defect(at, "schema-value", message, hint)
    if keyword in ("minimum", "maximum"):
        low, high = schema.get("minimum"), schema.get("maximum")
        message = f"{name}: got {describe(value)}, expected a whole number from {low} to {high}"
        return _Defect(at, "schema-range", message, description_hint(str(at[-1]), schema))
    if keyword in _LENGTHS:
        message = f"{name}: {length_problem(keyword, value, error.validator_value)}"
        return _Defect(at, "schema-range", message, example_hint(schema))
    if keyword == "uniqueItems":
        return _duplicate(at, cast("list[object]", value))
    message = f"{name}: got {describe(value)}, expected {expectation(schema)}"
    return _Defect(at, "schema-form", message, example_hint(schema))


def _duplicate(at: KeyPath, items: list[object]) -> _Defect:
    index = next(index for index, item in enumerate(items) if item in items[:index])
    message = f"{shown_path(at)} lists {describe(items[index])} twice"
    return _Defect((*at, index), "schema-duplicate", message, "delete or correct one of the two")


def _schema(error: ValidationError) -> Mapping[str, object]:
    """The subschema that the error is from."""
    return cast("Mapping[str, object]", error.schema)
