"""What bringing a segment in comes to, as values: the log it leaves, the anchor it explains, the markers it frees."""

from dataclasses import replace
from datetime import timedelta

from hyops_gitops.apply.look import judge_anchor
from hyops_gitops.audit.report import change_rows
from hyops_gitops.core.contract import Target, TargetType
from hyops_gitops.core.markers import Anchor, claim_name
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.entries import Result
from hyops_gitops.log.history import name_history
from hyops_gitops.log.holds import held_contracts, hold_of, holds_due, holds_in_effect
from hyops_gitops.log.reconciling import markers_left
from hyops_gitops.log.retirement import retirements
from hyops_gitops.log.verify_segment import check_new
from hyops_gitops.move.cutover import previous_target
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Action, Change, moved, zone_after
from tests.support.book import ZONE, Book, codes
from tests.support.segments import SEGMENT, Breakglass, segment_of, take_in

NAME = f"first.prod.{ZONE}"


def test_anchor_of_a_segment_is_explained_once_it_is_in_the_log(glass: Breakglass) -> None:
    segment, before = segment_of(glass), glass.book.head
    assert segment.anchor is not None
    assert judge_anchor(segment.anchor, before) == "breakglass"
    after, _ = take_in(glass)

    assert judge_anchor(segment.anchor, after) == "current"
    assert judge_anchor(before.anchor, after) == "restored"
    assert judge_anchor(Anchor(9, "f" * 64, SEGMENT), after) == "breakglass"
    assert [one.code for one in check_new(segment, after)] == ["reconciled"]
    assert [one.code for one in check_new(replace(segment, head_sig_sha256=""), after)] == ["reconciled"]


def test_log_with_a_segment_verifies_and_has_its_zone(book: Book) -> None:
    glass = Breakglass.on(book.copy(len(book.head.entries))).move("10.0.0.2", witness="bob@tests")
    after, taken = take_in(glass)

    assert codes(glass.book.files, glass.book) == set()
    assert taken.drift is None
    assert after.state.rrset((f"first.prod.{ZONE}", "A")) == RRset.of(f"first.prod.{ZONE}", "A", 60, ["10.0.0.2"])
    assert after.observed.digest() == glass.log.observed.digest()
    assert isinstance(after.head.body, Reconcile)
    assert after.head.body.imported is not None
    assert after.head.body.imported.operators == ("alice@tests",)
    assert after.head.body.imported.witnesses == ("bob@tests",)
    (row,) = (one for one in change_rows(after) if one.outcome == "break-glass")
    assert (row.seq, row.asked, row.approved) == (after.head.seq, ("alice@tests",), ())
    newest = list(name_history(after, f"first.prod.{ZONE}"))[-1]
    assert (newest.new, newest.asked, newest.reason) == (
        ("10.0.0.2",),
        ("alice@tests",),
        f"break-glass segment {SEGMENT}",
    )


def test_what_happened_before_the_segment_began_is_drift(book: Book) -> None:
    glass = Breakglass.on(book.copy(len(book.head.entries)))
    by_hand = RRset.of(f"hand.{ZONE}", "TXT", 60, ['"x"'])
    glass.log = replace(glass.log, observed=glass.log.observed.with_rrsets([by_hand]))
    _, taken = take_in(glass.move("10.0.0.2"))

    assert taken.drift is not None
    assert [(one.name, one.recorded, one.observed) for one in taken.drift.differences] == [
        (by_hand.name, None, by_hand)
    ]
    assert codes(glass.book.files, glass.book) == set()


def test_only_what_ends_elsewhere_has_moved(glass: Breakglass) -> None:
    changes = [change for applied in glass.log.applied_after(0) for change in applied.intent.changes]

    assert moved(changes) == {}
    assert [one.after for one in moved(changes[:1]).values()] == [changes[0].after]
    assert zone_after(glass.book.head.observed, changes).digest() == glass.book.head.observed.digest()


def test_numbers_that_a_segment_closed_are_freed_and_its_own_markers_stay(glass: Breakglass) -> None:
    assert markers_left(glass.book.head) == []
    base = glass.book.head
    after, _ = take_in(glass)
    deletes = markers_left(after)

    assert (claim_name(ZONE, base.head.seq + 1), "CNAME") in deletes
    assert not any(SEGMENT in name for name, _ in deletes)
    glass.book.apply()
    assert markers_left(glass.book.head) == []


def test_what_a_segment_moved_back_is_held_in_it_and_after_it(book: Book) -> None:
    """A merge that nobody could apply asks for 10.0.0.2; break-glass tried that, and rolled it back."""
    glass = Breakglass.on(book.copy(len(book.head.entries))).move("10.0.0.2")
    contract = next(one for one in book.validation().contracts if str(one.name) == NAME)
    asking = replace(contract, target=Target(TargetType.HOST, ("10.0.0.2",), contract.target.port))
    glass.intend("10.0.0.1", holds=(hold_of(asking),))
    glass.finish()
    segment, base, authority = segment_of(glass), glass.book.head, book.validation().authority
    assert authority is not None
    log = segment.as_log(base)
    number = base.head.seq + 3

    assert log == glass.log
    assert (log.state.held_by(NAME), log.holder(number)) == (number, segment.entries[2])
    assert log.holder(base.head.seq) == base.head
    assert holds_in_effect(log.state, log.holder, [asking]) == {asking.path: number}
    (why,) = held_contracts(log, [asking], Limits.of(authority.policy), ()).values()
    assert why.startswith(f"by entry 3 of segment {SEGMENT}, ")
    intents = [one for _, one in segment.intents()]
    assert holds_due(intents, [asking], log.state) == (hold_of(asking),)
    assert holds_due(intents, [contract], log.state) == ()  # it is where its contract says


def test_changes_of_a_reconciled_segment_count(glass: Breakglass) -> None:
    """They are when and where a name was, for status, failback and retirement."""
    before = list(glass.book.head.applied_to(NAME))
    after, _ = take_in(glass)
    there, back = list(after.applied_to(NAME))[len(before) :]

    assert [one.intent_entry.envelope.principal for one in (there, back)] == ["alice@tests", "bob@tests"]
    assert [one.entry for one in (there, back)] == [after.head, after.head]
    assert back.intent_entry.envelope.segment == glass.log.segment
    assert all(one.intent_entry.envelope.segment is None for one in after.applied_after(0))
    contract = next(one for one in glass.book.validation().contracts if str(one.name) == NAME)
    previous = previous_target(contract, after.applied_to(NAME))
    assert previous is not None
    assert previous.values == ("10.0.0.2",)


def test_retirement_counts_what_break_glass_served(book: Book) -> None:
    """Its TTL runs from when break-glass took the record away, not from when somebody brought the segment in."""
    glass = Breakglass.on(book.copy(len(book.head.entries)))
    rrset = glass.log.observed.rrsets[NAME, "A"]
    glass.log = replace(glass.log, observed=glass.log.observed.with_rrsets([replace(rrset, ttl=7200)]))
    glass.move("10.0.0.2")
    result = glass.log.entries[1].body
    assert isinstance(result, Result)
    assert result.accepted is not None
    glass.book.clock.sleep(3600)
    after, _ = take_in(glass)
    change = Change(Action.REPLACE, NAME, "A", RRset.of(NAME, "A", 60, ["10.0.0.2"]), rrset, "", cutover=True)
    minute = timedelta(minutes=1)

    seen = (ServerReport("primary", "primary", "127.0.0.1:53", "converged", 0),)
    (soon,) = retirements([change], result.accepted + 61 * minute, seen, after.remembered)
    (late,) = retirements([change], result.accepted + 300 * minute, seen, after.remembered)
    second = timedelta(seconds=1)  # rounded up
    assert soon.after == result.accepted + second + timedelta(seconds=7200)
    assert late.after == result.accepted + 300 * minute + second + timedelta(seconds=60)
