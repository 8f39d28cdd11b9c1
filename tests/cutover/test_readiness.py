"""Guard `readiness`: a target that does not answer is not moved to, and what the probes said is recorded."""

import pytest

from hyops_gitops.core.entries import Intent, Refusal
from tests.cutover.services import free_port
from tests.world import World

TCP = [{"type": "tcp"}]


@pytest.mark.authority
def test_a_target_that_answers_is_moved_to_and_the_intent_says_what_it_answered(
    world: World, sites: dict[str, str], port: int
) -> None:
    moved(world, sites["onprem"], sites["gcp"], port)
    receipt = world.apply()
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
        receipt = world.apply()
    refusal = world.bodies()[-1]
    assert isinstance(refusal, Refusal)
    assert [(one.guard, one.name) for one in refusal.refusals] == [("readiness", world.name("pg"))]
    assert "refuses the connection" in refusal.refusals[0].message
    assert receipt.exit_code == 3
    line = receipt.plan.refusals[0].hint.split("--override ")[1].replace("'REASON'", "it starts on demand")
    assert world.apply(line).outcome == "applied"
    intent = intents(world)[-1]
    assert [(one.verdict, one.name) for one in intent.readiness] == [("not-ready", world.name("pg"))]
    assert [(one.guard, one.name, one.reason) for one in intent.overrides] == [
        ("readiness", world.name("pg"), "it starts on demand")
    ]


@pytest.mark.authority
def moved(world: World, before: str, after: str, port: int, **more: object) -> None:
    """A contract that was applied, and now points elsewhere."""
    fields = {"endpoint_port": port, "endpoint_readiness": TCP, **more}
    world.contract("pg", before, **fields)  # type: ignore[arg-type]  # fields by name
    world.commit()
    assert world.apply().outcome == "applied"
    world.contract("pg", after, **fields)  # type: ignore[arg-type]  # fields by name
    world.commit("Move it")


def intents(world: World) -> list[Intent]:
    return [body for body in world.bodies() if isinstance(body, Intent)]
