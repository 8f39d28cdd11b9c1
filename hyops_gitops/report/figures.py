"""What a report measures in a log: targets, times of convergence, pictures.

Coordinates of pictures are whole numbers in a box of `WIDTH` units, so that the same log gives the same bytes.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.server_report import Server, server_label
from hyops_gitops.core.zone import Key, RRset, served
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from hyops_gitops.log.envelope import Entry
from hyops_gitops.plan.plan import Action

WIDTH = 600
_BUCKETS = 48  # bars of one server's picture
_ROLES = ("primary", "secondary", "resolver")
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


def duration_text(seconds: int) -> str:
    """`3 d 4 h`, `12 min`: the two largest units."""
    parts: list[str] = []
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1)):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
        elif parts:
            break
    return " ".join(parts[:2])


def ms_text(ms: int | None) -> str:
    """`340 ms`, `2.5 s`, `4 min 10 s`; empty for None."""
    if ms is None:
        return ""
    if ms < 1000:  # noqa: PLR2004 - a second
        return f"{ms} ms"
    return f"{ms / 1000:.1f}".removesuffix(".0") + " s" if ms < _MINUTE * 1000 else duration_text(round(ms / 1000))


# --- targets


@dataclass
class Tenure:
    """The time that a value of a record set was served."""

    type: str
    rdata: tuple[str, ...]  # empty: there was none
    ttl: int | None
    since: datetime
    seq: int  # of the entry that says so
    how: str  # applied, adopted, restored, break-glass, outside the log
    until: datetime | None = None  # None: still, at the head of the log

    def seconds(self, end: datetime) -> int:
        """How long, up to the head of the log at most."""
        return max(0, int(((self.until or end) - self.since).total_seconds()))


@dataclass
class Tenures:
    """Every value of every name, oldest first."""

    of: dict[str, list[Tenure]] = field(default_factory=dict)
    _now: dict[Key, Tenure] = field(default_factory=dict)

    def follow(self, entry: Entry, end: tuple[Result, Entry] | None) -> None:
        """Take up what one entry, with its result, did to the zone."""
        match entry.body:
            case Intent() as intent if end is not None and end[0].outcome == "applied":
                at = end[0].accepted or end[1].envelope.time
                for change in intent.changes:
                    how = "adopted" if change.action is Action.ADOPT else "applied"
                    self._becomes(change.key, change.after, at, entry.seq, how)
                for drift in intent.restore.differences if intent.restore else ():
                    self._becomes((drift.name, drift.type), drift.recorded, at, entry.seq, "restored")
            case ZoneDrift(differences=differences):
                for drift in differences:
                    key = (drift.name, drift.type)
                    self._becomes(key, drift.observed, entry.envelope.time, entry.seq, "outside the log")
            case Reconcile(imported=ImportedSegment(changes=changes, ended=ended)):
                for change in changes:
                    self._becomes(change.key, change.after, ended, entry.seq, "break-glass")

    def _becomes(self, key: Key, after: RRset | None, at: datetime, seq: int, how: str) -> None:
        name, rrtype = key
        ttl, rdata = served(after) or (None, ())
        before = self._now.get(key)
        if before is not None and before.rdata == rdata:
            before.ttl = ttl
            return
        if before is None and not rdata:
            return
        if before is not None:
            before.until = at
        self._now[key] = Tenure(rrtype, rdata, ttl, at, seq, how)
        self.of.setdefault(name, []).append(self._now[key])

    def current(self, name: str) -> list[Tenure]:
        """What the name leads to at the head of the log."""
        return [tenure for tenure in self.of.get(name, ()) if tenure.until is None and tenure.rdata]


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a picture."""

    x: int
    width: int
    tone: int  # the same for the same value
    label: str


def tenure_bars(tenures: Sequence[Tenure], end: datetime) -> tuple[Bar, ...]:
    """The values of a name along a line of time."""
    if not tenures:
        return ()
    first = min(tenure.since for tenure in tenures)
    whole = max(1, int((end - first).total_seconds()))
    tones = {value: number for number, value in enumerate(dict.fromkeys(tenure.rdata for tenure in tenures))}

    def bar(tenure: Tenure) -> Bar:
        x = int((tenure.since - first).total_seconds()) * WIDTH // whole
        width = max(2, tenure.seconds(end) * WIDTH // whole)
        return Bar(min(x, WIDTH - 2), width, tones[tenure.rdata] % 6, " ".join(tenure.rdata))

    return tuple(bar(tenure) for tenure in tenures if tenure.rdata)


# --- one change


@dataclass(frozen=True, slots=True)
class Lane:
    """A server or service in the picture of one change."""

    label: str
    words: str  # what it answered
    after_ms: int | None
    x: int  # where its mark is
    good: bool


def lanes(result: Result) -> tuple[Lane, ...]:
    """When each server, and each service, answered with the change."""
    rows = [(server.called, server.verdict_text, server.after_ms, server.lost) for server in result.servers]
    rows += [
        (service.report.name, f"service {service.report.verdict}", service.after_ms, False)
        for service in result.services
    ]
    longest = max((after for _, _, after, _ in rows if after is not None), default=0)
    return tuple(
        Lane(
            label,
            f"{words}, its site declared lost" if lost else words,
            after,
            WIDTH if after is None else (after * (WIDTH - 20) // longest if longest else 0),
            after is not None,
        )
        for label, words, after, lost in rows
    )


# --- the period


@dataclass
class ServerTimes:
    """How long one server took to answer with each change."""

    role: str
    name: str
    seen: list[tuple[datetime, int]] = field(default_factory=list)
    missing: int = 0  # changes that it was not seen to answer with

    @property
    def label(self) -> str:
        """Its role and name."""
        return server_label(self.role, self.name)

    @property
    def median(self) -> int | None:
        """The median in milliseconds; the lower one of two."""
        return _median([after for _, after in self.seen])

    @property
    def worst(self) -> int | None:
        """The longest time in milliseconds."""
        return max((after for _, after in self.seen), default=None)


def _median(values: Iterable[int]) -> int | None:
    found = sorted(values)
    return found[(len(found) - 1) // 2] if found else None


def server_times(results: Iterable[tuple[datetime, Result]]) -> tuple[ServerTimes, ...]:
    """Each server's times: the primary, secondaries, resolvers."""
    found: dict[Server, ServerTimes] = {}
    for at, result in results:
        if result.outcome != "applied":
            continue
        for server in result.servers:
            times = found.setdefault(server.key, ServerTimes(server.role, server.name))
            if server.after_ms is None:
                times.missing += 1
            else:
                times.seen.append((at, server.after_ms))
    order = {role: number for number, role in enumerate(_ROLES)}
    return tuple(sorted(found.values(), key=lambda times: (order.get(times.role, len(order)), times.name)))


@dataclass(frozen=True, slots=True)
class Column:
    """Median and worst time in a stretch of the period."""

    x: int
    width: int
    median: int  # heights, of HEIGHT
    worst: int
    label: str


HEIGHT = 48


@dataclass(frozen=True, slots=True)
class Scale:
    """Time along, milliseconds upwards by their logarithm."""

    first: datetime
    last: datetime
    longest: int  # in milliseconds

    @classmethod
    def of(cls, servers: Iterable[ServerTimes]) -> "Scale | None":
        """The one scale of all servers; None: nothing was measured."""
        seen = [pair for server in servers for pair in server.seen]
        if not seen:
            return None
        return cls(min(at for at, _ in seen), max(at for at, _ in seen), max(10, *(after for _, after in seen)))

    def height(self, ms: int) -> int:
        """The height of a time; up to 1 ms at the ground."""
        return max(1, round(math.log10(max(1, ms)) / math.log10(self.longest) * HEIGHT))

    def ticks(self) -> Iterator[tuple[int, str]]:
        """Heights of powers of ten up to the longest."""
        ms = 10
        while ms <= self.longest:
            yield self.height(ms), ms_text(ms)
            ms *= 10

    def columns(self, server: ServerTimes) -> tuple[Column, ...]:
        """One server's times, the period cut into equal stretches."""
        whole = max(1, int((self.last - self.first).total_seconds()))
        width = WIDTH // _BUCKETS
        buckets: dict[int, list[int]] = {}
        for at, after in server.seen:
            place = int((at - self.first).total_seconds()) * (_BUCKETS - 1) // whole
            buckets.setdefault(place, []).append(after)
        return tuple(
            Column(
                place * (WIDTH // _BUCKETS),
                width - 2,
                self.height(_median(found) or 0),
                self.height(max(found)),
                f"from {self.first + timedelta(seconds=place * whole // (_BUCKETS - 1)):%Y-%m-%d}: "
                f"median {ms_text(_median(found))}, worst {ms_text(max(found))}",
            )
            for place, found in sorted(buckets.items())
        )


def answers_by_key(result: Result) -> Mapping[Key, tuple[tuple[str, tuple[str, ...]], ...]]:
    """What servers answered in the end: value and who gave it."""
    found: dict[Key, dict[str, list[str]]] = {}
    for server in result.servers:
        for answer in server.answers:
            value = " ".join(answer.rdata) if answer.rdata else answer.rcode
            found.setdefault((answer.name, answer.type), {}).setdefault(value, []).append(server.called)
    return {key: tuple((value, tuple(by)) for value, by in values.items()) for key, values in found.items()}
