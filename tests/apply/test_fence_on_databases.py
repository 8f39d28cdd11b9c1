"""The fence and our own repeats on every database, at default settings: races judged by the rows that are stored."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.fence.field import STATES, Field, judge, make_zone
from bench.fence.races import RACES, Bench, Case, spread
from bench.fence.rows import Rows
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.core.markers import claim_name
from hyops_gitops.lab.model import BACKENDS, Lab
from hyops_gitops.log.workspace import Workspace
from tests.conftest import SAID
from tests.support.site import LONG, Applier, Site, results

every_database = pytest.mark.parametrize("lab", BACKENDS, indirect=True, scope="session")
sql_servers = pytest.mark.parametrize("lab", ["gpgsql", "gmysql"], indirect=True, scope="session")
TRIES = 200 if LONG else 50  # of each race


@pytest.fixture
def rows(lab: Lab) -> Iterator[Rows]:
    found = Rows(lab)
    yield found
    found.close()


@every_database
@pytest.mark.parametrize("race", RACES)
def test_of_all_copies_of_an_update_and_its_settlings_one_is_accepted(
    lab: Lab, race: str, record_property: Callable[[str, object], None]
) -> None:
    """In every state of the table in ADR 28. `python -m bench.fence` does the same by the thousand."""
    bench = Bench(lab, remedy=True)
    states = [state for state in STATES if not (state.startswith("upgrade") and RACES[race] != (1, 1))]
    try:
        tried = [
            (case, *bench.try_once(case))
            for case, times in spread([Case(state, race) for state in states], TRIES)
            for _ in range(times)
        ]
    finally:
        bench.rows.close()
    wrong = [one for one in tried if any(one[1:])]
    assert wrong == []
    record_property(SAID, f"{len(tried)} tries, {len(wrong)} broken")


@every_database
def test_what_waits_in_the_database_is_settled_and_never_lands(lab: Lab) -> None:
    bench = Bench(lab, remedy=True)
    try:
        found = [
            (case, *bench.try_once(case))
            for what in bench.rows.ways_to_hold()
            for case in (Case(state, f"held, killed, settled: {what}") for state in ("first intent", "applied"))
        ]
    finally:
        bench.rows.close()
    assert [one for one in found if any(one[1:])] == []


@pytest.mark.parametrize("lab", ["gpgsql"], indirect=True, scope="session")
def test_in_the_order_of_protocol_1_the_same_is_broken(lab: Lab) -> None:
    """The harness sees what it is there to see."""
    bench = Bench(lab, remedy=False)
    try:
        broken, twice = bench.try_once(Case("applied", "held, killed, settled: the SOA row"))
    finally:
        bench.rows.close()
    assert "CNAME" in broken
    assert "rows of" in twice


# --- the program itself


@sql_servers
@pytest.mark.parametrize("what", ["the SOA row", "the lock row"])
def test_an_applier_killed_while_its_patch_waits_in_the_database_is_settled_at_once(
    site: Site, rows: Rows, what: str
) -> None:
    site.change()
    with rows.held(site.world.zone, what), Applier(site.world) as applier:
        rows.wait_for_waiting(1)
        applier.process.kill()
        applier.process.wait()
        seq = site.verified().head.seq
        with ThreadPoolExecutor(1) as pool:
            settling = pool.submit(site.apply)
            rows.wait_for_waiting(2)
            rows.release()
            outcome = settling.result().outcome
    rows.wait_for_rest()
    log = site.check()
    assert results(log)[seq].recovered
    assert (results(log)[seq].outcome, outcome) in (("applied", "nothing"), ("failed", "applied"))
    kinds = {kind for name, kind, _ in rows.of(log.zone, "") if name == claim_name(log.zone, seq)}
    assert kinds == ({"TXT"} if outcome == "nothing" else {"CNAME"})
    assert nothing_twice(site, rows)


@every_database
def test_a_proxy_that_doubles_every_patch_leaves_nothing_twice(site: Site, rows: Rows) -> None:
    site.proxy.doubling = True
    for service in ("first", "second", "first"):
        site.change(service)
        assert site.apply().outcome == "applied"
    assert len(site.proxy.updates()) >= 6
    assert nothing_twice(site, rows)
    site.check()


@sql_servers
def test_a_patch_that_the_database_holds_is_repeated_and_lands_once(site: Site, rows: Rows) -> None:
    """Our client gives up and tries again, copies and the settling PATCH pile up behind the lock, then all go on."""
    site.change()

    def impatient(ports: Workspace) -> Workspace:
        def open_writer(_: object) -> PowerDnsWriter:
            address = site.proxy.address
            return PowerDnsWriter(f"http://{address}", "localhost", site.world.zone, site.lab.api_key, timeout_s=1.0)

        return ports.replaced(open_writer=open_writer)

    with rows.held(site.world.zone, "the SOA row"):
        release = threading.Timer(4.0, rows.release)
        release.start()
        receipt = site.apply(swap=impatient)
        release.join()
    rows.wait_for_rest()
    assert receipt.outcome == "applied"
    assert receipt.intent is not None
    seq = receipt.intent.seq
    copies = [patch for patch in site.proxy.updates() if patch.claims and patch.claims[0] == seq]
    assert len(copies) > 1
    assert nothing_twice(site, rows)


@every_database
def test_the_first_apply_of_a_zone_is_fenced_too(lab: Lab, rows: Rows) -> None:
    make_zone(rows, f"first-{lab.backend}.fence", 0)
    field = Field(rows, f"first-{lab.backend}.fence", remedy=True)
    statuses = field.at_once([field.first_lock()] * 3)
    assert sorted(statuses) == [204, 422, 422]
    update = field.intent()
    statuses = field.at_once([field.update(update), field.settling(update)])
    verdict = judge(field, update, statuses[:1].count(204), statuses[1:].count(204))
    assert (verdict.broken, verdict.duplicates) == ("", "")


def nothing_twice(site: Site, rows: Rows) -> bool:
    """Whether every name of ours, every marker and the SOA has one row of a kind."""
    found = [row[:2] for service in site.targets for row in rows.of(site.world.zone, site.world.name(service))]
    per_service = len(site.targets)
    ours = {site.world.name(service) for service in site.targets}
    return all(found.count(key) == (1 if key[0] in ours else per_service) for key in set(found))
