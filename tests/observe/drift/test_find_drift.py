"""`drift`: each kind of it, made on real servers."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, served_serial
from hyops_gitops.log.entries import ZoneDrift
from hyops_gitops.observe.find_drift import DriftRequest, Look, look_for_drift
from tests.support.drifts import bring_up, drift, on_secondary, only, sides
from tests.support.metrics import parsed, values
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)
LOOKS: list[tuple[Look, str]] = [("api", "api"), ("dns", "axfr")]


@pytest.mark.parametrize(("by", "source"), LOOKS)
def test_nothing_is_found_where_there_is_nothing(settled: World, by: Look, source: str) -> None:
    found = drift(settled, by)
    assert (found.cases, found.exit_code, found.unseen) == ((), 0, ())
    assert [(view.role, view.source, view.looked_at) for view in found.views] == [
        ("primary", source, None),
        ("secondary", source, None),
    ]


def test_metrics_count_an_edit_and_what_others_wrote(look: World) -> None:
    look.foreign("first", "A", "10.9.9.9")
    look.foreign("theirs", "A", "10.9.9.9")
    bring_up(look)
    ran = {name: look.cli(name, "--format", "openmetrics") for name in ("drift", "status")}
    found = {name: parsed(each.out) for name, each in ran.items()}

    assert [each.exit for each in ran.values()] == [1, 1]
    assert values(found["drift"], "hyops_drift_cases", kind="edited") == [1]
    assert sum(values(found["drift"], "hyops_drift_cases")) == 1
    assert (values(found["drift"], "hyops_drift_notes"), values(found["drift"], "hyops_drift_blind")) == ([1], [0])
    assert set(values(found["drift"], "hyops_server_serial")) == {look.serial()}
    assert values(found["status"], "hyops_server_answers") == [1, 1]
    assert values(found["status"], "hyops_server_names", verdict="differs") == [1, 1]
    assert values(found["status"], "hyops_names", state="answered-otherwise") == [1]
    assert not found["drift"].keys() & found["status"].keys()  # the node exporter takes no series twice


def test_an_edit_by_hand_is_found_recorded_once_and_stays_drift(world: World) -> None:
    world.contract("first", "10.0.0.1")
    world.write("endpoints/prod/first.yaml", world.read("endpoints/prod/first.yaml") + "endpoint_owner: data\n")
    world.commit("Name an owner")
    world.apply()
    world.foreign("first", "A", "10.9.9.9")
    bring_up(world)
    looks: list[Look] = ["auto", "dns"]
    for look in looks:
        case = only(drift(world, look), "edited")
        assert (case.where, case.name, case.owner, case.sides) == (
            "primary",
            world.name("first"),
            "data",
            ("recorded", "observed"),
        )
        assert sides(case) == [(world.name("first"), "A", ("10.0.0.1",), ("10.9.9.9",))]
        assert f"--override drift:{world.name('first')}='REASON'" in case.hint
    recorded = drift(world, record=True)
    assert (recorded.exit_code, recorded.recorded_seq) == (1, len(world.entries()))
    body = world.bodies()[-1]
    assert isinstance(body, ZoneDrift)
    assert [(one.name, one.observed and one.observed.rdata, one.contract) for one in body.differences] == [
        (world.name("first"), ("10.9.9.9",), "endpoints/prod/first.yaml")
    ]
    again = drift(world, record=True)
    assert (again.recorded_seq, again.exit_code) == (None, 1)
    assert world.types().count("drift") == 1
    world.foreign("first", "AAAA", "fd00::66")  # in the way of ours, which it stays once it is recorded
    bring_up(world)
    for _ in range(2):
        beside = drift(world, record=True)
        assert [(case.kind.value, case.counts) for case in beside.cases] == [("edited", True), ("foreign", True)]
    assert world.types().count("drift") == 2
    world.primary.patch([(world.name("first"), "AAAA")], [])
    bring_up(world)
    assert world.cli("evidence", "verify").exit == 0
    world.contract("first", "10.9.9.9")  # somebody writes down what is live
    world.commit("As it is")
    world.git("fetch", "-q", "origin")
    kinds = {case.kind.value: case for case in drift(world).cases}
    assert sorted(kinds) == ["edited", "never-applied"]
    assert kinds["edited"].hint == "let the next apply take it over: the contract asks for what is live"
    world.apply()
    assert drift(world).exit_code == 0


def test_what_was_merged_and_not_applied_names_the_commits(look: World) -> None:
    look.contract("first", "10.0.0.2")
    look.contract("second", "10.0.0.3")
    commit = look.commit("Move first, add second")
    found = drift(look)
    first, second = found.cases
    assert {case.kind.value for case in found.cases} == {"never-applied"}
    assert (first.where, first.changes, first.sides) == (
        "endpoints/prod/first.yaml",
        (commit,),
        ("intended", "recorded"),
    )
    assert sides(first) == [(look.name("first"), "A", ("10.0.0.2",), ("10.0.0.1",))]
    assert sides(second) == [(look.name("second"), "A", ("10.0.0.3",), ())]
    look.git("reset", "-q", "--hard", "HEAD^")
    assert drift(look).exit_code == 0
    look.delete_contract("first")
    look.contract("second", "10.0.0.3")
    look.commit("Replace first")
    assert [sides(case)[0][2:] for case in drift(look).cases] == [((), ("10.0.0.1",)), (("10.0.0.3",), ())]


def test_a_clone_older_than_what_was_applied_is_said(world: World, tmp_path: Path) -> None:
    old = world.clone(tmp_path / "old")
    world.contract("first", "10.0.0.2")
    world.commit()
    world.apply()
    old.git("fetch", "-q", "origin", "evidence", "main")
    found = drift(old)
    assert found.cases == ()
    assert "which was applied last" in found.unseen[0]


def test_a_secondary_that_is_behind(look: World) -> None:
    with look.without_transfers():
        look.foreign("mail", "MX", "20 mail.example.com.")
        found = drift(look)
    note, case = found.cases
    assert (note.kind.value, note.counts) == ("foreign", False)
    assert (case.kind.value, case.where, case.sides) == (
        "secondary-behind",
        "secondary secondary1",
        ("primary", "secondary"),
    )
    assert sides(case) == [(look.name("mail"), "MX", ("20 mail.example.com.",), ("10 mail.example.com.",))]
    assert case.hint == "bring it up: hyops-gitops drift --retransfer secondary1"


def test_a_secondary_edited_in_place_diverges_under_one_serial(world: World) -> None:
    assert world.lab is not None
    world.put_zone({"soa_edit_api": "INCREASE"}, secondary=0)
    on_secondary(world).patch([], [RRset.of(world.name("first"), "A", 60, ["10.66.6.6"])])
    ahead = only(drift(world), "secondary-edited")
    assert "newer than the primary's" in ahead.message
    world.foreign("text", "TXT", '"another"')
    assert len({served_serial(server, world.zone) for server in world.lab.servers}) == 1  # it will take nothing
    for by in LOOKS:
        case = next(one for one in drift(world, by[0]).cases if one.kind.value == "secondary-edited")
        assert (world.name("first"), "A", ("10.0.0.1",), ("10.66.6.6",)) in sides(case)
        assert "has the primary's serial" in case.message
        assert case.hint == "overwrite it: hyops-gitops drift --retransfer secondary1"

    recorded = drift(world, record=True)
    body = world.bodies()[-1]
    assert isinstance(body, ZoneDrift)
    (secondary,) = body.secondaries
    assert (secondary.name, secondary.kind, len(secondary.differences)) == ("secondary1", "edited", 2)
    assert secondary.differences[0].contract == "endpoints/prod/first.yaml"
    assert recorded.recorded_seq == len(world.entries())
    assert drift(world, record=True).recorded_seq is None
    ran = world.cli("drift", "--retransfer", "secondary1", "--format", "json")
    assert (ran.exit, ran.document()["retransferred"], ran.document()["drift"]) == (0, "secondary1", False)
    assert world.secondary().rrsets_at([world.name("first")])[0].rdata == ("10.0.0.1",)
    assert world.cli("evidence", "verify").exit == 0


def test_foreign_records_are_notes_where_the_zone_is_shared_and_drift_where_it_is_not(look: World) -> None:
    look.foreign("new", "A", "10.5.5.5")
    look.primary.patch([(look.name("mail"), "MX")], [])
    bring_up(look)
    shared = drift(look)
    assert [(case.name, case.counts, case.message.rsplit(" ", 2)[1:]) for case in shared.cases] == [
        (look.name("mail"), False, ["is", "gone"]),
        (look.name("new"), False, ["is", "new"]),
    ]
    assert (shared.exit_code, shared.unseen) == (0, ())
    look.foreign("alias", "ALIAS", "elsewhere.example.")
    look.foreign("lua", "LUA", """A "ifportup(443, {'10.0.0.1'})\"""")
    bring_up(look)
    by_transfer = drift(look, "dns")
    assert [case.name for case in by_transfer.cases] == [look.name("mail"), look.name("new")]
    assert by_transfer.unseen == tuple(
        f"records of {server} at {look.name('alias')}, {look.name('lua')}: of types that DNS is not asked for "
        "(ALIAS, LUA); only its API shows them"
        for server in ("primary", "secondary secondary1")
    )
    look.edit_authority("policy: {", 'policy: {"zone_ownership": "exclusive", ')
    look.commit("Ours alone")
    assert [case.counts for case in drift(look).cases if case.kind.value == "foreign"] == [True] * 4
    assert drift(look).exit_code == 1


def test_what_the_anchor_tells_apart(world: World) -> None:
    (anchor,) = [one for one in world.primary.rrsets() if one.name == anchor_name(world.zone)]
    head = world.entries()[-1].seq

    def kind_with(marker: RRset | None) -> str:
        world.primary.patch([] if marker else [anchor.key], [marker] if marker else [])
        bring_up(world)
        (case,) = drift(world).cases
        return case.kind.value

    assert kind_with(None) == "restored"
    assert kind_with(Anchor(1, world.entries()[0].sha256).rrset(world.zone)) == "restored"
    assert kind_with(Anchor(head, "0" * 64).rrset(world.zone)) == "other-log"
    assert kind_with(replace(anchor, rdata=('"somebody else"',))) == "other-log"
    assert kind_with(Anchor(head + 1, "0" * 64).rrset(world.zone)) == "log-behind"
    with pytest.raises(Refused) as refused, world.nothing_written():
        drift(world, record=True)
    assert refused.value.guard == "log-gap"
    assert kind_with(Anchor(2, "0" * 64, "0123456789ab").rrset(world.zone)) == "break-glass"


def test_a_zone_from_a_back_up_is_told_with_what_it_lost_and_recorded_as_restored(world: World) -> None:
    before = {one.key: one for one in world.primary.rrsets() if one.name.startswith("_") or "." in one.name}
    world.contract("first", "10.0.0.2")
    world.commit()
    world.apply()
    markers = [one for one in before.values() if one.name == anchor_name(world.zone)]
    old = [before[(world.name("first"), "A")], *markers]
    world.primary.patch([], old)
    bring_up(world)
    case = only(drift(world), "restored")
    assert sides(case) == [(world.name("first"), "A", ("10.0.0.2",), ("10.0.0.1",))]
    assert "--override restored='REASON'" in case.hint
    drift(world, record=True)
    body = world.bodies()[-1]
    assert isinstance(body, ZoneDrift)
    assert body.restored


def test_without_key_and_transfer_every_known_record_is_asked_for(service_lab: Lab, tmp_path: Path) -> None:
    zone = f"asked{next(_numbers)}.internal"
    create_zone(service_lab, zone)
    world = World.make(tmp_path, zone, service_lab)
    world.foreign("mail", "MX", "10 mail.example.com.")
    world.foreign("sub", "NS", "ns.example.com.")
    world.apply(watch=False)
    del world.environ["POWERDNS_API_KEY"]
    quiet = drift(world)
    assert (quiet.cases, quiet.exit_code) == ((), 0)
    assert [view.source for view in quiet.views] == ["dns", "dns"]
    assert quiet.unseen == (
        "records of primary that are not known: it does not transfer to us",
        "records of secondary secondary1 that are not known: it does not transfer to us",
    )
    world.environ["POWERDNS_API_KEY"] = service_lab.api_key
    with world.without_transfers():
        world.foreign("first", "A", "10.9.9.9")
        world.foreign("mail", "MX", "20 mail.example.com.")
        del world.environ["POWERDNS_API_KEY"]
        found = drift(world)
    assert {case.kind.value for case in found.cases} == {"edited", "foreign", "secondary-behind"}


def test_a_server_that_is_silent_is_not_called_sound(look: World, tmp_path: Path) -> None:
    assert look.lab is not None
    lost = tmp_path / "lost.yaml"
    lost.write_text(look.read(look.authority_path).replace(str(look.lab.secondaries[0].dns), "127.0.0.1:1"))
    found = look_for_drift(DriftRequest(), look.wiring(lost))
    assert (found.exit_code, found.cases) == (4, ())
    assert found.unseen == ("secondary secondary1 (127.0.0.1:1): it did not answer",)


def test_what_cannot_be_asked_for(look: World) -> None:
    assert execute(["drift", "--dns", "--live"]) == 2
    with pytest.raises(UsageError, match="no secondary has the name 'other'"):
        drift(look, retransfer="other")
    look.environ["HYOPS_SECONDARY_URLS"] = ""
    with pytest.raises(UsageError) as caught:
        drift(look, retransfer="secondary1")
    assert caught.value.hint == f"on secondary1: pdns_control retrieve {look.zone}"
    look.environ["POWERDNS_API_KEY"] = ""
    with pytest.raises(OutsideFailure) as unset:
        drift(look, "api")
    assert unset.value.code == "powerdns-no-key"
