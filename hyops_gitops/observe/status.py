"""The report of `status`: each name from three sides."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.damage import Damage
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.exchange import NO_ANSWER
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.server_report import server_label
from hyops_gitops.core.zone import RRset

# caching: a resolver still gives an earlier answer, within that answer's TTL.
# inconclusive: it answered that it cannot answer (SERVFAIL, REFUSED).
Verdict = Literal["as intended", "caching", "differs", "silent", "inconclusive"]


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answers for one name."""

    role: str
    name: str
    address: str
    verdict: Verdict
    records: tuple[RRset, ...]
    note: str = ""  # what is wrong, where the records alone do not show it
    left_s: int | None = None  # while caching: in how many seconds it has to ask again; None: not known

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "role": self.role,
            "name": self.name,
            "address": self.address,
            "verdict": self.verdict,
            "rdata": rdata_of(self.records),
            "ttl": ttl_of(self.records),
            "note": self.note,
            "left_s": self.left_s,
        }


@dataclass(frozen=True, slots=True)
class Since:
    """The applied change that brought the recorded target."""

    seq: int  # of its intent; of what break-glass changed, the entry that brought its segment in
    time: datetime  # when the primary accepted it
    merged: tuple[MergedCommit, ...]  # the commits it carried out
    segment: str | None = None  # the break-glass segment that did it
    operator: str | None = None  # whose it was

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "seq": self.seq,
            "time": time_text(self.time),
            "segment": self.segment,
            "operator": self.operator,
            "changes": [
                {
                    "commit": merged.commit,
                    "pull_request": merged.pull_request,
                    "title": merged.title,
                    "author": merged.author.name,
                    "merged_by": merged.merged_by.name if merged.merged_by else None,
                    "approved_by": [approval.by.name for approval in merged.approvals],
                }
                for merged in self.merged
            ],
        }


@dataclass(frozen=True, slots=True)
class NameStatus:
    """One name, from three sides."""

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

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "name": self.name,
            "agrees": self.agrees,
            "intended": None if self.intended is None else rdata_of(self.intended),
            "recorded": None if self.recorded is None else rdata_of(self.recorded),
            "ttl": {"intended": ttl_of(self.intended or ()), "recorded": ttl_of(self.recorded or ())},
            "held": self.held,
            "since_seq": self.since.seq if self.since else None,
            "since": self.since.to_json() if self.since else None,
            "answers": [answer.to_json() for answer in self.answers],
        }


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server's own state."""

    role: str
    name: str
    address: str
    required: bool  # whether policy.convergence wants its answer
    trouble: str  # what it did instead of answering: "did not answer", "answered SERVFAIL"; "" where it answered
    anchor_seq: int | None  # the entry that its copy of the zone was last changed by; None: none, or a resolver
    break_glass: str | None  # the segment that it was changed by, past the log

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

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "role": self.role,
            "name": self.name,
            "address": self.address,
            "required": self.required,
            "answers": self.answers,
            "trouble": self.trouble,
            "anchor_seq": self.anchor_seq,
            "break_glass": self.break_glass,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """All names asked about."""

    zone: str
    commit: str
    names: tuple[NameStatus, ...]
    servers: tuple[ServerState, ...]
    warnings: tuple[str, ...]  # what to look into, though no name may show it
    unseen: tuple[str, ...]  # what could not be looked at, and why
    notes: tuple[str, ...] = ()  # what is worth knowing and needs no action
    log_verifies: bool = True
    damage: tuple[Damage, ...] = ()  # by the primary's API, where its key is here; else as the log recorded it last

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

    def to_json(self) -> dict[str, object]:
        """`hyops-status/1`."""
        return {
            "format": "hyops-status/1",
            "zone": self.zone,
            "commit": self.commit,
            "agrees": self.agrees,
            "names": [name.to_json() for name in self.names],
            "servers": [server.to_json() for server in self.servers],
            "warnings": list(self.warnings),
            "unseen": list(self.unseen),
            "notes": list(self.notes),
            "damage": [damage.to_json() for damage in self.damage],
        }


def rdata_of(records: tuple[RRset, ...]) -> list[str]:
    """The values of all types."""
    return [value for rrset in records for value in rrset.rdata]


def ttl_of(records: tuple[RRset, ...]) -> int | None:
    """The TTL; the smallest, where types differ."""
    return min((rrset.ttl for rrset in records), default=None)
