"""The program as released before, and this one, on one zone: upgrade, way back, and what each does with the other's."""

from pathlib import Path
from typing import Literal

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.markers import protocol_marker, protocol_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from tests.support.released import released, start_released, unpack_released
from tests.support.site import PRIMARY_ONLY, Applier, Site, results
from tests.support.world import World


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_released(tmp_path_factory.mktemp("released"))


def change(world: World, service: str, target: str) -> None:
    world.contract(service, target)
    world.commit(f"Move {service}")


def has_lock(world: World) -> bool:
    return protocol_marker(world.zone) in world.primary.rrsets_at([protocol_name(world.zone)])


def test_upgrade_and_way_back_go_on_from_each_others_markers(served: World, old: Path) -> None:
    assert released(served, old, "apply").exit == 0
    assert not has_lock(served)
    change(served, "first", "10.0.0.2")
    assert served.apply().outcome == "applied"
    assert has_lock(served)
    change(served, "first", "10.0.0.3")
    back = released(served, old, "apply")
    assert back.exit == 0, back.err
    change(served, "first", "10.0.0.4")
    assert served.apply().outcome == "applied"
    assert served.at("first") == {"A": (60, ("10.0.0.4",))}
    served.git("fetch", "-q", "origin", "evidence")
    for audited in (served.cli("audit", "--live"), released(served, old, "audit", "--live")):
        assert audited.exit == 0, audited.out
    assert served.cli("evidence", "verify").exit == released(served, old, "evidence", "verify").exit == 0


def test_the_authority_file_keeps_a_released_program_out_and_lets_it_in_again(served: World, old: Path) -> None:
    served.apply()
    authority = served.read(served.authority_path)
    served.write(served.authority_path, f"protocol: 2\n{authority}")
    served.commit("Only appliers of protocol 2")
    assert served.apply().outcome == "nothing"
    change(served, "first", "10.0.0.2")
    before = served.serial(), served.evidence_head()
    kept_out = released(served, old, "apply")
    assert (kept_out.exit, "schema-unknown-key" in kept_out.out + kept_out.err) == (1, True)
    assert (served.serial(), served.evidence_head()) == before
    assert served.apply().outcome == "applied"

    served.write(served.authority_path, authority)
    served.commit("Appliers of protocol 1 again")
    change(served, "first", "10.0.0.3")
    assert released(served, old, "apply").exit == 0
    assert served.at("first") == {"A": (60, ("10.0.0.3",))}


@pytest.mark.parametrize(("mark", "outcome"), [("patching", "failed"), ("patched", "applied")])
def test_a_released_program_settles_an_update_of_this_one(served: World, old: Path, mark: str, outcome: str) -> None:
    """One after the other it concludes rightly; only at the same moment the fence is open, which it cannot learn."""
    served.apply()
    change(served, "first", "10.0.0.2")
    with Applier(served, at=mark) as applier:
        assert applier.finish().exit == -9
    seq = served.entries()[-1].seq
    assert released(served, old, "apply").exit == 0
    served.git("fetch", "-q", "origin", "evidence")
    settled = next(one.body for one in served.entries() if one.type == "result" and one.seq == seq + 1)
    assert settled.outcome == outcome  # type: ignore[union-attr]  # a result
    change(served, "first", "10.0.0.3")
    assert served.apply().outcome == "applied"
    assert served.cli("audit", "--live").exit == 0


def test_a_zone_of_a_newer_protocol_is_refused_by_every_command_that_writes(served: World) -> None:
    served.apply()
    change(served, "first", "10.0.0.2")
    newer = RRset.of(protocol_name(served.zone), "TXT", 60, ['"v=hyops1 protocol=3"'])
    served.primary.patch([], [newer])
    with served.nothing_written():
        with pytest.raises(Refused, match="follow protocol 3, this program knows up to 2") as refused:
            served.apply()
        assert (refused.value.guard, refused.value.exit_code) == ("protocol", 3)
        for command in (["apply"], ["plan", "--live"], ["restore", "--yes"], ["drift", "--repair", "--yes"]):
            ran = served.cli(*command)
            assert (ran.exit, "protocol 3" in ran.out + ran.err) == (3, True), (command, ran)


def test_a_protocol_marker_of_somebody_else_is_refused(served: World) -> None:
    served.apply()
    change(served, "first", "10.0.0.2")
    served.primary.patch([], [RRset.of(protocol_name(served.zone), "TXT", 60, ['"something else"'])])
    with pytest.raises(Refused, match="not one that this program writes") as refused:
        served.apply()
    assert refused.value.guard == "protocol"


@pytest.mark.parametrize("lab", ["gsqlite3"], indirect=True, scope="session")
@pytest.mark.parametrize("side", ["request", "reply"])
def test_an_update_of_a_released_program_that_died_is_settled(
    lab: Lab, zone_name: str, tmp_path: Path, old: Path, side: Literal["request", "reply"]
) -> None:
    """Landed or not: it took no turn, and its repeat is refused all the same."""
    site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        assert released(site.world, old, "apply").exit == 0
        seq = len(site.world.entries()) + 1
        site.change()
        with site.proxy.hold(side) as held:
            dead = start_released(site.world, old, "apply")
            held.wait()
            dead.kill()
            dead.communicate()
            assert site.apply().outcome == ("applied" if side == "request" else "nothing")
            zone = site.zone_bytes()
        (late,) = [one for one in site.proxy.updates() if one.claims and one.claims[0] == seq]
        assert late.status == (422 if side == "request" else 204)
        assert site.proxy.replay(late) == 422
        assert site.zone_bytes() == zone
        assert results(site.check())[seq].outcome == ("failed" if side == "request" else "applied")
    finally:
        site.proxy.close()
