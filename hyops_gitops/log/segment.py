"""A break-glass segment, written beside the log: names and files.

A segment has its own numbers from 1 and its own chain. Each entry says where it belongs: the segment's id, the log's
newest entry that the writer knew, and what the zone's anchor named.
"""

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import Annotated

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import LEFT_OUT, Part, Seq, Sha256, Split
from hyops_gitops.core.markers import SEGMENT_ID, Anchor, SegmentId

SEGMENTS = "segments/"
START_ZONE = "before.zone"  # the whole zone as it was found; in the form of `zones/<zone>.zone`
ENTRY_FILE = re.compile(r"(?P<seq>[0-9]{6})\.json(?P<signature>(?:\.witness)?\.sig)?")


_HEAD = Split(
    (Part("head.seq", Seq, itemgetter(0)), Part("head.sha256", Sha256, itemgetter(1))),
    lambda _, seq, sha256: (seq, sha256),
)


@dataclass(frozen=True, slots=True)
class Base(JsonObject):
    """What a segment continues."""

    head: Annotated[tuple[int, str], _HEAD]  # the newest entry of the log that was at hand
    anchor: Annotated[Anchor | None, LEFT_OUT]  # the intent that the zone's anchor named; absent: it had none


@dataclass(frozen=True, slots=True)
class SegmentRef(JsonObject):
    """The segment that an entry is of."""

    id: SegmentId  # the segment's folder under segments/
    base: Base  # what the segment continues from


def entry_file(seq: int) -> str:
    """The file name of an entry; its signature has `.sig` after that."""
    return f"{seq:06d}.json"


def witness_file(seq: int) -> str:
    """The file name of a witness's signature of an entry."""
    return f"{entry_file(seq)}.witness.sig"


def segment_path(segment: str, file: str) -> str:
    """The path of a segment's file, on the branch and in bundles."""
    return f"{SEGMENTS}{segment}/{file}"


def segments_in(paths: Iterable[str]) -> set[str]:
    """The names of the folders under `segments/` among these paths."""
    return {path.split("/")[1] for path in paths if path.startswith(SEGMENTS) and path.count("/") > 1}


def is_segment_id(text: str) -> bool:
    """Whether this can be a segment's id."""
    return SEGMENT_ID.fullmatch(text) is not None
