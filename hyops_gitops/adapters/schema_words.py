"""Words for values, types and bounds, so that a message about form reads like one from a colleague."""

from collections.abc import Collection, Mapping

from hyops_gitops.core.document import KeyPath
from hyops_gitops.core.rules.context import did_you_mean

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
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


def type_hint(value: object, expected: object) -> str:
    """How a value of the wrong type is probably meant."""
    if value is None:
        return "give a value, or delete the key"
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
