"""Merges that arrive by fast-forward, on a real zone: apply, audit and drift count nothing of them twice."""

import subprocess

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.guards import Override
from hyops_gitops.log.entries import Intent
from tests.support.repository import ROOT
from tests.support.world import MakeWorld, World

SIGNERS = "authority/allowed_signers"
pytestmark = pytest.mark.authority


def update_and_fast_forward(world: World, branch: str = "topic") -> str:
    """The forge's button "Update branch", and its fast-forward of main."""
    world.git("switch", "-q", branch)
    world.git("merge", "-q", "--no-ff", "-m", f"Merge branch 'main' into {branch}", "main")
    world.git("switch", "-q", "main")
    world.git("merge", "-q", "--ff-only", branch)
    world.git("push", "-q", "origin", "main")
    return world.git("rev-parse", "HEAD")


def topic(world: World) -> None:
    """A branch that moves one endpoint, forked before main gets an authority change and a contract; both applied."""
    world.apply()
    world.git("switch", "-q", "-c", "topic")
    world.contract("first", "10.0.0.2")
    world.git("commit", "-q", "-a", "-m", "Move first")
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit("Longer TTLs")
    world.apply()
    world.contract("second", "10.0.0.9")
    world.commit("Add second")
    world.apply()


def merged(world: World) -> list[str]:
    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))
    return [one.title for one in intent.merged]


def audits(world: World) -> list[str]:
    """What both audits say is wrong."""
    found = world.cli("audit", "--offline", "--format", "json").document()
    problems = [str(one) for name in ("problems", "inconclusive") for one in list(found[name])]  # type: ignore[call-overload]
    signers = world.root.parent / "signers"
    signers.write_text(world.read("authority/allowed_signers"))
    command = [str(ROOT / "script/audit.sh"), str(world.root), str(signers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    bad = [line for line in done.stdout.splitlines() if not line.startswith(("ok ", "note "))]
    return [*problems, *(line for line in bad if line != "OK"), *done.stderr.splitlines()]


def test_what_main_got_and_applied_meanwhile_is_not_counted_again(world: World) -> None:
    topic(world)
    update_and_fast_forward(world)
    drift = world.cli("drift", "--format", "json").document()["cases"]
    receipt = world.apply()

    assert receipt.outcome == "applied"
    assert merged(world) == ["Move first", "Merge branch 'main' into topic"]
    assert [one["message"] for one in drift] == [  # type: ignore[attr-defined]
        f"{world.name('first')} was never applied as its contract asks: Tester, 'Move first'"
    ]
    assert audits(world) == []


def test_a_pull_request_of_both_is_refused_until_one_side_is_taken_back(make_world: MakeWorld) -> None:
    world = make_world(overridable=["drift"])
    topic(world)
    world.git("switch", "-q", "topic")
    signers = world.read(SIGNERS)
    world.write(SIGNERS, f"{signers}# a remark\n")
    world.git("commit", "-q", "-a", "-m", "And the signers")
    merge = update_and_fast_forward(world)
    with world.only_a_refusal(), pytest.raises(Refused, match=merge[:12]) as caught:
        world.apply("mixed-commit=may not")
    planned = world.cli("plan", "--format", "json").document()["refusals"]
    world.write(SIGNERS, signers)
    world.commit("Take the signers back")
    mended = world.apply()
    world.write(SIGNERS, f"{signers}# a remark\n")
    world.commit("The signers alone")

    assert (caught.value.guard, "--override" in (caught.value.hint or "")) == ("mixed-commit", False)
    assert [one["guard"] for one in planned] == ["mixed-commit"]  # type: ignore[attr-defined]
    assert (mended.outcome, world.apply().outcome) == ("applied", "nothing")
    assert audits(world) == []


def test_who_applies_may_lift_it_with_a_reason_and_a_commit_may_not(world: World) -> None:
    world.apply()
    world.edit_authority('"max": 3600', '"max": 7200')
    world.contract("first", "10.0.0.2")
    world.commit("Both\n\nHyops-Override: mixed-commit=trust me")
    with pytest.raises(Refused) as caught:
        world.apply("trailers=it was one")
    receipt = world.apply("trailers=it was one", "mixed-commit=both were reviewed")
    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))

    assert (caught.value.guard, "--override mixed-commit='REASON'" in (caught.value.hint or "")) == (
        "mixed-commit",
        True,
    )
    assert receipt.outcome == "applied"
    assert Override("mixed-commit", None, "both were reviewed", "option") in intent.overrides
    assert audits(world) == []


def test_commits_of_two_pull_requests_that_one_merge_brings_can_be_applied_before_it(world: World) -> None:
    world.apply()
    world.git("switch", "-q", "-c", "topic")
    world.contract("first", "10.0.0.2")
    world.git("commit", "-q", "-a", "-m", "Move first")
    world.git("switch", "-q", "main")
    world.edit_authority('"max": 3600', '"max": 7200')
    world.commit("Longer TTLs")
    world.contract("second", "10.0.0.9")
    main = world.commit("Add second")
    update_and_fast_forward(world)
    with pytest.raises(Refused, match="together"):  # which of both was main is not to be seen
        world.apply()

    assert (world.apply(revision=main).outcome, world.apply().outcome) == ("applied", "applied")
    assert audits(world) == []


def test_a_commit_that_was_applied_before_its_merge_is_seen_by_both_audits(world: World) -> None:
    world.apply()
    world.git("switch", "-q", "-c", "topic")
    world.contract("first", "10.0.0.2")
    world.git("commit", "-q", "-a", "-m", "Move first")
    world.apply()
    world.git("switch", "-q", "main")
    world.git("merge", "-q", "--no-ff", "-m", "Merged afterwards", "topic")

    found = audits(world)
    assert [("main was never at" in one) for one in found] == [True, True, False]
    assert found[-1] == "FAILED"
