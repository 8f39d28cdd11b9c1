"""The shipped schemas: sound, described for editors, and in agreement with the program's own defaults."""

import itertools
from collections.abc import Iterator
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from referencing.jsonschema import DRAFT202012

from hyops_gitops.adapters.yaml.schema import SchemaName, load_schema, schema_directory
from hyops_gitops.core.authority import DEFAULT_CONVERGENCE_S, DEFAULT_OVERRIDABLE, POLICY_DEFAULTS
from hyops_gitops.core.context import DEFAULT_TTL
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
