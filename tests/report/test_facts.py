"""Accounts of entries, exceptions with who looked at them, counts."""

from datetime import timedelta

import pytest

from hyops_gitops.audit.report import Period
from hyops_gitops.report.facts import Account, Facts
from tests.golden import values
from tests.support.reported import ORDERS, POSTGRES, SEARCH, facts_about, story, with_entries


@pytest.fixture(scope="module")
def facts() -> Facts:
    """The whole year."""
    return facts_about(story().log())


def about(facts: Facts, name: str) -> list[Account]:
    return list(facts.by_name[name])


def test_every_entry_but_results_is_an_account(facts: Facts) -> None:
    numbers = sorted(
        seq for account in facts.accounts for seq in (account.seq, account.end.seq if account.end else 0) if seq
    )
    assert numbers == list(range(1, len(facts.log.entries) + 1))


def test_a_change_has_its_kind_outcome_and_people(facts: Facts) -> None:
    moved = about(facts, SEARCH)[2]
    assert (moved.kind, moved.outcome, moved.environments) == ("incident", "not converged", ("prod",))
    assert (moved.asked, moved.approved, moved.people) == (("ada",), ("grace",), ("ada", "grace", "applier@hyops"))


def test_what_was_refused_stands_under_the_name(facts: Facts) -> None:
    refused = about(facts, SEARCH)[1]
    assert (refused.outcome, refused.names) == ("refused", (SEARCH,))
    assert "is not ready at 10.72.16.33" in refused.words


def test_break_glass_names_its_operators(facts: Facts) -> None:
    first = about(facts, POSTGRES)[-2]
    assert (first.kind, first.outcome, first.asked, first.approved) == (
        "break-glass",
        "brought in",
        ("carol@hyops",),
        (),
    )


def exhibits(facts: Facts, kind: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(exhibit.notice.message, exhibit.looked) for exhibit in facts.exhibits if exhibit.notice.kind == kind]


def test_an_override_with_who_approved_it(facts: Facts) -> None:
    assert [looked for _, looked in exhibits(facts, "override")] == [("approved by grace",), ()]


def test_drift_with_the_change_that_decided_about_it(facts: Facts) -> None:
    ((_, looked),) = exhibits(facts, "drift")
    assert looked == (f"{ORDERS}: changed by entry 59 (linus)",)


def test_a_segment_with_its_review_and_one_without(facts: Facts) -> None:
    looks = [looked for _, looked in exhibits(facts, "breakglass")]
    assert looks == [(), ("reviewed by grace@hyops, entry 63: agrees with INC-5000",)]
    assert exhibits(facts, "unreviewed") == [
        ("break-glass segment 0b5e0b5e0b5e was not reviewed by another person", ())
    ]


def test_a_gap_with_its_acknowledgement(facts: Facts) -> None:
    assert [looked for _, looked in exhibits(facts, "gap")] == [
        ("acknowledged by grace@hyops, entry 66: looked into, INC-5100",)
    ]


def test_a_server_that_caught_up_answers_for_a_change_that_was_not_converged(facts: Facts) -> None:
    assert [looked for _, looked in exhibits(facts, "not-converged")] == [("entry 57: secondary onprem caught up",)]


def test_counts_of_the_year(facts: Facts) -> None:
    counts = dict(facts.counts)
    assert counts["intents"] == 29
    assert counts["applied and served by every required server"] == 28
    assert counts["applied, not shown to be served everywhere"] == 1
    assert (
        counts["merged commits with a disposition"] - 1
        == (counts["of these with a recorded approval by another person"])
    )
    assert counts["of these merged past their review"] == 1
    assert (counts["overrides"], counts["findings of drift"]) == (2, 1)
    assert (counts["break-glass segments brought in"], counts["of these without a review"]) == (2, 1)
    assert counts["record sets in these changes (the rows of changes.csv)"] == len(facts.rows)


def test_a_period_lists_its_own_and_endpoints_keep_their_history(facts: Facts) -> None:
    since = facts.log.entries[53].envelope.time
    part = facts_about(facts.log, Period(since, since + timedelta(minutes=1)))
    assert [account.seq for account in part.accounts] == [54]
    assert [exhibit.notice.kind for exhibit in part.exhibits] == ["refusal"]
    assert dict(part.counts)["intents"] == 0
    assert part.servers == ()
    assert part.tenures.of[SEARCH] == facts.tenures.of[SEARCH]


def test_every_type_of_entry_has_an_account() -> None:
    _, entries = values.log()
    facts = facts_about(with_entries(entries, values.ZONE))
    kinds = {account.kind for account in facts.accounts}
    assert kinds == {"log", "change", "restore", "roll-back", "incident", "drift", "gap", "break-glass"}


def test_what_a_stolen_key_signed_is_marked() -> None:
    _, entries = values.log()
    facts = facts_about(with_entries(entries, values.ZONE))
    doubted = {account.seq for account in facts.accounts if account.doubtful}
    assert doubted == set()  # the stolen key of these entries is another one than signed them
