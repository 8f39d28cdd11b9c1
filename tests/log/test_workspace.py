"""Which contracts are read again: not those that the log knows to be valid, unless anything speaks against it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.core.events import Event, Step
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.workspace import ManagedZone
from hyops_gitops.validate.validation import Validation
from tests.support.valid_at import record
from tests.support.world import World

FIRST, SECOND = "endpoints/prod/first.yaml", "endpoints/prod/second.yaml"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A started log, and two contracts."""
    made = World.make(tmp_path, "off.internal", local=True)
    made.contract("second", "10.0.0.2")
    made.commit("Second")
    return made


def seen(world: World, change: Callable[[ManagedZone], None] = lambda _: None) -> Validation:
    zone = world.wiring().at("HEAD").zone()
    change(zone)
    return zone.validated(zone.log())


def in_full(zone: ManagedZone) -> None:
    zone.workspace.full = True


def test_what_was_valid_by_the_same_rules_is_not_read_again(world: World) -> None:
    record(world, world.wiring().rules)
    world.contract("second", "10.0.0.3")
    world.commit("Move second")

    short, full = seen(world), world.wiring().at("HEAD").validation

    assert short.about == frozenset({SECOND})
    assert [contract.path for contract in short.looked_at] == [SECOND]
    assert short.contract(FIRST) == full.contract(FIRST)
    assert (short.contracts, short.findings) == (full.contracts, full.findings)


def test_everything_is_read_where_nothing_vouches_for_it(world: World) -> None:
    before_any = seen(world)
    record(world, None)
    unknown = seen(world)
    record(world, "0" * 64)
    by_others = seen(world)
    record(world, world.wiring().rules, outside=True)
    under_another_file = seen(world)

    assert [one.about for one in (before_any, unknown, by_others, under_another_file)] == [None] * 4


def test_everything_is_read_when_asked_or_when_the_authority_changed(world: World) -> None:
    record(world, world.wiring().rules)

    assert seen(world).about == frozenset()
    assert seen(world, in_full).about is None
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit("Longer")
    assert seen(world).about is None


def why_all_was_read(world: World, state: ManagedSet | None = None) -> list[str]:
    """The lines of progress that say so."""
    events: list[Event] = []
    zone = world.wiring(on_event=events.append).at("HEAD").zone()
    log = zone.log()
    zone.validated(log if state is None else replace(log, state=state))
    steps = [event.text for event in events if isinstance(event, Step)]
    return [text.removeprefix("reading every contract: ") for text in steps if text.startswith("reading every")]


def test_the_reason_why_everything_is_read_is_the_one_that_holds(world: World) -> None:
    record(world, world.wiring().rules)
    name = world.name("second")
    given_away = ManagedRRset(RRset.of(name, "A", 60, ["10.0.0.2"]), FIRST, held=2)

    assert why_all_was_read(world) == []
    held = why_all_was_read(world, ManagedSet.of(world.zone, [given_away]))
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit("Longer")
    changed = why_all_was_read(world)

    assert held == [f"a held contract no longer asks for {name}"]
    assert changed == ["the authority file changed"]


def test_a_change_of_the_signers_leaves_the_contracts_alone(world: World) -> None:
    record(world, world.wiring().rules)
    world.write("authority/allowed_signers", world.read("authority/allowed_signers") + "# remark\n")
    world.commit("Remark")

    assert seen(world).about == frozenset()


def test_a_record_that_lies_is_believed_by_the_short_way_and_found_by_the_full_one(world: World) -> None:
    world.contract("first", "8.8.8.8/33")
    world.commit("A mistake")
    record(world, world.wiring().rules)
    world.contract("second", "10.0.0.3")
    world.commit("Move second")

    believed, found = seen(world), seen(world, in_full)
    audited = world.cli("audit", "--offline", "--format", "json")

    assert believed.findings == ()
    assert [(one.path, one.rule) for one in found.findings] == [(FIRST, "target-address")]
    assert world.cli("validate").exit == 1
    assert "are recorded as valid, but endpoints/prod/first.yaml is not" in audited.out


def test_a_file_that_stands_in_for_the_authority_file_has_everything_read(world: World) -> None:
    record(world, world.wiring().rules)
    outside = world.root.parent / "authority.yaml"
    outside.write_text(world.read(world.authority_path))
    zone = world.wiring(outside).at("HEAD").zone()

    assert zone.validated(zone.log()).about is None


def test_what_points_into_another_zone_is_looked_at_though_nothing_changed_here(world: World) -> None:
    target = "wiki.prod.corp.example"
    world.contract("second", target)
    world.commit("Point elsewhere")
    record(world, world.wiring().rules)
    world.write("authority/corp.example.yaml", world.authority_text().replace(world.zone, "corp.example"))
    world.write("endpoints/corp.example/README.md", "")
    world.commit("Add a zone without that name")
    zone = world.wiring().of_zone(world.zone).at("HEAD").zone()
    applied = ManagedRRset(RRset.of(world.name("second"), "CNAME", 60, [f"{target}."]), SECOND)

    here_alone = zone.validated(zone.log())
    zone = world.wiring().of_zone(world.zone).at("HEAD").zone()
    found = zone.validated(replace(zone.log(), state=ManagedSet.of(world.zone, [applied])))

    assert (here_alone.about, found.about) == (frozenset(), frozenset({SECOND}))
    assert [(each.path, each.rule) for each in found.findings] == [(SECOND, "target-dangling")]
