"""Reports of drift, and edits of a secondary."""

from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.observe.drift import DriftCase
from hyops_gitops.observe.find_drift import DriftReport, DriftRequest, Look, look_for_drift
from tests.support.served_zone import PatientWriter
from tests.support.world import World


def drift(world: World, look: Look = "auto", *, record: bool = False, retransfer: str | None = None) -> DriftReport:
    return look_for_drift(DriftRequest(look, record=record, retransfer=retransfer), world.wiring())


def only(found: DriftReport, kind: str) -> DriftCase:
    """The one case there is."""
    assert [case.kind.value for case in found.cases] == [kind]
    return found.cases[0]


def sides(case: DriftCase) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Each difference: name, type, expected, found."""
    return [
        (one.name, one.type, one.expected.rdata if one.expected else (), one.found.rdata if one.found else ())
        for one in case.differences
    ]


def on_secondary(world: World) -> PowerDnsWriter:
    """The secondary's API, which accepts edits of its copy."""
    assert world.lab is not None
    return PatientWriter(world.lab.secondaries[0].api_url, "localhost", world.zone, world.lab.api_key)


def bring_up(world: World) -> None:
    """Let the secondary have what the primary has."""
    assert world.lab is not None
    world.bring_up(world.lab.secondaries[0])
