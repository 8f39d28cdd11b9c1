"""The shipped schemas: sound, described for editors, and in agreement with the program's own defaults."""

import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing.jsonschema import DRAFT202012

from hyops_gitops.adapters.yaml.schema import SchemaName, is_surely_valid, load_schema, schema_directory
from hyops_gitops.core.authority import DEFAULT_CONVERGENCE_S, DEFAULT_OVERRIDABLE, POLICY_DEFAULTS
from hyops_gitops.core.context import DEFAULT_TTL
from hyops_gitops.core.document import KeyPath
from hyops_gitops.core.guards import overridable_guards
from hyops_gitops.validate.building import DEFAULT_BRANCH, DEFAULT_SERVER_ID
from tests.support.repository import ROOT

NAMES: tuple[SchemaName, ...] = ("endpoint", "authority")
Schema = dict[str, Any]
each_schema = pytest.mark.parametrize("name", NAMES)


def schema_of(name: SchemaName) -> Schema:
    return cast("Schema", load_schema(name))


def subschemas(schema: Schema) -> Iterator[Schema]:
    yield schema
    for child in DRAFT202012.subresources_of(schema):
        if isinstance(child, dict):
            yield from subschemas(cast("Schema", child))


def properties(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every property that a mapping is described with; conditions repeat properties and need not."""
    for one in subschemas(schema):
        if "additionalProperties" in one:
            yield from one.get("properties", {}).items()


@each_schema
def test_schema_is_valid_and_says_its_draft(name: SchemaName) -> None:
    schema = schema_of(name)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://hyops.internal/schemas/{name}.schema.json"


@each_schema
def test_every_property_is_described_and_has_an_example(name: SchemaName) -> None:
    poor = [key for key, one in properties(schema_of(name)) if "description" not in one or "examples" not in one]

    assert poor == []


@each_schema
def test_every_mapping_refuses_unknown_keys(name: SchemaName) -> None:
    mappings = [one for one in subschemas(schema_of(name)) if "properties" in one and one.get("type") == "object"]

    assert all(one["additionalProperties"] is False for one in mappings)


@each_schema
def test_every_example_is_valid(name: SchemaName) -> None:
    wrong = [
        (one.get("description"), example)
        for one in subschemas(schema_of(name))
        for example in one.get("examples", [])
        if not Draft202012Validator(one).is_valid(example)
    ]

    assert wrong == []


@each_schema
def test_every_default_is_valid(name: SchemaName) -> None:
    with_default = [one for one in subschemas(schema_of(name)) if "default" in one]

    assert all(Draft202012Validator(one).is_valid(one["default"]) for one in with_default)


@each_schema
def test_every_number_is_bounded(name: SchemaName) -> None:
    numbers = [one for one in subschemas(schema_of(name)) if one.get("type") == "integer"]

    assert all("minimum" in one and "maximum" in one for one in numbers)


@each_schema
def test_every_pattern_has_words_for_it(name: SchemaName) -> None:
    assert [one for one in subschemas(schema_of(name)) if "pattern" in one and "title" not in one] == []


def test_the_schemas_defaults_are_the_programs() -> None:
    authority = schema_of("authority")["properties"]
    policy = authority["policy"]["properties"]

    assert {key: policy[key]["default"] for key in POLICY_DEFAULTS} == dict(POLICY_DEFAULTS)
    assert tuple(policy["overridable"]["default"]) == DEFAULT_OVERRIDABLE
    assert {key: one["default"] for key, one in policy["ttl"]["properties"].items()} == {
        "min": DEFAULT_TTL.minimum,
        "max": DEFAULT_TTL.maximum,
        "default": DEFAULT_TTL.default,
    }
    assert policy["convergence"]["properties"]["timeout_s"]["default"] == DEFAULT_CONVERGENCE_S
    assert authority["primary"]["properties"]["server_id"]["default"] == DEFAULT_SERVER_ID
    assert authority["evidence"]["properties"]["branch"]["default"] == DEFAULT_BRANCH


def test_default_overridable_guards_can_be_overridden() -> None:
    assert set(DEFAULT_OVERRIDABLE) <= set(overridable_guards())


def test_contracts_name_a_schema_that_is_there() -> None:
    root = ROOT
    contracts = list(itertools.chain(root.glob("endpoints/*/*.yaml"), root.glob("authority/*.yaml")))

    assert len(contracts) > 12
    for contract in contracts:
        first = contract.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (contract.parent / first.partition("=")[2]).resolve().parent == schema_directory()


# --- the quick validator and the one that finds errors

CURIOUS: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 53, 65535, 65536, 599, 600, 2**31 - 1, 2**31, 10**18, -(10**18)),
    *("", "x", "host", "dns", "tcp", "none", "db.example.com", "10.0.0.1", "fd00::1", "_a.b", "x.", "xn--a", "a" * 64),
    *("gcp", "Gcp", "gcp\n", "-gcp", "/health", "/a b", "health", "/é", "sha256:" + "0" * 64, "sha256:" + "0" * 63),
    *("2027-01-31", "2027-01-31\n", "2027-13-31", "2026-11-25T19:30:00Z", "2026-11-25T25:30:00Z", "x" * 201, "é" * 500),
    *("10.0.0.1:53", "[fd00::1]:53", "https://a:1", "HYOPS_KEY", "1A", "\u0661", "a\x00", "𝄞" * 201),
    *([], ["10.0.0.1"], ["a", "a"], [1, True], [[]], ["x"] * 65, [{}], [{"type": "tcp"}], [{"type": "none"}]),
    *({}, {"type": "none"}, {"gcp": "10.0.0.1"}, {"target": "x"}, {"target": "x", "port": True}, {"": ""}),
)


def full_documents(name: SchemaName) -> Iterator[dict[str, object]]:
    """Documents with every key, a different example each time."""
    members = schema_of(name)["properties"]
    for turn in range(max(len(member["examples"]) for member in members.values())):
        yield {key: member["examples"][turn % len(member["examples"])] for key, member in members.items()}


def places(value: object, at: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of a value and of each one inside of it."""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield from places(inner, (*at, step))


def with_value(document: object, at: KeyPath, value: object) -> object:
    """A copy with another value at a place, or another key beside it."""
    if not at:
        return value
    copy = deepcopy(document)
    inside: Any = copy
    for step in at[:-1]:
        inside = inside[step]
    inside[at[-1]] = value
    return copy


def without(document: object, at: KeyPath) -> object:
    copy = deepcopy(document)
    inside: Any = copy
    for step in at[:-1]:
        inside = inside[step]
    del inside[at[-1]]
    return copy


def variants(document: dict[str, object]) -> Iterator[object]:
    yield document
    for at in places(document):
        yield from (with_value(document, at, value) for value in CURIOUS)
        if at:
            yield without(document, at)
            if isinstance(at[-1], str):
                yield from (with_value(document, (*at[:-1], key), "x") for key in ("extra", "Gcp", "gcp\n", ""))


@each_schema
def test_both_validators_agree_on_every_document_with_one_curious_value(name: SchemaName) -> None:
    full = Draft202012Validator(load_schema(name))
    quick = {True: 0, False: 0}
    for variant in variants(next(full_documents(name))):
        valid = full.is_valid(cast("Any", variant))
        quick[valid] += 1
        assert is_surely_valid(name, variant) == valid, variant

    assert min(quick.values()) > 100


@each_schema
def test_text_that_no_json_document_holds_is_valid_only_to_both(name: SchemaName) -> None:
    full = Draft202012Validator(load_schema(name))
    document = next(full_documents(name))
    for variant in (with_value(document, at, "\ud800") for at in places(document)):
        assert full.is_valid(cast("Any", variant)) or not is_surely_valid(name, variant)


values = st.recursive(
    st.sampled_from(CURIOUS) | st.text(max_size=20) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@each_schema
@given(data=st.data())
def test_no_random_document_is_valid_to_the_quick_validator_alone(name: SchemaName, data: st.DataObject) -> None:
    document: object = data.draw(st.sampled_from(list(full_documents(name))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(list(places(document))))
        document = with_value(document, at, data.draw(values))

    if is_surely_valid(name, document):
        assert Draft202012Validator(load_schema(name)).is_valid(cast("Any", document))
