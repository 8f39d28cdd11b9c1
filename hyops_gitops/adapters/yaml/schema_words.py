"""Words for values, types and bounds, so that a message about form reads like one from a colleague."""

import json
import re
from collections.abc import Collection, Mapping

from hyops_gitops.core.contracts.context import did_you_mean
from hyops_gitops.core.document import KeyPath

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
    """What a subschema asks for: its title where it has one, else its type."""
    title = schema.get("title")
    if isinstance(title, str):
        return title
    types = schema.get("type")
    names = types if isinstance(types, list) else [types]
    return " or ".join(_TYPES.get(str(name), str(name)) for name in names)


def type_hint(value: object, expected: object, schema: Mapping[str, object]) -> str:
    """How a value of the wrong type is probably meant, or else what one of the right type looks like."""
    return _meant_value(value, expected) or example_hint(schema)


def example_hint(schema: Mapping[str, object]) -> str:
    """What a good value looks like, as the schema gives it."""
    examples = schema.get("examples")
    if not isinstance(examples, list) or not examples:
        return ""
    return f"such as {examples[0] if isinstance(examples[0], str) else json.dumps(examples[0])}"


def description_hint(key: str, schema: Mapping[str, object]) -> str:
    """What a key is for, as the schema says it."""
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
    short = {one.removeprefix(_KEY_PREFIX): one for one in known}
    guess = did_you_mean(key.removeprefix(_KEY_PREFIX), short)
    return short[guess] if guess else None


def unknown_key_hint(key: str, known: Collection[str]) -> str:
    """What to do about an unknown key."""
    meant = meant_key(key, known)
    if meant is None:
        return f"known keys: {', '.join(sorted(known))}"
    if key in _ELSEWHERE:
        return f"{key} is the address behind the name in HybridOps' outputs: write it as {meant}"
    return f"did you mean {meant}?"


def key_hint(key: str, pattern: str) -> str:
    """How a key of the wrong form is probably meant."""
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
