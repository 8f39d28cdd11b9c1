"""Roll-back and holds: a service that surely does not answer after its move goes back, and stays there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.readiness import Probe, ProbeReport, ProbeVerdict
from hyops_gitops.log.entries import Refusal
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.find_drift import DriftRequest, look_for_drift
from tests.stories.cutover.conftest import MakeWorld
from tests.support.audits import audited
from tests.support.endpoints import endpoint, intents, results
from tests.support.world import World

pytestmark = pytest.mark.authority

ONPREM, GCP = "10.0.0.1", "10.0.0.2"
PORT = 5432


@dataclass
class Services:
    """Services that answer as a test says; the new target is ready when it is probed first."""

    after: Mapping[str, ProbeVerdict] = field(default_factory=dict)  # of an address, once it was asked
    asked: list[str] = field(default_factory=list)

    def probe(self, probe: Probe) -> ProbeReport:
        verdict = self.after.get(probe.address, "ready") if probe.address in self.asked else "ready"
        if probe.address == ONPREM:
            verdict = self.after.get(ONPREM, "ready")
        self.asked.append(probe.address)
        return ProbeReport(probe.type, probe.address, probe.port, verdict, "says so")

    def swap(self, ports: Workspace) -> Workspace:
        return ports.replaced(prober=self, clock=Hasty())


class Hasty(SystemClock):
    """A clock that does not wait."""

    def sleep(self, seconds: float) -> None:
        super().sleep(min(seconds, 0.01))


@pytest.fixture
def rolling(make_world: MakeWorld) -> World:
    """A world that rolls back, with one endpoint on-prem."""
    world = make_world(rollback="on-failed-verification")
    endpoint(world, "pg", ONPREM, PORT)
    endpoint(world, "web", "10.0.0.7", PORT)
    world.commit()
    assert world.apply(swap=Services().swap, watch=False).outcome == "applied"
    return world


def moved(world: World, services: Services, *overrides: str, **options: object) -> Receipt:
    """The endpoint moves to GCP."""
    endpoint(world, "pg", GCP, PORT)
    world.commit("Move pg")
    return world.apply(*overrides, swap=services.swap, watch=False, **options)  # type: ignore[arg-type]  # options by name


def test_it_goes_back_with_intent_and_result_of_its_own_and_is_held(rolling: World) -> None:
    name = rolling.name("pg")
    receipt = moved(rolling, Services({GCP: "not-ready"}))
    assert (receipt.outcome, receipt.exit_code) == ("rolled-back", 5)
    assert rolling.types()[-4:] == ["intent", "result", "intent", "result"]
    (_, forward, back), (_, first, second) = intents(rolling), results(rolling)
    (service,) = first.services
    assert (service.report.name, service.report.verdict, service.after_ms) == (name, "not-ready", None)
    assert (first.outcome, first.converged, second.outcome, second.converged) == ("applied", True, "applied", True)
    assert (back.rollback_of, [hold.name for hold in back.holds]) == (first.intent_seq, [name])
    assert [(one.before, one.after) for one in back.changes] == [(one.after, one.before) for one in forward.changes]
    assert [(one.report.verdict, one.report.target) for one in second.services] == [("ready", (ONPREM,))]
    assert rolling.at("pg") == {"A": (60, (ONPREM,))}
    assert receipt.rollback is not None
    assert receipt.rollback.intent is not None
    assert receipt.rollback.intent.seq == second.intent_seq
    state = rolling.evidence(f"state/{rolling.zone}.zone").decode()
    assert f"{name}. 60 IN A {ONPREM} ; endpoints/prod/pg.yaml ; held {second.intent_seq}\n" in state
    audited(rolling)


def test_an_unrelated_merge_neither_moves_a_held_name_nor_undoes_an_edit_by_hand_elsewhere(rolling: World) -> None:
    moved(rolling, Services({GCP: "not-ready"}))
    by_hand = rolling.foreign("web", "A", "10.0.0.99")
    endpoint(rolling, "new", "10.0.0.5", PORT)
    rolling.write("endpoints/prod/pg.yaml", rolling.read("endpoints/prod/pg.yaml") + "# only words\n")
    rolling.commit("Unrelated")
    receipt = rolling.apply(swap=Services().swap, watch=False)
    assert receipt.outcome == "applied"
    assert [change.name for change in receipt.plan.changes] == [rolling.name("new")]
    assert [held.name for held in receipt.plan.held] == [rolling.name("pg")]
    assert [drift.name for drift in receipt.plan.drift] == [rolling.name("web")]
    assert (rolling.at("pg"), rolling.at("web")) == ({"A": (60, (ONPREM,))}, {"A": (60, by_hand.rdata)})
    assert rolling.cli("plan").out.count(f"--override held:{rolling.name('pg')}='REASON'") == 1
    ran = rolling.cli("status", "pg.prod", "--format", "json")
    names = ran.document()["names"]
    assert isinstance(names, list)
    (status,) = names
    assert (ran.exit, status["agrees"]) == (1, False)
    assert status["held"].startswith(f"by entry {results(rolling)[2].intent_seq}, until its contract changes")
    cases = look_for_drift(DriftRequest(), rolling.wiring()).cases
    edited = [(case.kind.value, case.name) for case in cases if case.where == "primary"]
    assert edited == [("edited", rolling.name("web"))]
    assert not [case for case in cases if case.kind.value == "never-applied"]  # a held name is not waiting for an apply
    audited(rolling)


@pytest.mark.parametrize("how", ["override", "contract", "revert"])
def test_a_hold_ends_by_an_override_or_by_another_contract(rolling: World, how: str) -> None:
    name = rolling.name("pg")
    moved(rolling, Services({GCP: "not-ready"}))
    match how:
        case "override":
            receipt = rolling.apply(f"held:{name}=it is mended", swap=Services().swap, watch=False)
        case "contract":
            endpoint(rolling, "pg", GCP, PORT, ttl=30)
            rolling.commit("And a shorter TTL")
            receipt = rolling.apply(swap=Services().swap, watch=False)
        case _:
            rolling.git("revert", "--no-edit", "HEAD")
            rolling.git("push", "-q", "origin", "HEAD:main")
            assert rolling.apply(swap=Services().swap, watch=False).outcome == "nothing"
            receipt = moved(rolling, Services())
    if how == "revert":  # what it says then is what it said when it was held
        assert (receipt.outcome, [one.name for one in receipt.plan.held]) == ("nothing", [name])
        return
    assert (receipt.outcome, receipt.plan.held) == ("applied", ())
    assert rolling.at("pg")["A"][1] == (GCP,)
    assert "held" not in rolling.evidence(f"state/{rolling.zone}.zone").decode()
    audited(rolling)


def test_silence_moves_nothing_back(rolling: World) -> None:
    receipt = moved(rolling, Services({GCP: "unknown"}))
    assert (receipt.outcome, rolling.at("pg")["A"][1]) == ("applied", (GCP,))
    assert [one.report.verdict for one in results(rolling)[-1].services] == ["unknown"]


def test_after_a_declared_site_loss_nothing_moves_back(rolling: World) -> None:
    receipt = moved(rolling, Services({GCP: "not-ready"}), sites_lost=("onprem",))
    assert (receipt.outcome, rolling.at("pg")["A"][1]) == ("applied", (GCP,))
    assert intents(rolling)[-1].sites_lost == ("onprem",)


def test_who_overrode_readiness_is_not_moved_back(rolling: World) -> None:
    receipt = moved(rolling, Services({GCP: "not-ready"}), f"readiness:{rolling.name('pg')}=probes cannot tell")
    assert (receipt.outcome, rolling.at("pg")["A"][1]) == ("applied", (GCP,))


def test_nothing_moves_back_to_a_target_that_is_not_ready(rolling: World) -> None:
    receipt = moved(rolling, Services({GCP: "not-ready", ONPREM: "not-ready"}))
    assert (receipt.outcome, receipt.exit_code, rolling.at("pg")["A"][1]) == ("unconfirmed", 5, (GCP,))
    refusal = rolling.bodies()[-1]
    assert isinstance(refusal, Refusal)
    assert [(one.guard, one.name) for one in refusal.refusals] == [("readiness", rolling.name("pg"))]
    audited(rolling)


def test_without_the_policy_it_is_left_and_said(make_world: MakeWorld) -> None:
    world = make_world()
    endpoint(world, "pg", ONPREM, PORT)
    world.commit()
    world.apply(swap=Services().swap, watch=False)
    said: list[Event] = []
    receipt = moved(world, Services({GCP: "not-ready"}), on_event=said.append)
    assert (receipt.outcome, world.at("pg")["A"][1]) == ("applied", (GCP,))
    assert Warned(f"{world.name('pg')} is not reachable by name; it is left where it is") in said


def test_what_belongs_together_goes_back_together(make_world: MakeWorld) -> None:
    world = make_world(rollback="on-failed-verification")
    names = [world.name("pg"), world.name("pool")]
    world.edit_authority('"rollback"', f'"assertions": {{"move_together": [["{names[0]}", "{names[1]}"]]}}, "rollback"')
    world.commit("Together")
    for service, target in (("pg", ONPREM), ("pool", "10.0.0.3"), ("other", "10.0.0.5")):
        endpoint(world, service, target, PORT)
    world.commit()
    world.apply(swap=Services().swap, watch=False)
    endpoint(world, "pool", "10.0.0.4", PORT)
    endpoint(world, "other", "10.0.0.6", PORT)
    receipt = moved(world, Services({GCP: "not-ready"}))
    assert receipt.rollback is not None
    assert sorted(receipt.rollback.names) == sorted(names)
    assert (world.at("pool")["A"][1], world.at("other")["A"][1]) == (("10.0.0.3",), ("10.0.0.6",))


def test_a_bad_merge_is_reverted_inside_the_anti_flap_window_and_a_third_move_is_not(make_world: MakeWorld) -> None:
    world = make_world(assertions={"anti_flap_minutes": 30})
    endpoint(world, "pg", ONPREM, PORT)
    world.commit()
    world.apply(swap=Services().swap, watch=False)
    assert moved(world, Services()).outcome == "applied"
    world.git("revert", "--no-edit", "HEAD")
    world.git("push", "-q", "origin", "HEAD:main")
    assert world.apply(swap=Services().swap, watch=False).outcome == "applied"
    assert world.at("pg")["A"][1] == (ONPREM,)
    endpoint(world, "pg", "10.0.0.3", PORT)
    world.commit("And elsewhere")
    receipt = world.apply(swap=Services().swap, watch=False)
    assert [(one.guard, one.name) for one in receipt.plan.refusals] == [("anti-flap", world.name("pg"))]
    assert world.cli("plan", "--format", "json").document()["refusals"] != []
    audited(world)
