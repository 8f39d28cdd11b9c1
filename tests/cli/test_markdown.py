"""Markdown for a job's summary: what comes from files stays in its fence, and what does not fit is said."""

from dataclasses import replace
from typing import get_args

import pytest

from hyops_gitops.apply.receipt import Outcome, Receipt
from hyops_gitops.apply.text import (
    MAX_BYTES,
    error_markdown,
    proposal_markdown,
    proposal_text,
    receipt_markdown,
    receipt_text,
)
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.parts import Retirement
from hyops_gitops.plan.limits import Proposal
from hyops_gitops.plan.plan import GuardRefusal, Note, Plan
from tests.support.plans import LOOSE
from tests.support.world import World

EMPTY = Zone.of("z.internal", ())


def plan(*refusals: GuardRefusal) -> Plan:
    return Plan("z.internal", EMPTY, ManagedSet.of("z.internal", ()), changes=(), refusals=refusals)


def proposal(*refusals: GuardRefusal) -> Proposal:
    return Proposal(plan(*refusals), "c" * 40, dirty=False, source="evidence", serial=1, seq=7, limits=LOOSE)


def test_a_plan_with_its_counts_and_its_base(offline: World) -> None:
    ran = offline.cli("plan", "--format", "markdown")

    lines = ran.out.splitlines()
    assert ran.exit == 0
    assert lines[:3] == ["### Plan for `off.internal`: 1 to create", "", "```diff"]
    assert "against the signed log, entry 1" in lines[3]
    assert "+ first.prod.off.internal A 10.0.0.1 (TTL 60)" in lines
    assert lines[-1] == "```"


def test_no_text_leaves_its_fence() -> None:
    text = proposal_markdown(proposal(GuardRefusal("foreign", None, "live is ```` @all\n# heading", "")))

    lines = text.splitlines()
    assert (lines[2], lines[-1]) == ("`````diff", "`````")
    assert r"refused (foreign): live is ```` @all\n# heading" in lines


def test_what_does_not_fit_into_a_comment_is_cut_and_said() -> None:
    text = proposal_markdown(proposal(*[GuardRefusal("foreign", None, "ü" * 500, "") for _ in range(200)]))

    assert len(text.encode()) < MAX_BYTES + 500
    assert text.splitlines()[-1].endswith(" more lines are cut here; `hyops-gitops plan` shows all of them.")


def test_a_note_moves_no_cursor() -> None:
    noted = replace(proposal(), plan=replace(plan(), notes=(Note("pg.z.internal", "a server said \x1b[2J"),)))
    assert "note: pg.z.internal: a server said \\x1b[2J" in proposal_text(noted).splitlines()


def test_a_receipt_with_servers_steps_and_the_head() -> None:
    receipt = Receipt(
        "applied",
        "c" * 40,
        plan(),
        head=EntryRef(5, "ab" * 32),
        servers=(ServerReport("secondary", "on|prem", "127.0.0.2:53", "stale", None),),
        timings_ms={"patch": 12},
    )

    text = receipt_markdown(receipt)

    assert text.startswith(f"### Applied: `{'c' * 12}`, nothing to change\n")
    assert "| secondary | onprem | stale |  |" in text
    assert "| patch | 12 ms |" in text
    assert text.endswith(f"Log head `5:{'ab' * 32}`\n")


def test_every_outcome_of_an_apply_has_a_heading_of_its_own() -> None:
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    headings = [receipt_markdown(Receipt(one, "c" * 40, plan())).split("`")[0] for one in outcomes]

    assert all(heading.startswith("### ") for heading in headings)
    assert len(set(headings)) == len(outcomes)
    assert receipt_markdown(Receipt("refused", "c" * 40, plan())).startswith("### Refused: nothing was changed")


def test_who_may_still_serve_the_old_target_is_named() -> None:
    behind = ServerReport("primary", "primary", "127.0.0.1:53", "stale", None)
    text = receipt_text(
        Receipt(
            "unconfirmed",
            "c" * 40,
            plan(),
            servers=(behind,),
            retire=(Retirement("pg.z.internal", None, "primary still gives the old answer"),),
        )
    )
    assert "the retirement time of the old target is unknown: primary still gives the old answer" in text


def test_an_error_is_told_with_its_remedy(offline: World) -> None:
    offline.contract("pg", "10.0.0.9")
    ran = offline.cli("apply", "--format=markdown")

    assert ran.exit == 3
    assert ran.out.startswith("### Refused: nothing was changed\n\n```diff\nerror: not committed: ")
    assert "hint: commit or remove them" in ran.out
    assert "error: not committed: " in ran.err


def test_findings_are_told_too(offline: World) -> None:
    offline.contract("first", "8.8.8.8")
    ran = offline.cli("plan", "--format", "markdown")

    assert (ran.exit, "target-network: " in ran.out) == (1, True)


def test_an_error_without_a_hint_has_none() -> None:
    assert "hint" not in error_markdown(Refused("no", guard="drift"))


@pytest.mark.parametrize("text", ["drift=why\n", "empty-tree", "nonsense=why"])
def test_overrides_of_the_environment_are_checked_like_others(offline: World, text: str) -> None:
    ran = offline.cli("apply", "--format", "json", HYOPS_OVERRIDES=text)

    assert (ran.exit, ran.document()["code"]) == (2, "bad-override")
