"""The entries of a log as a sequence that decodes each only when it is looked at.

A log is long and an apply looks at its end. Entries that were verified before are kept as bytes; questions about a type
of entry, or a name, are answered by looking into the bytes first, which canonical JSON allows: a quotation mark within
a string is always escaped, so `"type":"trust"` can only be a field.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from hyops_gitops.core.evidence.envelope import Entry, decode

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
