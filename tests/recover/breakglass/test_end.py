"""Whether the zone ends with a segment: as the primary says, or, where it has lost that, its secondaries."""

from dataclasses import replace

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.envelope import EntryList
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.verify_segment import Segment
from hyops_gitops.recover.restore import SecondaryState
from hyops_gitops.recover.segment_log import check_end
from tests.support.segments import SEGMENT, Breakglass, read

NOBODY = SecondaryState("nobody", None, None)


@pytest.fixture
def segment(glass: Breakglass) -> Segment:
    """Two moves: intents 1 and 3."""
    found = read(glass.book, glass.files).segment
    assert found is not None
    return found


def asked(*anchors: Anchor | None) -> list[SecondaryState]:
    return [NOBODY, *(SecondaryState(f"s{number}", None, anchor) for number, anchor in enumerate(anchors))]


def never() -> list[SecondaryState]:
    raise AssertionError("nobody has to be asked")


def test_the_primary_alone_tells_while_it_has_the_end(glass: Breakglass, segment: Segment) -> None:
    assert check_end(segment, glass.book.head, segment.anchor, never) is None


@pytest.mark.parametrize("primary", ["no zone", "on the way", "before it", "long before"])
def test_a_primary_that_went_back_leaves_it_to_secondaries(primary: str, glass: Breakglass, segment: Segment) -> None:
    log = glass.book.head
    shown = {
        "no zone": None,
        "on the way": segment.entries[0].anchor,
        "before it": log.anchor,
        "long before": log.entries[1].anchor,
    }[primary]
    said = check_end(segment, log, shown, lambda: asked(log.anchor, segment.anchor))
    assert said is not None
    assert "secondary s1" in said
    for served in (asked(), asked(log.anchor)):
        with pytest.raises(Refused) as error:
            check_end(segment, log, shown, lambda served=served: served)  # type: ignore[misc]  # a default, not an argument
        assert error.value.guard == "segment"


def test_whoever_shows_something_newer_is_believed(glass: Breakglass, segment: Segment) -> None:
    went_on, other = Anchor(5, "f" * 64, SEGMENT), Anchor(1, "f" * 64, "f" * 12)
    log = glass.book.head
    for newer, word in ((went_on, "was continued"), (other, "fork"), (Anchor(99, "f" * 64), "fork")):
        for primary, served in ((newer, asked()), (None, asked(segment.anchor, newer))):
            with pytest.raises(Refused) as error:
                check_end(segment, log, primary, lambda served=served: served)  # type: ignore[misc]
            assert (error.value.guard, word in error.value.message) == ("segment", True)


def test_a_segment_that_changed_nothing_ends_where_it_began(glass: Breakglass, segment: Segment) -> None:
    entries = EntryList(segment.entries.blobs(1))
    first = replace(segment, entries=entries, ledger=Ledger().after(entries))
    assert first.anchor is None
    assert check_end(first, glass.book.head, glass.book.head.anchor, never) is None
