"""What an audit came to, as a value."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from hyops_gitops.core.errors import Exit
from hyops_gitops.core.json_fields import Json, time_text
from hyops_gitops.log.continuity import Problem
from hyops_gitops.plan.plan import Change


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is no failure, but that an auditor has to look at."""

    kind: str  # open-intent, gap, segment, override, refusal, recovered, drift, held, outside-commit, ...
    seq: int | None
    time: datetime | None
    message: str

    def to_json(self) -> Json:
        """The shape used in `hyops-audit/1`."""
        time = time_text(self.time) if self.time else None
        return {"kind": self.kind, "seq": self.seq, "time": time, "message": self.message}


Disposition = Literal["applied", "unchanged", "refused", "failed", "intended", "not applied"]


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """One first-parent commit that touches contracts or authority, and what became of it."""

    commit: str
    time: datetime
    title: str
    author: str
    approved_by: tuple[str, ...]
    disposition: Disposition
    seq: int | None  # of the intent, unchanged or refusal entry
    waiting_s: int | None  # how long it has not been applied

    def to_json(self) -> Json:
        """The shape used in `hyops-audit/1`."""
        return {
            "commit": self.commit,
            "time": time_text(self.time),
            "title": self.title,
            "author": self.author,
            "approved_by": list(self.approved_by),
            "disposition": self.disposition,
            "seq": self.seq,
            "waiting_s": self.waiting_s,
        }


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One RRset that an intent changes, with what came of it: a line of the CSV."""

    seq: int
    time: datetime
    change: Change
    commit: str  # "" for what break-glass changed
    asked: tuple[str, ...]
    approved: tuple[str, ...]
    signer: str
    outcome: str  # applied, failed, refused, open, break-glass
    converged: bool | None
    result_seq: int | None
    result_time: datetime | None

    def to_json(self) -> Json:
        """The shape used in `hyops-audit/1`."""
        return {
            "seq": self.seq,
            "time": time_text(self.time),
            **self.change.to_json(),
            "commit": self.commit,
            "asked": list(self.asked),
            "approved": list(self.approved),
            "signer": self.signer,
            "outcome": self.outcome,
            "converged": self.converged,
            "result_seq": self.result_seq,
            "result_time": time_text(self.result_time) if self.result_time else None,
        }


@dataclass(frozen=True, slots=True)
class Period:
    """What is listed; everything is verified all the same."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, time: datetime | None) -> bool:
        """Whether something of this moment is listed; what has no time always is."""
        if time is None:
            return True
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


ALWAYS = Period()


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole answer."""

    zone: str
    commit: str  # of the contracts' branch
    entries: int
    head: tuple[int, str] | None  # sequence number and SHA-256 of the newest entry; None: nothing verifies
    problems: tuple[Problem, ...]
    inconclusive: tuple[Problem, ...]  # what could not be looked at
    exceptions: tuple[Notice, ...] = ()
    population: tuple[PopulationRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    checked: tuple[str, ...] = ()  # what was looked at, in words

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def conclusive(self) -> bool:
        """Whether everything could be looked at."""
        return not self.inconclusive

    @property
    def passed(self) -> bool:
        """Whether everything was looked at and nothing is wrong."""
        return self.ok and self.conclusive

    @property
    def exit_code(self) -> Exit:
        """1: something is wrong. 4: nothing that could be looked at is, but not everything could be."""
        if not self.ok:
            return Exit.NO
        return Exit.OK if self.conclusive else Exit.OUTSIDE

    def listed(self, period: Period) -> "Audit":
        """The same verdict with only this period's lines."""
        return replace(
            self,
            exceptions=tuple(one for one in self.exceptions if period.holds(one.time)),
            population=tuple(one for one in self.population if period.holds(one.time)),
            changes=tuple(one for one in self.changes if period.holds(one.time)),
        )

    def to_json(self) -> Json:
        """`hyops-audit/1`."""
        head = {"seq": self.head[0], "sha256": self.head[1]} if self.head else None
        return {
            "format": "hyops-audit/1",
            "zone": self.zone,
            "commit": self.commit,
            "ok": self.ok,
            "conclusive": self.conclusive,
            "entries": self.entries,
            "head": head,
            "problems": _documents(self.problems),
            "inconclusive": _documents(self.inconclusive),
            "exceptions": _documents(self.exceptions),
            "population": _documents(self.population),
            "changes": _documents(self.changes),
            "checked": list(self.checked),
        }


def _documents(values: Iterable[Problem | Notice | PopulationRow | ChangeRow]) -> list[object]:
    return [value.to_json() for value in values]
