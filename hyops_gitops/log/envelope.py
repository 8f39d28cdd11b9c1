"""The evidence entry: a chained in-toto Statement v1.

Implements https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md with a predicate of our own.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, cast, overload

from hyops_gitops.core.canonical import canonical_json, parse_canonical, sha256_hex
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.fields import At, Json, Keywords, Part, Seq, Sha256, Split
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.entries import BODY_TYPES, Body, type_name
from hyops_gitops.log.segment import SegmentRef

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://hyops.internal/evidence/v1"  # an identifier; nothing is ever fetched from it
NO_HASH = "0" * 64  # what genesis has for a predecessor
ENTRIES_PER_FOLDER = 100


class Subject(NamedTuple):
    """What an entry is about: a zone, and its digest."""

    name: str  # its name, without final dot
    sha256: Annotated[Sha256, At("digest.sha256")]  # of zones/<zone>.zone


def _only(_: Json, subjects: tuple[Subject, ...]) -> Subject:
    if len(subjects) != 1:
        raise ValueError(f"expected one subject, got {len(subjects)}")
    return subjects[0]


_ONE = Annotated[tuple[Subject, ...], Keywords.of(minItems=1, maxItems=1)]
_SUBJECT = Split((Part("subject", _ONE, lambda subject: [subject]),), _only)


@dataclass(frozen=True, slots=True)
class Envelope(JsonObject):
    """What every entry carries, whatever it says."""

    subject: Annotated[Subject, _SUBJECT]  # the zone as the entry leaves it
    log: Annotated[str, At("predicate.log"), Keywords.of(minLength=1)]  # random; the same in every entry of one log
    seq: Annotated[Seq, At("predicate.seq")]  # position in the log, from 1
    prev_entry: Annotated[Sha256, At("predicate.prev.entry")]  # of the file of the entry before; zeros in the first
    prev_sig: Annotated[Sha256, At("predicate.prev.sig")]  # of the file of its signature; zeros in the first
    time: Annotated[datetime, At("predicate.time")]  # the signer's clock; never before the entry before
    principal: Annotated[str, At("predicate.signer.principal")]  # the name on the line of allowed_signers
    key: Annotated[str, At("predicate.signer.key")]  # type and base64
    signers_sha256: Annotated[Sha256, At("predicate.signers")]  # of the allowed_signers with the signer
    tool: Annotated[str, At("predicate.tool")]  # name and version of the writer
    run: Annotated[Mapping[str, str], At("predicate.run")]  # what is known about the run, such as a CI job's address
    files: Annotated[Mapping[str, Sha256], At("predicate.files")]  # SHA-256 by path of the branch's derived files
    form: Annotated[Seq, At("predicate.form")]  # of the pages for people among those files, log.pages.FORM
    segment: Annotated[SegmentRef | None, At("predicate.breakglass")] = None  # which break-glass segment it is of

    @property
    def zone(self) -> str:
        """Which zone it is about."""
        return self.subject.name

    @property
    def zone_sha256(self) -> str:
        """The digest of the whole zone as this entry leaves it."""
        return self.subject.sha256


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
    """Path of an entry; its signature has `.sig` after that."""
    return f"log/{zone}/{seq // ENTRIES_PER_FOLDER:04d}/{seq:06d}.json"


def encode(envelope: Envelope, body: Body) -> bytes:
    """The entry's bytes."""
    return statement_of(envelope, fields_of(body))


def fields_of(body: Body) -> Json:
    """The members of an entry that its type has."""
    return {**body.to_json(), "type": type_name(body)}


def statement_of(envelope: Envelope, fields: Json) -> bytes:
    """The bytes of an entry with these members of its type."""
    statement = envelope.to_json()
    cast("Json", statement["predicate"]).update(fields)
    return canonical_json({"_type": STATEMENT_TYPE, "predicateType": PREDICATE_TYPE, **statement})


def pinned(data: bytes, before: Envelope, after: Envelope) -> bytes | None:
    """An entry's bytes with other files; None: to be made.

    `after` differs from `before` in its files alone.
    """
    old, new = (b'"files":' + canonical_json(dict(envelope.files)).rstrip() for envelope in (before, after))
    return data.replace(old, new) if data.count(old) == 1 else None  # a text holds no quote that is not escaped


@dataclass(frozen=True, slots=True)
class _Kind(JsonObject):
    """How an entry is to be read."""

    statement: Annotated[str, At("_type")]
    predicate: Annotated[str, At("predicateType")]
    type: Annotated[str, At("predicate.type")]


def decode(data: bytes) -> Entry:
    """The entry in these bytes.

    Raises:
        InvalidData: `not-canonical`, `bad-entry`, or `unknown-type` (nothing can be concluded from it).
    """
    return _entry(parse_canonical(data), data)


def decode_own(data: bytes) -> Entry:
    """The entry in bytes that `statement_of` has made."""
    return _entry(cast("Json", json.loads(data)), data)


def decode_about(data: bytes, name: str) -> Entry:
    """A verified entry, for what it says of one name.

    An intent or result lacks what is about other names: one of thousands of changes costs a search of its bytes.
    """
    try:
        entry = _entry(cast("Json", json.loads(_narrowed(data, name))), data)
    except (ValueError, InvalidData):
        return decode(data)
    return entry if entry.type in ("intent", "result") else decode(data)


def _entry(statement: Json, data: bytes) -> Entry:
    kind = _Kind.from_json(statement)
    if (kind.statement, kind.predicate) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise InvalidData(f"{kind.predicate!r} is not a predicate this version reads", code="unknown-type")
    body_type = BODY_TYPES.get(kind.type)
    if body_type is None:
        raise InvalidData(f"type {kind.type!r} is not one this version reads", code="unknown-type")
    body = body_type.from_json(statement["predicate"], "$.predicate")
    return Entry(Envelope.from_json(statement), body, sha256_hex(data))


class _LongList(NamedTuple):
    """A list that is long in a long intent or result."""

    begins: bytes
    divided: bytes  # its objects are
    followed: tuple[bytes, ...]


# Keys with their quotes stand in no text, for in JSON its own quotes are escaped.
_LONG_LISTS = (
    _LongList(b'"answers":[{"name":', b'},{"name":', (b'}],"lost":', b'}],"name":')),
    _LongList(b'"changes":[{"action":', b'},{"action":', (b'}],"digest":',)),
)
_NAME_KEY = len(b'"name":')


def _first(data: bytes, needles: Sequence[bytes], start: int) -> tuple[int, int]:
    """Where the first of some texts is, and which; -1: nowhere."""
    at, which = -1, 0
    for number, needle in enumerate(needles):
        found = data.find(needle, start, len(data) if at < 0 else at)
        at, which = (found, number) if found >= 0 else (at, which)
    return at, which


def _narrowed(data: bytes, name: str) -> bytes:
    """Canonical JSON less changes and answers of other names."""
    needle, pieces, done = f'"name":"{name}"'.encode(), [], 0
    while True:
        at, which = _first(data, [kind.begins for kind in _LONG_LISTS], done)
        kind = _LONG_LISTS[which]
        after = _first(data, kind.followed, at)[0] if at >= 0 else -1
        if after < 0:
            break
        begin, end, between = data.index(b"{", at), after + 1, kind.divided
        objects, at = [], begin
        while (at := data.find(needle, at, end)) >= 0:
            start = data.rfind(between, begin, at + _NAME_KEY) + len("},")
            stop = data.find(between, at, end) + 1 or end
            objects.append(data[max(start, begin) : stop])
            at = stop
        pieces += [data[done:begin], b",".join(objects)]
        done = end
    return b"".join((*pieces, data[done:]))


_LONG = 65536  # octets of an entry that is worth searching rather than decoding
_PARTS = 16  # times that is done before it is decoded all the same

BlobReader = Callable[[Sequence[int]], Sequence[bytes]]  # of entries' bytes, by their places; the first is 0


class EntryList(Sequence[Entry]):
    """Entries from number 1 on, decoded when used."""

    __slots__ = ("_about", "_blobs", "_decoded", "_outlines", "_parts", "_read")

    def __init__(self, blobs: Iterable[bytes] = ()) -> None:
        self._blobs: list[bytes | None] = list(blobs)
        self._decoded: dict[int, Entry] = {}
        self._outlines: dict[int, Entry] = {}
        self._about: dict[tuple[int, str], Entry] = {}
        self._parts: Counter[int] = Counter()  # how often a part of an entry was decoded
        self._read: BlobReader | None = None

    @classmethod
    def unread(cls, count: int, read: "BlobReader") -> "EntryList":
        """So many entries, whose bytes are read when they are asked for."""
        entries = cls()
        entries._blobs = [None] * count
        entries._read = read
        return entries

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        """One entry, or some; the first has index 0."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        if at not in self._decoded:
            self._decoded[at] = decode(self._bytes([at])[0])
        return self._decoded[at]

    def __len__(self) -> int:
        return len(self._blobs)

    def __eq__(self, other: object) -> bool:
        """Whether the bytes are the same."""
        return isinstance(other, EntryList) and self.blobs(len(self)) == other.blobs(len(other))

    __hash__ = None  # type: ignore[assignment]  # a list, as far as dictionaries are concerned

    def append(self, data: bytes, entry: Entry) -> None:
        """Add an entry that is decoded already."""
        self._decoded[len(self._blobs)] = entry
        self._blobs.append(data)

    def extended(self, data: bytes, entry: Entry) -> "EntryList":
        """These entries and one more."""
        longer = EntryList()
        longer._blobs, longer._read = list(self._blobs), self._read
        longer._decoded.update(self._decoded)
        longer._outlines.update(self._outlines)
        longer._about.update(self._about)
        longer.append(data, entry)
        return longer

    def blobs(self, count: int) -> list[bytes]:
        """The bytes of the first entries."""
        return self._bytes(range(count))

    def _bytes(self, places: Sequence[int]) -> list[bytes]:
        unread = [place for place in places if self._blobs[place] is None]
        if unread and self._read is not None:
            for place, blob in zip(unread, self._read(unread), strict=True):
                self._blobs[place] = blob
        return [data for place in places if (data := self._blobs[place]) is not None]

    def of_types(self, *names: str) -> Iterator[Entry]:
        """The entries of these types, oldest first."""
        fields = [f'"type":"{name}"'.encode() for name in names]
        for index, blob in enumerate(self.blobs(len(self))):
            if any(field in blob for field in fields) and self[index].type in names:
                yield self[index]

    def outline(self, number: int) -> Entry:
        """An entry, if it is long, without changes and answers.

        For all other questions: a first apply has an answer for each endpoint.
        """
        at = range(len(self))[number - 1]
        if at not in self._decoded and at not in self._outlines:
            (blob,) = self._bytes([at])
            if len(blob) < _LONG:
                return self[at]
            self._outlines[at] = decode_about(blob, "")
        return self._decoded.get(at) or self._outlines[at]

    def part(self, number: int, name: str) -> Entry:
        """An entry, for what it says of one name."""
        at = number - 1
        blob = self._bytes([at])[0]
        if (at, name) in self._about:
            return self._about[(at, name)]
        if at in self._decoded or len(blob) < _LONG or self._parts[at] >= _PARTS:
            return self[at]
        self._parts[at] += 1
        self._about[(at, name)] = part = decode_about(blob, name)
        return part

    def parts_about(self, name: str) -> Iterator[Entry]:
        """As `mentioning`, each for what it says of this name."""
        field = f'"name":"{name}"'.encode()
        return (self.part(number, name) for number, blob in enumerate(self.blobs(len(self)), 1) if field in blob)

    def mentioning(self, name: str) -> Iterator[Entry]:
        """The entries with this DNS name, oldest first."""
        field = f'"name":"{name}"'.encode()
        return (self[index] for index, blob in enumerate(self.blobs(len(self))) if field in blob)


@dataclass(frozen=True, slots=True)
class EntryRef(JsonObject):
    """One entry of the log."""

    seq: Seq  # its number
    sha256: Sha256  # of its file

    def __str__(self) -> str:
        return f"{self.seq}:{self.sha256}"
