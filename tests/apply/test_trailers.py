"""Trailers of the commits that an apply carries out: what they lift, declare, and block."""

import pytest

from hyops_gitops.apply.propose import sites_lost
from hyops_gitops.core.declaration import DeclaredHold
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.guards import Override
from hyops_gitops.log.entries import Intent, Refusal
from tests.support.world import MakeWorld, World

pytestmark = pytest.mark.authority


def test_a_merged_commit_lifts_a_guard_and_declares_why(world: World) -> None:
    world.apply()
    world.foreign("first", "A", "10.0.0.99")
    world.git("checkout", "-q", "-b", "move")
    world.contract("first", "10.0.0.2")
    world.git("add", "-A")
    name = world.name("first")
    trailers = (
        f"Hyops-Kind: incident\nHyops-Reason: rack A is dark, ask ann@example.invalid\nHyops-Reference: INC-1\n"
        f"Hyops-Site-Lost: onprem\nHyops-Hold: other.prod.{world.zone}=later\nHyops-Override: drift:{name}=by hand"
    )
    world.git("commit", "-q", "-m", f"Move first\n\n{trailers}")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--no-ff", "-m", "Merge it", "move")
    planned = world.cli("plan", "--live", "--format", "json").document()
    receipt = world.apply()
    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))

    assert (receipt.outcome, receipt.plan.digest()) == ("applied", planned["digest"])
    assert world.at("first") == {"A": (60, ("10.0.0.2",))}
    assert intent.overrides == (Override("drift", name, "by hand", "trailer"),)
    (merged,) = intent.merged
    assert (merged.declared.kind, merged.declared.reason) == ("incident", "rack A is dark, ask [masked]")
    assert merged.declared.reference == "INC-1"
    assert merged.declared.holds == (DeclaredHold(f"other.prod.{world.zone}", "later"),)
    assert sites_lost(intent.merged) == ("onprem",)
    # It counts for what it was merged for, not ever after.
    world.foreign("first", "A", "10.0.0.99")
    world.contract("first", "10.0.0.3")
    world.commit("Later")
    assert world.apply().outcome == "refused"


def test_a_trailer_that_cannot_be_understood_refuses_until_a_commit_or_an_option_leaves_it_out(
    make_world: MakeWorld,
) -> None:
    world = make_world(overridable=["drift"])  # the policy lifts no `trailers`
    world.apply()
    world.contract("first", "10.0.0.2")
    commit = world.commit("Move\n\nHyops-Override: drft:x=y")
    with world.only_a_refusal(), pytest.raises(Refused) as caught:
        world.apply("trailers=never mind")
    assert (caught.value.guard, caught.value.exit_code) == ("trailers", 3)
    assert commit[:12] in caught.value.message
    assert "--override" not in caught.value.hint
    refusal = world.bodies()[-1]
    assert isinstance(refusal, Refusal)
    assert [one.guard for one in refusal.refusals] == ["trailers"]
    planned = world.cli("plan", "--format", "json").document()["refusals"]
    assert isinstance(planned, list)
    assert [one["guard"] for one in planned] == ["trailers"]

    world.commit("Never mind\n\nHyops-Override: trailers=drft was a slip")
    assert world.apply().outcome == "applied"
    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))
    assert intent.overrides == (Override("trailers", None, "drft was a slip", "trailer"),)


def test_a_lost_site_that_nobody_knows_is_told(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit("Move\n\nHyops-Site-Lost: onprm\nHyops-Site-Lost: onprem")
    told: list[Event] = []
    world.apply(swap=lambda ports: ports.replaced(on_event=told.append))
    warnings = [event.text for event in told if isinstance(event, Warned)]

    assert warnings == ["site 'onprm' is declared lost, but no server or endpoint has a site of that name"]


def test_the_option_leaves_it_out_where_the_policy_lets_it(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit("Move\n\nHyops-Kind: party")
    with pytest.raises(Refused) as caught:
        world.apply()
    assert "--override trailers='REASON'" in caught.value.hint
    assert world.apply("trailers=it was one").outcome == "applied"


def test_a_squash_that_puts_a_paragraph_after_the_trailers_refuses_until_they_are_said_again(world: World) -> None:
    world.apply()
    world.contract("first", "10.0.0.2")
    trailers = "Hyops-Site-Lost: onprem\nHyops-Kind: incident\nHyops-Reason: no power"
    world.commit(f"Move first (#7)\n\n{trailers}\n\nCo-authored-by: Ann <ann@example.invalid>")
    planned = world.cli("plan", "--format", "json").document()["refusals"]
    with world.only_a_refusal(), pytest.raises(Refused, match="'Hyops-Site-Lost: onprem' is not read as") as caught:
        world.apply()
    world.git("commit", "-q", "--allow-empty", "-m", f"Say it again\n\n{trailers}")
    receipt = world.apply()
    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))

    assert isinstance(planned, list)
    assert ([one["guard"] for one in planned], caught.value.guard) == (["trailers"], "trailers")
    assert (receipt.outcome, sites_lost(intent.merged)) == ("applied", ("onprem",))


def test_a_trailer_in_a_block_of_code_is_only_said(world: World) -> None:
    world.contract("first", "10.0.0.2")
    world.commit("Move\n\n```\nHyops-Site-Lost: onprem\n```\n\nis what one would write.")
    told: list[Event] = []
    receipt = world.apply(on_event=told.append)
    said = [event.text for event in told if isinstance(event, Warned)]

    assert receipt.outcome == "applied"
    assert ["is not read as a trailer" in one for one in said] == [True]
    assert "is not read as a trailer" not in world.cli("plan").out
