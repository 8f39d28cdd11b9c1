"""Paths as a listing of Git has them, read when asked for.

A record is its head, a tab, the path and NUL; records are sorted by path. So a path is found by bisection, and what is
not named as most are by one expression over the bytes. What tabs, NULs and other bytes a name may have is Git's rule:
a head has no tab, a path no NUL.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any


class PathList(AbstractSet[str]):
    """The paths of a listing, sorted."""

    def __init__(self, listing: bytes = b"") -> None:
        self.listing = listing

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> "frozenset[Any]":  # of &, - and |
        return frozenset(it)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.head(path) is not None

    def __iter__(self) -> Iterator[str]:
        return (path for path, _ in self.records())

    def __len__(self) -> int:
        return self.listing.count(b"\0") if self.is_plain else len(self._heads)

    def head(self, path: str) -> str | None:
        """What its record says of a path; None: it is not there."""
        if not self.is_plain:
            return self._heads.get(path)
        name = path.encode("utf-8", "surrogateescape")
        start, tab, end = _record(self.listing, self._start(name))
        return self.listing[start:tab].decode() if self.listing[tab + 1 : end] == name and start < end else None

    def records(self) -> Iterator[tuple[str, str]]:
        """Every path with the head of its record, sorted."""
        return self._records_from(0) if self.is_plain else iter(self._heads.items())

    def below(self, folder: str) -> list[str]:
        """The paths below a folder, sorted."""
        prefix = f"{folder}/"
        if not self.is_plain:
            return [path for path in self._heads if path.startswith(prefix)]
        found = []
        for path, _ in self._records_from(self._start(prefix.encode())):
            if not path.startswith(prefix):
                break
            found.append(path)
        return found

    def only(self, names: Iterable[str]) -> "PathList":
        """The records of these paths and folders, in this order.

        A folder ends in "/"; the listing is a plain one.
        """
        return PathList(b"".join(self.listing[start:end] for start, end in map(self._span, names)))

    def without(self, names: Iterable[str]) -> "PathList":
        """The records of all but these paths and folders."""
        pieces, at = [], 0
        for start, end in sorted(map(self._span, names)):
            pieces.append(self.listing[at:start])
            at = end
        return PathList(b"".join((*pieces, self.listing[at:])))

    def _span(self, name: str) -> tuple[int, int]:
        """Where the record of a path is, or a folder's records."""
        if name.endswith("/"):
            return self._start(name.encode()), self._start(name[:-1].encode() + b"0")  # the character after "/"
        start = self._start(name.encode())
        return start, _record(self.listing, start)[2] + 1 if name in self else start

    def parted(self, usual: re.Pattern[bytes]) -> tuple["PathList", list[tuple[str, str]]]:
        """The records that match, and all others.

        Args:
            usual: Matches as many records in a row as are usual.
        """
        runs, others, at = [], [], 0
        while at < len(self.listing):
            if (run := usual.match(self.listing, at)) is not None and run[0]:
                runs.append(run[0])
                at = run.end()
                continue
            _, tab, end = _record(self.listing, at)
            others.append((shown(self.listing[tab + 1 : end]), self.listing[at:tab].decode()))
            at = end + 1
        return PathList(b"".join(runs)), others

    def _start(self, name: bytes) -> int:
        """Where the record of a path is, or would be."""
        low, high = 0, len(self.listing)
        while low < high:
            start, tab, end = _record(self.listing, self.listing.rfind(b"\0", low, (low + high) // 2) + 1 or low)
            if self.listing[tab + 1 : end] < name:
                low = end + 1
            else:
                high = start
        return low

    def _records_from(self, start: int) -> Iterator[tuple[str, str]]:
        while start < len(self.listing):
            _, tab, end = _record(self.listing, start)
            yield self.listing[tab + 1 : end].decode(), self.listing[start:tab].decode()
            start = end + 1

    @cached_property
    def is_plain(self) -> bool:
        """Whether each path is shown as it is."""
        return self.listing.isascii() and b"\\" not in self.listing

    @cached_property
    def _heads(self) -> Mapping[str, str]:
        records = (record.partition(b"\t") for record in self.listing.split(b"\0")[:-1])
        return dict(sorted((shown(path), head.decode()) for head, _, path in records))


def _record(listing: bytes, start: int) -> tuple[int, int, int]:
    """Where a record begins, where its tab is, and its end."""
    tab = listing.find(b"\t", start)
    return start, tab, listing.find(b"\0", tab)


def shown(path: bytes) -> str:
    """A path of Git's as messages show it."""
    return path.decode("utf-8", "backslashreplace")
