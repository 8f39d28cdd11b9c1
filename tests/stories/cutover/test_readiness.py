"""Guard `readiness`: a target that does not answer is not moved to, and what the probes said is recorded."""

import pytest

from hyops_gitops.log.entries import Refusal
from tests.support.endpoints import endpoint, intents
from tests.support.services import free_port
from tests.support.world import World


@pytest.mark.authority
def test_a_target_that_answers_is_moved_to_and_the_intent_says_what_it_answered(
    world: World, sites: dict[str, str], port: int
) -> None:
    moved(world, sites["onprem"], sites["gcp"], port)
    receipt = world.apply(watch=False)
    assert receipt.outcome == "applied"
    (report,) = intents(world)[-1].readiness
    assert (report.name, report.target, report.verdict) == (world.name("pg"), (sites["gcp"],), "ready")
    assert [(one.type, one.address, one.port, one.verdict) for one in report.probes] == [
        ("tcp", sites["gcp"], port, "ready")
    ]
    assert receipt.readiness == (report,)


@pytest.mark.authority
def test_a_target_that_refuses_is_refused_and_recorded_and_the_line_it_prints_lifts_it(
    world: World, sites: dict[str, str]
) -> None:
    moved(world, sites["onprem"], sites["gcp"], free_port(sites["gcp"]))
    with world.only_a_refusal():
        receipt = world.apply(watch=False)
    refusal = world.bodies()[-1]
    assert isinstance(refusal, Refusal)
    assert [(one.guard, one.name) for one in refusal.refusals] == [("readiness", world.name("pg"))]
    assert "refuses the connection" in refusal.refusals[0].message
    assert receipt.exit_code == 3
    line = receipt.plan.refusals[0].hint.split("--override ")[1].replace("'REASON'", "it starts on demand")
    assert world.apply(line, watch=False).outcome == "applied"
    intent = intents(world)[-1]
    assert [(one.verdict, one.name) for one in intent.readiness] == [("not-ready", world.name("pg"))]
    assert [(one.guard, one.name, one.reason) for one in intent.overrides] == [
        ("readiness", world.name("pg"), "it starts on demand")
    ]


@pytest.mark.authority
def moved(world: World, before: str, after: str, port: int) -> None:
    """A contract that was applied, and now points elsewhere."""
    endpoint(world, "pg", before, port)
    world.commit()
    assert world.apply(watch=False).outcome == "applied"
    endpoint(world, "pg", after, port)
    world.commit("Move it")
