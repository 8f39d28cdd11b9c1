"""The evidence entry: an in-toto Statement v1 in canonical JSON, chained to the one before it.

Implements https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md with a predicate of our own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

from hyops_gitops.core.canonical import canonical_json, parse_canonical, sha256_hex
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.json_fields import Fields, present, time_text
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.entries import BODY_TYPES, Body, type_name
from hyops_gitops.log.segment import SegmentRef

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://hyops.internal/evidence/v1"  # an identifier; nothing is ever fetched from it
NO_HASH = "0" * 64  # what genesis has for a predecessor
ENTRIES_PER_FOLDER = 100


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every entry carries, whatever it says."""

    zone: str
    zone_sha256: str  # the whole zone as this entry leaves it
    log: str  # random, the same in all entries of one log
    seq: int  # from 1
    prev_entry: str  # SHA-256 of the previous entry's bytes
    prev_sig: str  # SHA-256 of the previous entry's signature file
    time: datetime
    principal: str
    key: str  # `<type> <base64>`
    signers_sha256: str  # of the allowed_signers that the signer was looked up in
    tool: str  # name and version
    run: Mapping[str, str]
    files: Mapping[str, str]  # path -> SHA-256 of the branch's derived files as this entry leaves them
    form: int  # of the pages for people among those files, log.pages.FORM
    segment: SegmentRef | None = None  # None: an entry of the log itself


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands in the log."""

    envelope: Envelope
    body: Body
    sha256: str

    @property
    def seq(self) -> int:
        """Position in the log, from 1."""
        return self.envelope.seq

    @property
    def anchor(self) -> Anchor:
        """What the zone's anchor says once this intent was applied."""
        of = self.envelope.segment
        return Anchor(self.seq, self.sha256, of.id if of else None)

    @property
    def type(self) -> str:
        """The entry's `type`."""
        return type_name(self.body)


def entry_path(zone: str, seq: int) -> str:
    """Where an entry is on the evidence branch; its signature has `.sig` after that."""
    return f"log/{zone}/{seq // ENTRIES_PER_FOLDER:04d}/{seq:06d}.json"


def encode(envelope: Envelope, body: Body) -> bytes:
    """The entry's bytes."""
    predicate = {
        "log": envelope.log,
        "seq": envelope.seq,
        "prev": {"entry": envelope.prev_entry, "sig": envelope.prev_sig},
        "time": time_text(envelope.time),
        "type": type_name(body),
        "signer": {"principal": envelope.principal, "key": envelope.key},
        "signers": envelope.signers_sha256,
        "tool": envelope.tool,
        "run": dict(envelope.run),
        "files": dict(envelope.files),
        "form": envelope.form,
        **present(breakglass=envelope.segment.to_json() if envelope.segment else None),
        **body.to_json(),
    }
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": envelope.zone, "digest": {"sha256": envelope.zone_sha256}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def decode(data: bytes) -> Entry:
    """The entry in these bytes.

    Raises:
        InvalidData: `not-canonical`, `bad-entry`, or `unknown-type` (nothing can be concluded from it).
    """
    statement = Fields(parse_canonical(data))
    if statement.text("_type") != STATEMENT_TYPE or statement.text("predicateType") != PREDICATE_TYPE:
        raise InvalidData(
            f"{statement.text('predicateType')!r} is not a predicate this version reads", code="unknown-type"
        )
    subjects = statement.objects("subject")
    if len(subjects) != 1:
        raise InvalidData(f"{len(subjects)} subjects, expected one", code="bad-entry")
    predicate = statement.nested("predicate")
    body_type = BODY_TYPES.get(predicate.text("type"))
    if body_type is None:
        raise InvalidData(f"type {predicate.text('type')!r} is not one this version reads", code="unknown-type")
    prev, signer, run, files = (predicate.nested(name) for name in ("prev", "signer", "run", "files"))
    envelope = Envelope(
        zone=subjects[0].text("name"),
        zone_sha256=subjects[0].nested("digest").sha256("sha256"),
        log=predicate.text("log"),
        seq=predicate.integer("seq"),
        prev_entry=prev.sha256("entry"),
        prev_sig=prev.sha256("sig"),
        time=predicate.time("time"),
        principal=signer.text("principal"),
        key=signer.text("key"),
        signers_sha256=predicate.sha256("signers"),
        tool=predicate.text("tool"),
        run={name: run.text(name) for name in run.names()},
        files={name: files.sha256(name) for name in files.names()},
        form=predicate.integer("form"),
        segment=predicate.optional("breakglass", SegmentRef.from_json),
    )
    return Entry(envelope, body_type.from_json(predicate), sha256_hex(data))


_UNKNOWN_RETIREMENT = b'"after":null,"name":'  # canonical JSON sorts the fields


class EntryList(Sequence[Entry]):
    """Entries from number 1 on. Immutable but for `append`; `extended` makes a new one that shares what is decoded."""

    __slots__ = ("_blobs", "_decoded")

    def __init__(self, blobs: Iterable[bytes] = ()) -> None:
        self._blobs = list(blobs)
        self._decoded: dict[int, Entry] = {}

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        """One entry, or some; the first has index 0."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        if at not in self._decoded:
            self._decoded[at] = decode(self._blobs[at])
        return self._decoded[at]

    def __len__(self) -> int:
        return len(self._blobs)

    def __eq__(self, other: object) -> bool:
        """Whether the bytes are the same."""
        return isinstance(other, EntryList) and self._blobs == other._blobs

    __hash__ = None  # type: ignore[assignment]  # a list, as far as dictionaries are concerned

    def append(self, data: bytes, entry: Entry) -> None:
        """Add an entry that is decoded already."""
        self._decoded[len(self._blobs)] = entry
        self._blobs.append(data)

    def extended(self, data: bytes, entry: Entry) -> "EntryList":
        """These entries and one more."""
        longer = EntryList(self._blobs)
        longer._decoded.update(self._decoded)
        longer.append(data, entry)
        return longer

    def blobs(self, count: int) -> list[bytes]:
        """The bytes of the first entries."""
        return self._blobs[:count]

    def of_types(self, *names: str) -> Iterator[Entry]:
        """The entries of these types, oldest first."""
        fields = [f'"type":"{name}"'.encode() for name in names]
        for index, blob in enumerate(self._blobs):
            if any(field in blob for field in fields) and self[index].type in names:
                yield self[index]

    def retiring_at_an_unknown_time(self) -> Iterator[Entry]:
        """The entries that leave open when an old target may be switched off, oldest first."""
        return (self[index] for index, blob in enumerate(self._blobs) if _UNKNOWN_RETIREMENT in blob)

    def mentioning(self, name: str) -> Iterator[Entry]:
        """The entries in which this DNS name is the value of a field, oldest first."""
        field = f'"name":"{name}"'.encode()
        return (self[index] for index, blob in enumerate(self._blobs) if field in blob)


@dataclass(frozen=True, slots=True)
class EntryRef:
    """One entry of the log."""

    seq: int
    sha256: str

    def to_json(self) -> dict[str, object]:
        """The shape used in receipts."""
        return {"seq": self.seq, "sha256": self.sha256}

    def __str__(self) -> str:
        return f"{self.seq}:{self.sha256}"
