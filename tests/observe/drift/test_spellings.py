"""One value in several spellings, types that nobody names, rdata that is malformed, and sets without records."""

import json

import pytest

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.zone import RRset
from hyops_gitops.observe.find_drift import Look
from tests.support.drifts import bring_up, drift, only
from tests.support.records import FOREIGN
from tests.support.world import World

pytestmark = pytest.mark.authority


def patch(world: World, **change: object) -> None:
    """One RRset by hand, with what our own writer never sends."""
    assert world.lab is not None
    http = PowerDnsHttp(world.lab.primary.api_url, world.lab.api_key, None, 10.0)
    body = json.dumps({"rrsets": [{"changetype": "REPLACE", "ttl": 60, **change}]}).encode()
    assert http.exchange("PATCH", f"/api/v1/servers/localhost/zones/{world.zone}.", {}, body).status == 204


def settled(world: World, *commands: list[str]) -> None:
    """Whatever looks at the zone says that it is as it should be."""
    for words in ([], ["--dns"], ["--retransfer", "secondary1"]):
        ran = world.cli("drift", *words, "--format", "json")
        assert (ran.exit, ran.document()["drift"], ran.document()["cases"]) == (0, False, []), (words, ran)
    for command in (["plan", "--live"], ["status"], ["audit"], *commands):
        ran = world.cli(*command)
        assert ran.exit == 0, (command, ran.out, ran.err)


def test_records_of_every_kind_are_no_drift_however_they_are_looked_at(world: World) -> None:
    for service, rrtype, rdata in FOREIGN:
        world.foreign(service, rrtype, rdata)
    world.contract("first", "10.0.0.2")
    world.commit()
    assert world.apply().exit_code == 0
    bring_up(world)
    settled(world)


def test_a_value_that_is_spelled_otherwise_by_now_is_no_drift(world: World) -> None:
    """As after an upgrade of the server: the digest goes on from the spelling that was recorded."""
    before = world.evidence(f"zones/{world.zone}.zone")
    world.foreign("text", "TXT", r'"a \034quoted\034 text"')
    world.foreign("mail", "MX", "10 MAIL.example.com.")
    assert drift(world).exit_code == 0
    world.contract("first", "10.0.0.2")
    world.commit()
    assert world.apply().exit_code == 0
    assert "drift" not in world.types()
    assert world.evidence(f"zones/{world.zone}.zone") == before.replace(b"10.0.0.1", b"10.0.0.2")
    bring_up(world)
    settled(world, ["evidence", "verify"])


@pytest.mark.parametrize("by", ["api", "dns"])
def test_what_really_changed_is_found_in_every_kind(world: World, by: Look) -> None:
    for service, rrtype, rdata in FOREIGN:
        world.foreign(service, rrtype, rdata)
    world.contract("first", "10.0.0.2")
    world.commit()
    world.apply()
    world.foreign("too-short", "TLSA", "3 1 1 abcdee")
    world.foreign("private", "TYPE65400", r"\# 3 010204")
    bring_up(world)
    found = drift(world, by)
    assert {case.name for case in found.cases} == {world.name("too-short"), world.name("private")}


def test_a_comment_without_records_is_neither_in_the_way_nor_drift(world: World) -> None:
    assert world.lab is not None
    if world.lab.backend == "lmdb":
        pytest.skip("LMDB keeps no comments before 5.1")
    comment = {"content": "reserved for pg", "account": "ops", "modified_at": 1}
    name = world.name("pg")
    patch(world, name=f"{name}.", type="A", records=[], comments=[comment])
    patch(world, name=f"{name}.", type="CNAME", records=[], comments=[comment])
    patch(world, name=f"{world.name('first')}.", type="TXT", records=[], comments=[comment])
    bring_up(world)
    settled(world)
    world.contract("pg", "10.0.0.7")
    world.commit()
    assert world.apply().exit_code == 0
    assert world.at("pg") == {"A": (60, ("10.0.0.7",))}
    bring_up(world)
    settled(world)
    assert world.lab is not None
    http = PowerDnsHttp(world.lab.primary.api_url, world.lab.api_key, None, 10.0)
    listed = json.loads(http.exchange("GET", f"/api/v1/servers/localhost/zones/{world.zone}.", {}).body)["rrsets"]
    kept = {one["type"]: one["comments"] for one in listed if one["name"] == f"{name}."}
    assert [one["content"] for one in kept["A"]] == ["reserved for pg"]


def test_records_that_are_disabled_are_no_drift_and_are_not_written_over(world: World) -> None:
    name = world.name("first")
    world.primary.patch([], [RRset.of(name, "A", 60, ["10.0.0.1"], disabled=["10.0.0.9"])])
    world.primary.patch([], [RRset.of(name, "AAAA", 60, [], disabled=["fd00::9"])])
    bring_up(world)
    settled(world)
    world.contract("first", "10.0.0.2")
    world.commit()
    ran = world.cli("apply")
    assert ran.exit == 3
    assert "disabled: 10.0.0.9" in ran.err + ran.out
    assert world.at("first")["A"] == (60, ("10.0.0.1",))


def test_a_new_name_that_has_only_disabled_records_is_refused(world: World) -> None:
    world.primary.patch([], [RRset.of(world.name("pg"), "A", 60, [], disabled=["10.0.0.9"])])
    world.contract("pg", "10.0.0.7")
    world.commit()
    ran = world.cli("apply")
    assert ran.exit == 3
    assert "nothing served (disabled: 10.0.0.9, which a write would remove)" in ran.err + ran.out
    assert only(drift(world), "never-applied").name == world.name("pg")
