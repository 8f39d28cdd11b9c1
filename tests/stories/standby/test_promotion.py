"""PostgreSQL with a streaming standby that is promoted before, during and after an update."""

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from tests.support.site import Applier
from tests.support.standby import Pair
from tests.support.world import World

pytestmark = [pytest.mark.authority, pytest.mark.only_backend("gpgsql")]


def merged(world: World, target: str, service: str = "first") -> None:
    world.contract(service, target)
    world.commit(f"{service} to {target}")


def target(world: World, service: str = "first") -> tuple[str, ...]:
    return world.at(service)["A"][1]


def agrees(world: World) -> bool:
    """Whether every intent has a result, and the audit finds log, contracts and zone as they should be."""
    types = world.types()
    world.git("fetch", "-q", "origin", "evidence")
    ran = world.cli("audit", "--live")
    assert ran.exit == 0, ran.out + ran.err
    return types.count("intent") == types.count("result")


def test_what_was_applied_is_there_after_a_promotion_and_what_comes_next_waits_for_it(
    pair: Pair, replicated: World
) -> None:
    """Nothing goes on before file and credential name the promoted server, outside the failure domain."""
    world = replicated
    pair.synchronise()
    merged(world, "10.0.0.2")
    receipt = world.apply()
    assert [server.verdict for server in receipt.servers] == ["converged", "converged"]
    pair.lose_primary()
    pair.promote(world.zone)
    merged(world, "10.0.0.3", "second")
    head = world.evidence_head()
    lost = world.cli("apply")
    assert (lost.exit, world.evidence_head()) == (4, head)
    world.environ["HYOPS_PRIMARY_URL"] = pair.second.api_url  # the credential's own: the file has to follow
    assert world.cli("apply").exit == 3
    for wrong in (pair.followed(world, site="onprem"), pair.followed(world, site="gcp", listed=True)):
        world.write(world.authority_path, wrong)
        refused = world.cli("validate")
        assert (refused.exit, "authority-failure-domain" in refused.out) == (1, True)
    pair.follow(world)
    assert target(world) == ("10.0.0.2",)
    assert world.apply().outcome == "applied"
    assert (target(world), target(world, "second")) == (("10.0.0.2",), ("10.0.0.3",))
    assert not [body for body in world.bodies() if isinstance(body, ZoneDrift)]
    assert agrees(world)


def ended_while_it_waits(pair: Pair, world: World, *, committing: bool) -> int:
    """Lose the primary and promote while an update waits; its intent's number, the applier killed as its host is."""
    merged(world, "10.0.0.2")
    with Applier(world) as applier:
        pair.wait_for_update(committing=committing)
        applier.process.kill()
        applier.process.wait()
    pair.lose_primary()
    pair.promote(world.zone)
    pair.follow(world)
    entry = world.entries()[-1]
    assert isinstance(entry.body, Intent)
    return entry.seq


def settled(world: World, seq: int) -> str:
    (result,) = [body for body in world.bodies() if isinstance(body, Result) and body.intent_seq == seq]
    assert result.recovered
    return result.outcome


def test_an_update_that_waited_for_a_lock_never_landed_and_is_sent_again(pair: Pair, replicated: World) -> None:
    pair.synchronise()
    pair.hold(replicated.zone)
    seq = ended_while_it_waits(pair, replicated, committing=False)
    assert replicated.apply(recover=seq).outcome == "applied"
    assert (settled(replicated, seq), target(replicated)) == ("failed", ("10.0.0.2",))
    assert agrees(replicated)


def test_an_update_that_the_standby_had_received_has_landed(pair: Pair, replicated: World) -> None:
    """Its client never got a reply, and no other server showed it."""
    pair.synchronise()
    pair.pause_replay()
    seq = ended_while_it_waits(pair, replicated, committing=True)
    assert replicated.apply(recover=seq).outcome == "nothing"
    assert (settled(replicated, seq), target(replicated)) == ("applied", ("10.0.0.2",))
    assert agrees(replicated)


def test_what_an_asynchronous_standby_lost_is_found_by_the_anchor(pair: Pair, replicated: World) -> None:
    world = replicated
    pair.cut()
    merged(world, "10.0.0.2")
    assert world.apply(watch=False).exit_code == 0
    pair.lose_primary()
    pair.promote(world.zone)
    pair.follow(world)
    assert target(world) == ("10.0.0.1",)
    with world.only_a_refusal(), pytest.raises(Refused) as refused:
        world.apply()
    assert refused.value.guard == "restored"
    assert world.apply("restored=the standby was behind").outcome == "applied"
    (drift,) = [body for body in world.bodies() if isinstance(body, ZoneDrift)]
    assert (drift.restored, [one.name for one in drift.differences]) == (True, [world.name("first")])
    assert target(world) == ("10.0.0.2",)
    assert agrees(world)
