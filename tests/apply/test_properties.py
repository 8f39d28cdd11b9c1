"""The properties of the plan once more, through the real server: a handful of random zones in one zone."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.names import is_in_zone
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.lab.model import Lab
from tests.support.strategies import APEX, contracts, foreign_rrsets
from tests.support.world import World

pytestmark = pytest.mark.authority


@pytest.fixture(scope="module")
def world(lab: Lab, shared_zone: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One world for all examples; each starts from what the one before left."""
    caps: dict[str, object] = {"max_replaces": 1000, "max_deletes": 1000, "max_change_percent": 100}
    convergence = {"timeout_s": 10, "require": ["primary"]}  # what travels to the secondaries is not the point here
    return World.make(tmp_path_factory.mktemp("properties"), shared_zone, lab, **caps, convergence=convergence)  # type: ignore[arg-type]  # policy by name


def moved(rrset: RRset, zone: str) -> RRset:
    """The same RRset in another zone; its owner in mixed case, as somebody may write it."""
    owner = f"{rrset.name.removesuffix(APEX)}{zone}"
    return RRset(owner.replace("mixed", "MiXeD"), rrset.type, rrset.ttl, rrset.rdata, rrset.disabled)


def replace_foreign(world: World, foreign: list[RRset]) -> None:
    """Make these the only RRsets beside ours and the apex NS."""
    ours = {line.split(". ")[0] for line in world.evidence(f"state/{world.zone}.zone").decode().splitlines()}
    keep = {rrset.key for rrset in foreign} | {(world.zone, "NS")}
    stale = [
        key
        for key in world.records().rrsets
        if key not in keep and not (key[0] in ours and key[1] in ("A", "AAAA", "CNAME"))
    ]
    if stale or foreign:
        world.primary.patch(stale, foreign)


def write_contracts(world: World, wanted: tuple[Contract, ...]) -> None:
    for path in (world.root / "endpoints/prod").glob("*.yaml"):
        path.unlink()
    for contract in wanted:
        world.contract(contract.name.service, *contract.target.values, ttl=contract.ttl)
    world.commit()


def valid_beside(foreign: list[RRset]) -> bool:
    """What PowerDNS itself would take: nothing else at the apex than what may stand there."""
    return all(rrset.name != APEX or rrset.type in ("NS", "TXT", "MX", "CAA") for rrset in foreign)


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes here; the pure suite shrinks
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(contracts(), foreign_rrsets().filter(valid_beside), st.booleans())
def test_apply_gives_what_is_desired_leaves_the_rest_and_is_then_done(
    world: World, wanted: tuple[Contract, ...], foreign: list[RRset], twice: bool
) -> None:
    replace_foreign(world, [moved(rrset, world.zone) for rrset in foreign])
    others = beside(world)
    write_contracts(world, wanted)
    assert world.apply().outcome in ("applied", "nothing")
    assert beside(world) == others
    desired = {(world.name(one.name.service), rrset.type): rrset for one in wanted for rrset in one.rrsets()}
    found = world.records().rrsets
    for (name, rrtype), rrset in desired.items():
        assert (found[name, rrtype].ttl, found[name, rrtype].rdata) == (rrset.ttl, rrset.rdata)
    if twice:
        assert world.apply().outcome == "nothing"


def beside(world: World) -> Zone:
    """The zone without our records."""
    services = {path.stem for path in (world.root / "endpoints/prod").glob("*.yaml")} | {"first", "always"}
    names = {world.name(service) for service in (*services, *(f"s{number}" for number in range(5)))}
    zone = world.records()
    assert all(is_in_zone(name, world.zone) for name in zone.names())
    return zone.without(key for key in zone.rrsets if key[0] in names and key[1] in ("A", "AAAA", "CNAME"))
