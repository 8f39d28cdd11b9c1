"""A break-glass segment: entries written beside the log while it cannot be reached. What names it, and its files.

A segment has its own numbers from 1 and its own chain. Each entry says where it belongs: the segment's id, the log's
newest entry that the writer knew, and what the zone said it was last changed by.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hyops_gitops.core.json_fields import Fields, Json, present
from hyops_gitops.core.markers import SEGMENT_ID, Anchor

SEGMENTS = "segments/"
START_ZONE = "before.zone"  # the whole zone as it was found; in the form of `zones/<zone>.zone`
ENTRY_FILE = re.compile(r"(?P<seq>[0-9]{6})\.json(?P<signature>(?:\.witness)?\.sig)?")


@dataclass(frozen=True, slots=True)
class Base:
    """What a segment goes on from."""

    head: tuple[int, str]  # number and SHA-256 of the newest entry of the log that was at hand
    anchor: Anchor | None  # what the zone's anchor named; None: the zone had none

    def to_json(self) -> Json:
        """The entry's form."""
        head = {"seq": self.head[0], "sha256": self.head[1]}
        return {"head": head, **present(anchor=anchor_json(self.anchor) if self.anchor else None)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Base":
        """Back from the entry's form."""
        head = fields.nested("head")
        anchor = fields.optional("anchor", anchor_from_json)
        return cls((head.integer("seq"), head.sha256("sha256")), anchor)


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """Which segment an entry is of; the same in all of its entries."""

    id: str
    base: Base

    def to_json(self) -> Json:
        """The entry's form."""
        return {"id": self.id, "base": self.base.to_json()}

    @classmethod
    def from_json(cls, fields: Fields) -> "SegmentRef":
        """Back from the entry's form."""
        return cls(fields.text("id"), Base.from_json(fields.nested("base")))


def anchor_json(anchor: Anchor) -> Json:
    """The entry's form of an anchor."""
    return {"seq": anchor.seq, "sha256": anchor.sha256, **present(segment=anchor.segment)}


def anchor_from_json(fields: Fields) -> Anchor:
    """Back from the entry's form."""
    return Anchor(fields.integer("seq"), fields.sha256("sha256"), fields.optional_text("segment"))


def entry_file(seq: int) -> str:
    """The name of an entry's file in its segment's folder; its signature has `.sig` after that."""
    return f"{seq:06d}.json"


def witness_file(seq: int) -> str:
    """The name of the file with a second person's signature of an entry."""
    return f"{entry_file(seq)}.witness.sig"


def segment_path(segment: str, file: str) -> str:
    """Where a file of a segment is: on the evidence branch, and in the folder of a bundle."""
    return f"{SEGMENTS}{segment}/{file}"


def segments_in(paths: Iterable[str]) -> set[str]:
    """The names of the folders under `segments/` among these paths."""
    return {path.split("/")[1] for path in paths if path.startswith(SEGMENTS) and path.count("/") > 1}


def is_segment_id(text: str) -> bool:
    """Whether this can be a segment's id."""
    return SEGMENT_ID.fullmatch(text) is not None
