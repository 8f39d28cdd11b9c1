"""What bringing a segment in comes to, as values: the log it leaves, the anchor it explains, the markers it frees."""

from dataclasses import replace

from hyops_gitops.core.audit_lists import change_rows
from hyops_gitops.core.custody_entries import Reconcile
from hyops_gitops.core.log import Log
from hyops_gitops.core.markers import Anchor, claim_name
from hyops_gitops.core.name_history import name_history
from hyops_gitops.core.plan import zone_after
from hyops_gitops.core.reconciling import Reconciliation, markers_left, moved, reconciliation
from hyops_gitops.core.segment_judging import check_new
from hyops_gitops.core.segment_reading import Segment
from hyops_gitops.core.zone import RRset
from hyops_gitops.usecases.observation import judge_anchor
from tests.breakglass.building import SEGMENT, Breakglass, read
from tests.tamper.building import ZONE, Book, codes


def segment_of(glass: Breakglass) -> Segment:
    segment = read(glass.book, glass.files).segment
    assert segment is not None
    return segment


def take_in(glass: Breakglass) -> tuple[Log, Reconciliation]:
    """The log with the segment of `glass` in it."""
    book, segment = glass.book, segment_of(glass)
    taken = reconciliation(segment, book.head, "ab" * 20, holds=(), review="", reason="", overrides=())
    book.store.trees.append({**book.files, **{f"segments/{SEGMENT}/{name}": one for name, one in glass.files.items()}})
    if taken.drift is not None:
        book.add(taken.drift, observed=taken.found)
    book.add(taken.entry, observed=taken.observed, state=taken.state)
    return book.head, taken


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
    assert after.head.body.adopted is not None
    assert after.head.body.adopted.operators == ("alice@tests",)
    assert after.head.body.adopted.witnesses == ("bob@tests",)
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
    there_and_back = glass.log.applied()
    changes = [change for one in reversed(list(there_and_back)) if one.intent_entry.envelope.segment
               for change in one.intent.changes]  # fmt: skip

    assert moved(changes) == {}
    assert [one.after for one in moved(changes[:1]).values()] == [changes[0].after]
    assert zone_after(glass.book.head.observed, changes).digest() == glass.book.head.observed.digest()


def test_markers_of_a_segment_are_freed_but_for_its_last_claim(glass: Breakglass) -> None:
    assert markers_left(glass.book.head) == ([], [])
    base = glass.book.head
    after, _ = take_in(glass)
    deletes, replaces = markers_left(after)

    assert (claim_name(ZONE, base.head.seq + 1), "CNAME") in deletes
    assert (claim_name(ZONE, 1, SEGMENT), "CNAME") in deletes
    assert (claim_name(ZONE, 3, SEGMENT), "TXT") in deletes
    assert [(one.name, one.type) for one in replaces] == [(claim_name(ZONE, 3, SEGMENT), "CNAME")]
    glass.book.apply()
    assert markers_left(glass.book.head) == ([], [])
