"""The schemas of entries and plans: sound, described, shipped, and in agreement with what is written."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from hyops_gitops.adapters.yaml.schema import SchemaName, load_schema
from hyops_gitops.core.damage import Damage, DamageKind
from hyops_gitops.core.declaration import KINDS, Declaration, DeclaredHold
from hyops_gitops.core.guards import Override
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.readiness import ProbeReport, ReadinessReport
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import (
    Continues,
    Gap,
    Genesis,
    ImportedSegment,
    MissingEntries,
    Reconcile,
    StolenKey,
    TrustChange,
)
from hyops_gitops.log.entries import (
    BODY_TYPES,
    AuthorityChange,
    Intent,
    Refusal,
    Result,
    Unchanged,
    ZoneDrift,
)
from hyops_gitops.log.envelope import Envelope, Subject, decode, encode
from hyops_gitops.log.parts import (
    AuthorityRef,
    ContractsRef,
    Hold,
    Lease,
    RecordedRefusal,
    Restore,
    Retirement,
    SecondaryDrift,
    TrustedKey,
    ZoneDigests,
)
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.timeline import STAGES, Moment, ServiceReport
from hyops_gitops.plan.plan import Action, Change, Drift, Held
from tests.support.keys import ok
from tests.support.repository import ROOT
from tests.support.world import World

NAMES: tuple[SchemaName, ...] = ("evidence", "plan", "apply")
each_schema = pytest.mark.parametrize("name", NAMES)

# --- values of every type of entry

shas = st.text("0123456789abcdef", min_size=64, max_size=64)
commits = st.one_of(st.text("0123456789abcdef", min_size=40, max_size=40), shas)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=20)
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=20)
names = st.from_regex(r"[a-z]{1,8}\.prod\.z\.internal", fullmatch=True)
numbers = st.integers(1, 2**53 - 1)
times = st.integers(0, 4_000_000_000).map(lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
addresses = st.ip_addresses(v=4).map(str)


def some(values: st.SearchStrategy[Any], size: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=size).map(tuple)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def rrsets_at(name: str) -> st.SearchStrategy[RRset]:
    return st.builds(
        lambda ttl, rdata: RRset.of(name, "A", ttl, rdata),
        st.integers(0, 2**31 - 1),
        st.lists(addresses, min_size=1, max_size=3),
    )


digests = st.builds(ZoneDigests, shas, shas, maybe(st.integers(0, 2**32 - 1)))
changes = names.flatmap(
    lambda name: st.builds(
        Change,
        st.sampled_from(Action),
        st.just(name),
        st.just("A"),
        maybe(rrsets_at(name)),
        maybe(rrsets_at(name)),
        words,
        cutover=st.booleans(),
    )
)
drifts = names.flatmap(
    lambda name: st.builds(Drift, st.just(name), st.just("A"), maybe(rrsets_at(name)), maybe(rrsets_at(name)), words)
)
segment_ids = st.text("0123456789abcdef", min_size=12, max_size=12)
secondary_drifts = st.builds(SecondaryDrift, words, words, st.sampled_from(["behind", "edited"]), some(drifts))
people = st.builds(Person, texts, maybe(words))
declarations = st.builds(
    Declaration,
    maybe(st.sampled_from(KINDS)),
    maybe(texts.filter(bool)),
    maybe(texts.filter(bool)),
    some(words),
    some(st.builds(DeclaredHold, names, texts)),
)
merged = st.builds(
    MergedCommit,
    commits,
    texts,
    people,
    times,
    some(st.builds(Approval, people, maybe(commits))),
    maybe(commits),
    maybe(people),
    maybe(words),
    words,
    declarations,
    maybe(words),
)
contracts = st.builds(ContractsRef, commits, shas)
authorities = st.builds(AuthorityRef, shas, st.booleans())
overrides = some(st.builds(Override, words, maybe(names), texts, words))
keys = some(st.builds(TrustedKey, words, words, some(words)))
answers = some(st.builds(RecordedAnswer, names, st.just("A"), words, maybe(st.integers(0, 3600)), some(addresses)))
servers = st.builds(
    ServerReport,
    st.sampled_from(["primary", "secondary", "resolver"]),
    words,
    words,
    st.sampled_from(["converged", "stale", "silent"]),
    maybe(st.integers(0, 60000)),
    answers,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "SERVFAIL", "REFUSED"]),
)
retirements = st.builds(Retirement, names, maybe(times), texts, maybe(times))
probes = st.builds(
    ProbeReport,
    st.sampled_from(["tcp", "tls", "http", "dns"]),
    addresses,
    st.integers(1, 65535),
    st.sampled_from(["ready", "not-ready", "unknown"]),
    texts,
    st.integers(0, 60000),
)
readiness = st.builds(
    ReadinessReport,
    names,
    some(addresses),
    st.sampled_from(["ready", "not-ready", "unknown", "not-probed"]),
    some(probes),
    texts,
    maybe(times),
)
damage = st.builds(
    lambda kind, name, rrsets: Damage(kind, name, tuple(replace(one, name=name) for one in rrsets)),
    st.sampled_from(DamageKind),
    names,
    some(names.flatmap(rrsets_at)),
)
restores = st.builds(
    Restore,
    numbers,
    st.booleans(),
    st.integers(1, 2**32 - 1),
    some(st.tuples(words, maybe(st.integers(0, 2**32 - 1)))),
    some(drifts),
)
services = st.builds(ServiceReport, readiness, maybe(st.integers(0, 60000)))
moments = st.builds(Moment, maybe(st.integers(0, 60000)), st.sampled_from(STAGES), texts, texts)
path_digests = st.dictionaries(words, shas, max_size=3).map(lambda found: tuple(sorted(found.items())))
anchors = st.builds(Anchor, numbers, shas, maybe(segment_ids))
bases = st.builds(Base, st.tuples(numbers, shas), maybe(anchors))
adopted = st.builds(
    ImportedSegment,
    bases,
    digests,
    digests,
    some(changes),
    maybe(anchors),
    some(words),
    some(words),
    times,
    some(st.builds(Hold, names, shas)),
    overrides,
)
BODIES: dict[str, st.SearchStrategy[Any]] = {
    "genesis": st.builds(Genesis, commits, keys, maybe(st.builds(Continues, words, numbers, shas))),
    "intent": st.builds(
        Intent,
        contracts,
        authorities,
        some(merged),
        digests,
        digests,
        shas,
        some(changes),
        some(drifts),
        some(st.builds(Held, names, words, texts)),
        overrides,
        st.builds(Lease, st.integers(1, 3600), maybe(words), st.integers(0, 2**22)),
        readiness=some(readiness),
        restore=maybe(restores),
        sites_lost=some(words),
        rollback_of=maybe(numbers),
        holds=some(st.builds(Hold, names, shas)),
        declared=declarations,
        repair=some(damage),
    ),
    "result": st.builds(
        Result,
        numbers,
        shas,
        st.sampled_from(["applied", "failed", "refused"]),
        st.booleans(),
        maybe(st.integers(0, 2**32 - 1)),
        digests,
        st.sampled_from(["computed", "read"]),
        maybe(times),
        some(servers),
        some(retirements),
        texts,
        st.booleans(),
        some(services),
        some(moments),
        some(damage),
    ),
    "refusal": st.builds(
        Refusal,
        contracts,
        authorities,
        some(merged),
        some(st.builds(RecordedRefusal, words, maybe(names), texts)),
        some(changes),
        overrides,
    ),
    "unchanged": st.builds(
        Unchanged, contracts, authorities, some(merged), some(servers), some(retirements), some(servers)
    ),
    "drift": st.builds(
        ZoneDrift,
        commits,
        digests,
        digests,
        some(drifts),
        restored=st.booleans(),
        secondaries=some(secondary_drifts),
        damage=some(damage),
    ),
    "authority": st.builds(AuthorityChange, commits, path_digests, path_digests),
    "trust": st.builds(TrustChange, commits, keys, keys, some(st.builds(StolenKey, words, numbers)), texts),
    "gap": st.builds(Gap, texts, st.builds(MissingEntries, numbers, numbers), shas)
    | st.builds(Gap, texts, acknowledges=numbers),
    "reconcile": st.builds(Reconcile, words, numbers, shas, texts, maybe(adopted), texts),
}
envelopes = st.builds(
    Envelope,
    subject=st.builds(Subject, words, shas),
    log=words,
    seq=numbers,
    prev_entry=shas,
    prev_sig=shas,
    time=times,
    principal=words,
    key=words,
    signers_sha256=shas,
    tool=words,
    run=st.dictionaries(words, texts, max_size=2),
    files=st.dictionaries(words, shas, max_size=2),
    form=st.integers(1, 9),
    segment=maybe(st.builds(SegmentRef, segment_ids, bases)),
)
each_type = pytest.mark.parametrize("kind", BODIES)


def problem(name: SchemaName, document: object) -> str | None:
    error = best_match(Draft202012Validator(load_schema(name)).iter_errors(document))
    return None if error is None else f"{error.json_path}: {error.message}"


def test_there_is_a_generator_for_every_type() -> None:
    assert set(BODIES) == set(BODY_TYPES)


@each_type
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_an_entry_comes_back_as_it_was_and_fits_the_schema(kind: str, data: st.DataObject) -> None:
    envelope, body = data.draw(envelopes), data.draw(BODIES[kind])
    written = encode(envelope, body)
    entry = decode(written)

    assert (entry.envelope, entry.body) == (envelope, body)
    assert encode(entry.envelope, entry.body) == written
    assert problem("evidence", json.loads(written)) is None


# --- documents as they are really written


def test_real_entries_fit(served: World) -> None:
    served.apply()
    served.contract("first", "10.0.0.2")
    served.commit()
    served.apply()
    served.foreign("first", "A", "10.0.0.99")
    served.contract("first", "10.0.0.3")
    served.commit()
    served.apply()
    entries = [json.loads(served.entry_bytes(entry.seq)) for entry in served.entries()]

    assert [problem("evidence", entry) for entry in entries] == [None] * len(entries)
    assert {"genesis", "intent", "result", "refusal"} <= set(served.types())


def test_a_real_receipt_fits(served: World) -> None:
    document = ok(served.cli("apply", "--format", "json")).document()

    assert problem("apply", document) is None
    assert document["servers"]


def test_a_real_plan_fits(world: World) -> None:
    document = ok(world.cli("plan", "--format", "json")).document()

    assert problem("plan", document) is None
    assert document["changes"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("predicate", "type"), "promise"),
        (("predicate", "prev", "entry"), "A" * 64),
        (("predicate", "time"), "2026-11-22T08:15:30+01:00"),
        (("predicate", "seq"), 0),
        (("predicate", "commit"), "main"),
        (("predicate", "trusted"), "everybody"),
        (("predicateType",), "https://example.invalid/v1"),
        (("subject",), []),
    ],
)
def test_what_is_no_entry_does_not_fit(world: World, path: tuple[str, ...], value: object) -> None:
    entry = json.loads(world.entry_bytes(1))
    place = entry
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    assert problem("evidence", entry) is not None


# --- the schemas themselves


def described(schema: object, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every mapping that is described with a type, with its path."""
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from described(one, f"{path}[{index}]")
    elif isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict) and schema.get("type") == "object":
            for key, one in properties.items():
                yield f"{path}.{key}", one
        for key, one in schema.items():
            yield from described(one, f"{path}.{key}")


@pytest.mark.parametrize("name", [*NAMES, "readiness"])
def test_it_is_valid_and_every_property_is_described(name: SchemaName) -> None:
    schema: dict[str, Any] = dict(load_schema(name))
    Draft202012Validator.check_schema(schema)
    definitions = schema["$defs"]
    poor = [
        path
        for path, one in described(schema)
        if "description" not in one and "description" not in definitions.get(one.get("$ref", "").rsplit("/", 1)[-1], {})
    ]

    assert poor == []
    assert schema["$id"] == f"https://hyops.internal/schemas/{name}.schema.json"


def test_they_are_what_script_schemas_derives_from_the_types() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "script" / "schemas", "--check"], capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_wheel_ships_every_schema() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert included["schemas"] == "hyops_gitops/schemas"
    assert {f"{name}.schema.json" for name in get_args(SchemaName)} == {
        path.name for path in (ROOT / "schemas").iterdir()
    }
