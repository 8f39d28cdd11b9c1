"""The report of `status`: each name from three sides."""

from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.exchange import NO_ANSWER
from hyops_gitops.core.fields import At, Of, Part, Split
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.server_report import server_label
from hyops_gitops.core.zone import RRset

# caching: a resolver still gives an earlier answer, within that answer's TTL.
# inconclusive: it answered that it cannot answer (SERVFAIL, REFUSED).
Verdict = Literal["as intended", "caching", "differs", "silent", "inconclusive"]

# names: for each name and type. transfer: for its whole zone at once, so that its caches were not asked.
Asked = Literal["names", "transfer"]


def rdata_of(records: tuple[RRset, ...]) -> tuple[str, ...]:
    """The values of all types."""
    return tuple(value for rrset in records for value in rrset.rdata)


def ttl_of(records: tuple[RRset, ...]) -> int | None:
    """The TTL; the smallest, where types differ."""
    return min((rrset.ttl for rrset in records), default=None)


def _rdata_or_none(records: tuple[RRset, ...] | None) -> tuple[str, ...] | None:
    return None if records is None else rdata_of(records)


_RECORDS = Split((Part("rdata", tuple[str, ...], rdata_of), Part("ttl", int | None, ttl_of)))


@dataclass(frozen=True, slots=True)
class ServerAnswer(JsonReport):
    """A server's answers for one name."""

    role: str
    name: str
    address: str
    verdict: Verdict
    records: Annotated[tuple[RRset, ...], _RECORDS]
    note: str = ""  # what is wrong, where the records alone do not show it
    left_s: int | None = None  # while caching: in how many seconds it has to ask again; None: not known


class CommitSummary:
    """A commit and its people, in hyops-status/1."""

    commit: str
    pull_request: str | None
    title: str
    author: Annotated[str, Of("author.name")]
    merged_by: Annotated[str | None, Of(lambda merged: merged.merged_by and merged.merged_by.name)]
    approved_by: Annotated[tuple[str, ...], Of(lambda merged: tuple(approval.by.name for approval in merged.approvals))]


_CHANGES = Split((Part("changes", tuple[CommitSummary, ...], tuple),))


@dataclass(frozen=True, slots=True)
class Since(JsonReport):
    """The applied change that brought the recorded target."""

    seq: int  # of its intent; of what break-glass changed, the entry that brought its segment in
    time: datetime  # when the primary accepted it
    segment: str | None  # the break-glass segment that did it
    operator: str | None  # whose it was
    merged: Annotated[tuple[MergedCommit, ...], _CHANGES]  # the commits it carried out


class NameStatusDocument:
    """One name, from three sides, in hyops-status/1."""

    name: str
    agrees: bool
    intended: Annotated[tuple[str, ...] | None, Of(lambda status: _rdata_or_none(status.intended))]
    recorded: Annotated[tuple[str, ...] | None, Of(lambda status: _rdata_or_none(status.recorded))]
    ttl_intended: Annotated[int | None, At("ttl.intended"), Of(lambda status: ttl_of(status.intended or ()))]
    ttl_recorded: Annotated[int | None, At("ttl.recorded"), Of(lambda status: ttl_of(status.recorded or ()))]
    held: str | None
    since_seq: Annotated[int | None, Of(lambda status: status.since and status.since.seq)]
    since: Since | None
    answers: tuple[ServerAnswer, ...]


@dataclass(frozen=True, slots=True)
class NameStatus(JsonReport):
    """One name, from three sides."""

    FORM = NameStatusDocument
    name: str
    intended: tuple[RRset, ...] | None  # None: its contract is invalid
    recorded: tuple[RRset, ...] | None  # None: no log is at hand
    since: Since | None
    answers: tuple[ServerAnswer, ...]
    held: str | None = None  # why applies leave it alone

    @property
    def recorded_differs(self) -> bool:
        """Whether what was applied last is not what is intended."""
        return self.intended is not None and self.recorded is not None and self.recorded != self.intended

    @property
    def agrees(self) -> bool:
        """Whether all that was seen is as intended, or still cached."""
        if self.intended is None or self.recorded_differs:
            return False
        return all(answer.verdict != "differs" for answer in self.answers)


class ServerStateDocument:
    """A server's own state, in hyops-status/1."""

    role: str
    name: str
    address: str
    required: bool
    answers: bool
    trouble: str
    anchor_seq: int | None
    break_glass: str | None
    asked: Asked


@dataclass(frozen=True, slots=True)
class ServerState(JsonReport):
    """A server's own state."""

    FORM = ServerStateDocument
    role: str
    name: str
    address: str
    required: bool  # whether policy.convergence wants its answer
    trouble: str  # what it did instead of answering: "did not answer", "answered SERVFAIL"; "" where it answered
    anchor_seq: int | None  # the entry that its copy of the zone was last changed by; None: none, or a resolver
    break_glass: str | None  # the segment that it was changed by, past the log
    asked: Asked = "names"

    @property
    def label(self) -> str:
        """`secondary onprem`."""
        return server_label(self.role, self.name)

    @property
    def answers(self) -> bool:
        """Whether it answers what is in the zone."""
        return not self.trouble

    @property
    def blinds(self) -> bool:
        """Whether nothing can be concluded without it."""
        return not self.answers and (self.required or self.trouble != NO_ANSWER)


class StatusDocument:
    """All names asked about, hyops-status/1."""

    FORMAT = "hyops-status/1"
    zone: str
    commit: str
    agrees: bool
    names: tuple[NameStatus, ...]
    servers: tuple[ServerState, ...]
    warnings: tuple[str, ...]
    unseen: tuple[str, ...]
    notes: tuple[str, ...]
    damage: tuple[Damage, ...]
    api_asked: bool


@dataclass(frozen=True, slots=True)
class Status(JsonReport):
    """All names asked about."""

    FORM = StatusDocument
    zone: str
    commit: str
    names: tuple[NameStatus, ...]
    servers: tuple[ServerState, ...]
    warnings: tuple[str, ...]  # what to look into, though no name may show it
    unseen: tuple[str, ...]  # what could not be looked at, and why
    notes: tuple[str, ...] = ()  # what is worth knowing and needs no action
    log_verifies: bool = True
    damage: tuple[Damage, ...] = ()  # by the primary's API, where its key is here; else as the log recorded it last
    api_asked: bool = False  # whether the primary's API was asked, for damage alone

    @property
    def blind(self) -> tuple[ServerState, ...]:
        """The servers without whose answer nothing can be concluded."""
        return tuple(server for server in self.servers if server.blinds)

    @property
    def agrees(self) -> bool:
        """Whether every name agrees, and every required server answers so."""
        return self.exit_code is Exit.OK

    @property
    def exit_code(self) -> Exit:
        """1: something differs. 4: nothing does, but a server is unseen."""
        if not self.log_verifies or self.damage or not all(name.agrees for name in self.names):
            return Exit.NO
        return Exit.OUTSIDE if self.blind else Exit.OK
