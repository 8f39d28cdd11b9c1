"""What a report says of a log, as values.

An account is a change with its result, or another entry. Everything is of the log alone: there is no
clock, so that what is overdue is for `audit` to say.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field

from hyops_gitops.audit.entry_checks import exceptions
from hyops_gitops.audit.report import ChangeRow, Notice, Period, change_rows
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.names import endpoint_name_of_path, is_below
from hyops_gitops.core.people import MergedCommit, approved_by, asked_by
from hyops_gitops.log.admin_entries import Gap, ImportedSegment, Reconcile
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import ContractsEntry, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.log import Log
from hyops_gitops.log.pages import in_words
from hyops_gitops.plan.plan import Change, summarise
from hyops_gitops.report.figures import ServerTimes, Tenures, server_times


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """The log of a report, and what it was verified by."""

    zone: str
    branch: str
    commit: str  # of the branch
    genesis: str  # pinned by the authority file
    signers_sha256: str  # of authority/allowed_signers
    entries: int
    problems: tuple[Problem, ...]
    tool: str


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the timeline."""

    entry: Entry
    result: Result | None
    end: Entry | None  # the entry of the result
    kind: str  # incident, maintenance, drill, change; restore, roll-back, drift, break-glass, gap, log
    outcome: str
    words: str
    changes: tuple[Change, ...]
    names: tuple[str, ...]
    environments: tuple[str, ...]
    asked: tuple[str, ...]
    approved: tuple[str, ...]
    declared: tuple[Declaration, ...]
    doubtful: bool  # signed by a key after it was stolen

    @property
    def seq(self) -> int:
        """The number of its entry."""
        return self.entry.seq

    @property
    def people(self) -> tuple[str, ...]:
        """Everyone named: who asked, approved, merged or signed."""
        merged = self.entry.body.merged if isinstance(self.entry.body, ContractsEntry) else ()
        merging = (commit.merged_by.name for commit in merged if commit.merged_by)
        return tuple(dict.fromkeys((*self.asked, *self.approved, *merging, self.entry.envelope.principal)))

    @property
    def merged(self) -> tuple[MergedCommit, ...]:
        """The commits that it carries out."""
        return self.entry.body.merged if isinstance(self.entry.body, ContractsEntry) else ()


@dataclass(frozen=True, slots=True)
class Exhibit:
    """An exception, and who looked at it by the log."""

    notice: Notice
    looked: tuple[str, ...]  # in words; empty: no record


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the pages show."""

    subject: ReportSubject
    log: Log
    period: Period
    accounts: tuple[Account, ...]  # of the period, oldest first
    by_name: Mapping[str, tuple[Account, ...]]  # of the whole log
    exhibits: tuple[Exhibit, ...]  # of the period
    tenures: Tenures  # of the whole log
    servers: tuple[ServerTimes, ...]  # of the period
    rows: tuple[ChangeRow, ...]  # of the period
    counts: tuple[tuple[str, int], ...]  # of the period


def facts_of(subject: ReportSubject, log: Log, paths: Collection[str], period: Period) -> Facts:
    """Read everything that a report shows from a verified log.

    Args:
        subject: What the report is about.
        log: The log; it may have entries in doubt, which are marked.
        paths: The files of its branch.
        period: What is listed. Endpoints have their whole history in any case.
    """
    tenures, everything = Tenures(), list[Account]()
    by_name: dict[str, list[Account]] = {}
    for account in _accounts(log):
        tenures.follow(account.entry, (account.result, account.end) if account.result and account.end else None)
        everything.append(account)
        for name in account.names:
            by_name.setdefault(name, []).append(account)
    accounts = tuple(account for account in everything if period.includes(account.entry.envelope.time))
    exhibits = tuple(
        exhibit for exhibit in _Looks(log, everything).exhibits(paths) if period.includes(exhibit.notice.time)
    )
    ended = ((account.end.envelope.time, account.result) for account in accounts if account.end and account.result)
    rows = tuple(row for row in change_rows(log) if period.includes(row.time))
    named = {name: tuple(found) for name, found in sorted(by_name.items())}
    counts = tuple(_counts(accounts, exhibits, rows))
    return Facts(subject, log, period, accounts, named, exhibits, tenures, server_times(ended), rows, counts)


# --- accounts


def _accounts(log: Log) -> Iterator[Account]:
    doubtful = frozenset(log.doubtful)
    for entry in log.entries:
        body = entry.body
        if isinstance(body, Result):
            continue
        result, end = (log.end_of(entry) or (None, None)) if isinstance(body, Intent) else (None, None)
        merged = body.merged if isinstance(body, ContractsEntry) else ()
        changes, names = _changes(entry), tuple(_names(entry))
        asked, approved = asked_by(merged), approved_by(merged)
        if isinstance(body, Reconcile):
            asked = body.imported.operators if body.imported else ()
            approved = (body.review,) if body.review else ()
        declared = tuple(commit.declared for commit in merged)
        declared += (body.declared,) if isinstance(body, Intent) else ()
        yield Account(
            entry=entry,
            result=result,
            end=end,
            kind=_kind(entry, declared),
            outcome=_outcome(entry, result),
            words=_words(entry, log),
            changes=changes,
            names=names,
            environments=tuple(sorted(set(_environments(log.zone, changes, names)))),
            asked=asked,
            approved=approved,
            declared=declared,
            doubtful=entry.seq in doubtful or (end is not None and end.seq in doubtful),
        )


def _changes(entry: Entry) -> tuple[Change, ...]:
    match entry.body:
        case Intent(changes=changes) | Refusal(changes=changes) | Reconcile(imported=ImportedSegment(changes=changes)):
            return changes
        case _:
            return ()


def _names(entry: Entry) -> Iterable[str]:
    """The names that an entry is about, each once."""
    found = [change.name for change in _changes(entry)]
    match entry.body:
        case Intent(restore=restore) if restore is not None:
            found += [difference.name for difference in restore.differences]
        case Refusal(refusals=refusals):
            found += [refusal.name for refusal in refusals if refusal.name]
        case ZoneDrift(differences=differences, secondaries=secondaries):
            found += [difference.name for difference in differences]
            found += [difference.name for secondary in secondaries for difference in secondary.differences]
    return dict.fromkeys(found)


def _environments(zone: str, changes: Iterable[Change], names: Iterable[str]) -> Iterator[str]:
    known = set()
    for change in changes:
        known.add(change.name)
        if (name := endpoint_name_of_path(change.contract, zone)) is not None:
            yield name.environment
    for other in names:
        if other not in known and is_below(other, zone) and "." in (own := other.removesuffix(f".{zone}")):
            yield own.rpartition(".")[2]


def _kind(entry: Entry, declared: Iterable[Declaration]) -> str:
    match entry.body:
        case Intent(restore=restore) if restore is not None:
            return "restore"
        case Intent(rollback_of=seq) if seq is not None:
            return "roll-back"
        case Intent() | Refusal() | Unchanged():
            kinds = [declaration.kind for declaration in declared if declaration.kind]
            return kinds[-1] if kinds else "change"
        case ZoneDrift():
            return "drift"
        case Reconcile():
            return "break-glass"
        case Gap():
            return "gap"
        case _:
            return "log"


def _outcome(entry: Entry, result: Result | None) -> str:
    match entry.body:
        case Intent() if result is None:
            return "open"
        case Intent() if result is not None and result.outcome == "applied":
            return "converged" if result.converged else "not converged"
        case Intent() if result is not None:
            return result.outcome
        case Refusal():
            return "refused"
        case Unchanged():
            return "nothing to do"
        case ZoneDrift():
            return "found"
        case Reconcile(imported=imported):
            return "reviewed" if imported is None else "brought in"
        case _:
            return "recorded"


def _words(entry: Entry, log: Log) -> str:
    """What it is about, in a line."""
    match entry.body:
        case Intent(restore=None, changes=changes):
            return summarise(changes) or "no change of a record"
        case Refusal(refusals=refusals, changes=changes):
            why = "; ".join(dict.fromkeys(f"{refusal.guard}: {refusal.message}" for refusal in refusals))
            return f"{summarise(changes)} ({why})" if changes else why
        case Reconcile(imported=ImportedSegment(changes=changes)) if changes:
            return f"{in_words(entry, log.entries)}: {summarise(changes)}"
        case _:
            return in_words(entry, log.entries)


# --- exceptions


@dataclass
class _Looks:
    """Who looked at what, by the entries that came later."""

    log: Log
    accounts: list[Account]
    by_seq: dict[int, Account] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    reviewed: dict[str, str] = field(default_factory=dict)
    by_name: dict[str, list[Account]] = field(default_factory=dict)
    caught_up: list[Account] = field(default_factory=list)

    def __post_init__(self) -> None:
        for account in self.accounts:
            entry = account.entry
            self.by_seq[entry.seq] = account
            if account.end is not None:
                self.by_seq[account.end.seq] = account
            match entry.body:
                case Gap(acknowledges=seq, reason=reason) if seq is not None:
                    signer = entry.envelope.principal
                    self.acknowledged[seq] = f"acknowledged by {signer}, entry {entry.seq}: {reason}"
                case Reconcile(review=review, segment=segment, reason=reason) if review:
                    why = f": {reason}" if reason else ""
                    self.reviewed[segment] = f"reviewed by {review}, entry {entry.seq}{why}"
                case Intent():
                    for name in account.names:
                        self.by_name.setdefault(name, []).append(account)
                case Unchanged(caught_up=caught_up) if caught_up:
                    self.caught_up.append(account)

    def exhibits(self, paths: Collection[str]) -> Iterator[Exhibit]:
        """Every exception with who looked at it, oldest first."""
        for notice in exceptions(self.log, paths):
            yield Exhibit(notice, tuple(self._looked(notice)))
        for entry, body in self.log.reconciles:
            if body.imported is not None and body.segment not in self.reviewed:
                message = f"break-glass segment {body.segment} was not reviewed by another person"
                yield Exhibit(Notice("unreviewed", entry.seq, entry.envelope.time, message), ())

    def _looked(self, notice: Notice) -> Iterator[str]:
        if notice.seq is None:
            return
        account, body = self.by_seq[notice.seq], self.log.entries[notice.seq - 1].body
        match notice.kind:
            case "gap" | "compromised" if notice.seq in self.acknowledged:
                yield self.acknowledged[notice.seq]
            case "breakglass" | "override" if isinstance(body, Reconcile):
                yield from (self.reviewed[body.segment],) if body.segment in self.reviewed else ()
            case "override" | "held" | "site-lost" | "roll-back" | "bypass" | "refusal" | "outside-commit" | "repair":
                yield from (f"approved by {name}" for name in account.approved)
            case "drift" if isinstance(body, ZoneDrift):
                yield from dict.fromkeys(
                    words for name in account.names if (words := self._after_drift(name, notice.seq))
                )
            case "not-converged":
                yield from self._caught_up_after(notice.seq)
            case "reviewed" | "acknowledged" | "keys" | "authority":
                yield f"signed by {account.entry.envelope.principal}"

    def _after_drift(self, name: str, seq: int) -> str | None:
        """The first later change of a name, which decided about its drift."""
        later = next((account for account in self.by_name.get(name, ()) if account.seq > seq), None)
        if later is None:
            return None
        people = ", ".join(later.approved or later.asked) or later.entry.envelope.principal
        return f"{name}: changed by entry {later.seq} ({people})"

    def _caught_up_after(self, seq: int) -> Iterator[str]:
        found = next((account for account in self.caught_up if account.seq > seq), None)
        if found is not None and isinstance(found.entry.body, Unchanged):
            servers = ", ".join(server.called for server in found.entry.body.caught_up)
            yield f"entry {found.seq}: {servers} caught up"


# --- counts


def _counts(
    accounts: Collection[Account], exhibits: Collection[Exhibit], rows: Collection[ChangeRow]
) -> Iterator[tuple[str, int]]:
    """The counts that an auditor asks for."""
    intents = [account for account in accounts if isinstance(account.entry.body, Intent)]
    applied = [account for account in intents if account.result and account.result.outcome == "applied"]
    merged = {commit.commit: commit for account in accounts for commit in account.merged}
    kinds = [exhibit.notice.kind for exhibit in exhibits]
    yield "merged commits with a disposition", len(merged)
    yield "of these with a recorded approval by another person", sum(map(_is_approved, merged.values()))
    yield "of these merged past their review", sum(commit.bypass is not None for commit in merged.values())
    yield "intents", len(intents)
    yield "applied and served by every required server", sum(account.outcome == "converged" for account in applied)
    yield "applied, not shown to be served everywhere", sum(account.outcome == "not converged" for account in applied)
    yield (
        "not applied: failed or refused by the server",
        sum(account.outcome in ("failed", "refused") for account in intents),
    )
    yield "open: without a result", sum(account.outcome == "open" for account in intents)
    yield "applies refused by a guard", sum(isinstance(account.entry.body, Refusal) for account in accounts)
    yield "record sets in these changes (the rows of changes.csv)", len(rows)
    for kind in ("incident", "maintenance", "drill", "restore", "roll-back"):
        yield f"intents of kind {kind}", sum(account.kind == kind for account in intents)
    yield "overrides", kinds.count("override")
    yield "findings of drift", kinds.count("drift")
    yield "break-glass segments brought in", kinds.count("breakglass")
    yield "of these without a review", kinds.count("unreviewed")
    yield "exceptions, all kinds", len(exhibits)


def _is_approved(commit: MergedCommit) -> bool:
    return any(approval.by != commit.author for approval in commit.approvals)
