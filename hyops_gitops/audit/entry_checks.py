"""The walk of an audit over the log; exceptions."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import field, replace

from hyops_gitops.audit.approvals import FirstParentLine, check_people
from hyops_gitops.audit.checks import (
    StateBefore,
    check_caught_up,
    check_imported_holds,
    check_observations,
    check_overrides,
    check_plan,
    check_reference,
    check_retirements,
    check_unchanged,
    lifted_holds,
)
from hyops_gitops.audit.commits import AuditGit, CommitFacts, CommitReader
from hyops_gitops.audit.owner_approvals import Teams, check_owners_approved, owners_table
from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.core.damage import CAUSE, Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.log.admin_entries import Gap, Genesis, ImportedSegment, Reconcile, TrustChange
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import AuthorityChange, Body, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import Log, applied_intents, placed
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.log.segment import segments_in
from hyops_gitops.plan.plan import Drift, summarise
from hyops_gitops.plan.state import after_changes


@dataclass
class AuditFindings:
    """The findings so far; later failures do not drop them."""

    problems: list[Problem] = field(default_factory=list)
    inconclusive: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, remarks: Iterable[Remark]) -> None:
        """Sort the remarks of one check."""
        for remark in remarks:
            match remark:
                case Notice():
                    self.notices.append(remark)
                case Unknown():
                    self.inconclusive.append(remark.problem)
                case _:
                    self.problems.append(remark)


def audit_entries(
    log: Log, contracts: CommitReader, line: FirstParentLine, git: AuditGit, teams: Teams, found: AuditFindings
) -> None:
    """Check every entry, with the whole history of the contracts at hand."""
    walk = _Walk(log, contracts, found)
    for entry in log.entries:
        facts = walk.facts(entry)
        if facts is not None:
            walk.check(entry, facts)
            found.add(check_people(log.zone, entry, facts.separation, line, git))
            touching = [commit for commit in line.ranges.get(entry.seq, ()) if commit.changed]
            if touching and owners_table(facts):
                found.add(check_owners_approved(log.zone, entry, facts, walk.recorded(), touching, teams))
        walk.advance(entry)


def audit_entries_at_hand(log: Log, contracts: CommitReader, found: AuditFindings) -> tuple[int, int]:
    """Check entries whose commit is here; count these and the others."""
    walk, checked, others = _Walk(log, contracts, found), 0, 0
    for entry in log.entries:
        if isinstance(entry.body, Intent | Unchanged | Refusal):
            facts = contracts.facts(log.zone, entry.body.contracts.commit, entry.body.authority)
            if facts is not None:
                found.problems += check_reference(log.zone, entry, replace(facts, on_branch=True))
                walk.check(entry, facts)
            checked, others = (checked + 1, others) if facts else (checked, others + 1)
        walk.advance(entry, history=False)
    return checked, others


@dataclass
class _Walk:
    """A position in the log; ledger and managed set there."""

    log: Log
    contracts: CommitReader
    found: AuditFindings
    state: ManagedSet = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    restored: bool = False  # whether the zone, or the log, went back, and nothing was applied since

    def __post_init__(self) -> None:
        self.state = ManagedSet.of(self.log.zone, ())

    def facts(self, entry: Entry) -> CommitFacts | None:
        """Facts of the commit that an entry carries out, after checks."""
        body, path = entry.body, entry_path(self.log.zone, entry.seq)
        if isinstance(body, AuthorityChange):
            self._check_authority(body, path)
        if not isinstance(body, Intent | Unchanged | Refusal):
            return None
        facts = self._known(body.contracts.commit, body.authority, path)
        if facts is not None:
            self.found.problems += check_reference(self.log.zone, entry, facts)
        return facts

    def recorded(self) -> CommitFacts | None:
        """Facts of the commit that was recorded last before this entry."""
        body = self.log.entries[self.ledger.recorded - 1].body if self.ledger.recorded else None
        if not isinstance(body, Intent | Unchanged):
            return None
        return self.contracts.facts(self.log.zone, body.contracts.commit, body.authority)

    def check(self, entry: Entry, facts: CommitFacts) -> None:
        """Check an entry against the contracts at its commit."""
        match entry.body:
            case Intent():
                stood = StateBefore.of(self.state, facts, self.log.holder, lifted_holds(entry.body))
                self.found.add(check_plan(entry, entry.body, stood, self._taken_back(entry.body, entry.seq)))
                self._check_overrides(entry, entry.body, facts)
            case Unchanged():
                stood = StateBefore.of(self.state, facts, self.log.holder)
                self.found.add(check_unchanged(entry, stood, restored=self.restored))
                if entry.body.caught_up:
                    last = self._last_applied()
                    self.found.problems += check_caught_up(self.log.zone, entry, entry.body.caught_up, last)
                if entry.body.segment_caught_up:
                    ended = self._last_of_segment()
                    self.found.problems += check_caught_up(self.log.zone, entry, entry.body.segment_caught_up, ended)

    def advance(self, entry: Entry, *, history: bool = True) -> None:
        """Apply an entry to the managed set; check its result or segment."""
        match entry.body:
            case Result():
                self._pass_result(entry, entry.body)
            case Reconcile(imported=ImportedSegment() as imported):
                if history:
                    self._check_holds(entry, entry.body, imported)
                self.state = after_changes(self.state, imported.changes, placed(imported.holds, entry.seq)).in_lines()
                self.restored = False
            case ZoneDrift(restored=True) | Gap(acknowledges=None):
                self.restored = True
        self.ledger = self.ledger.with_next(self.log.entries, entry, self.log.segments)

    def _pass_result(self, entry: Entry, result: Result) -> None:
        intended = self.log.entries[result.intent_seq - 1]
        intent = intended.body
        if not isinstance(intent, Intent):
            return
        facts = self.contracts.facts(self.log.zone, intent.contracts.commit, intent.authority)
        if facts is not None:
            self.found.add(check_observations(self.log.zone, entry, result, intended, facts))
        if result.outcome == "applied":
            self.found.add(check_retirements(self.log.zone, entry, result, intent, self.ledger))
            self.state = after_changes(self.state, intent.changes, placed(intent.holds, intended.seq)).in_lines()
            self.restored = False

    def _check_overrides(self, entry: Entry, intent: Intent, facts: CommitFacts) -> None:
        """Check overrides by the policies of this commit and the last."""
        if not intent.overrides:
            return
        recorded = self.log.entries[self.ledger.recorded - 1].body if self.ledger.recorded else None
        before = None
        if isinstance(recorded, Intent | Unchanged) and intent.restore is None and not intent.repair:
            own = AuthorityRef("", outside_commit=False)
            before = self.contracts.facts(self.log.zone, recorded.contracts.commit, own)
        self.found.add(check_overrides(entry_path(self.log.zone, entry.seq), intent.overrides, facts, before))

    def _check_segment_overrides(self, segment: str, imported: ImportedSegment, facts: CommitFacts, path: str) -> None:
        """Check the overrides in a segment, and those that brought it in."""
        self.found.add(check_overrides(path, imported.overrides, facts, None))
        for entry, intent in applied_intents(self.log.segments[segment]):
            then = self.contracts.facts(self.log.zone, intent.contracts.commit, intent.authority)
            if intent.overrides and then is not None:
                where = f"entry {entry.seq} of segment {segment}: "
                self.found.add(check_overrides(path, intent.overrides, then, None, where))

    def _check_holds(self, entry: Entry, body: Reconcile, imported: ImportedSegment) -> None:
        """Check the holds of a segment, where the entry names contracts."""
        path = entry_path(self.log.zone, entry.seq)
        if imported.commit is None:
            return
        facts = self._known(imported.commit, AuthorityRef("", outside_commit=False), path)
        if facts is None:
            return
        if not facts.on_branch:
            message = f"commit {facts.commit[:12]} is not on the contracts' branch"
            self.found.problems.append(Problem("not-on-main", path, message))
        intents = [intent for _, intent in applied_intents(self.log.segments[body.segment])]
        self.found.problems += check_imported_holds(entry, imported, intents, self.state, facts)
        self._check_segment_overrides(body.segment, imported, facts, path)

    def _known(self, commit: str, authority: AuthorityRef, path: str) -> CommitFacts | None:
        facts = self.contracts.facts(self.log.zone, commit, authority)
        if facts is None:
            self.found.problems.append(Problem("not-on-main", path, f"commit {commit[:12]} is not in this clone"))
        return facts

    def _check_authority(self, body: AuthorityChange, path: str) -> None:
        now = self.contracts.authority_digests(body.commit)
        if now is None:
            message = f"commit {body.commit[:12]} is not on the branch"
            self.found.problems.append(Problem("not-on-main", path, message))
        elif now != dict(body.after):
            message = f"authority/ at {body.commit[:12]} is not as in the entry"
            self.found.problems.append(Problem("manifest", path, message))

    def _last_applied(self) -> Entry | None:
        """The newest applied intent."""
        return self.log.entries[self.ledger.applied.intent - 1] if self.ledger.applied else None

    def _last_of_segment(self) -> Entry | None:
        """The last intent of a segment reconciled since the last apply."""
        anchor = self.ledger.anchor
        if anchor is None or anchor.segment is None:
            return None
        return self.log.segments[anchor.segment][anchor.seq - 1]

    def _taken_back(self, intent: Intent, seq: int) -> Intent | None:
        """The earlier intent that an intent takes back."""
        earlier = intent.rollback_of
        body = self.log.entries[earlier - 1].body if earlier is not None and 0 < earlier < seq else None
        return body if isinstance(body, Intent) else None


_BYPASSES = {
    "direct-push": "was pushed directly, without a pull request",
    "review": "was merged past its review",
}


def exceptions(log: Log, paths: Collection[str]) -> Iterator[Notice]:
    """The events out of the ordinary, oldest first."""
    for entry in log.entries:
        for kind, message in _kinds(entry):
            yield Notice(kind, entry.seq, entry.envelope.time, message)
        if entry.seq in log.doubtful:
            yield Notice("compromised", entry.seq, entry.envelope.time, "signed by a key after its compromise")
    if log.open_intent is not None:
        entry = log.open_intent
        yield Notice("open-intent", entry.seq, entry.envelope.time, f"intent {entry.seq} has no result yet")
    done = {entry.body.segment for entry in log.entries if isinstance(entry.body, Reconcile)}
    for segment in sorted(segments_in(paths) - done):
        yield Notice("segment", None, None, f"break-glass segment {segment} is not reconciled")


def _kinds(entry: Entry) -> Iterator[tuple[str, str]]:
    body = entry.body
    if isinstance(body, Intent | Refusal):
        for used in body.overrides:
            yield "override", f"{used.target}: {used.reason} (by {used.source})"
    if isinstance(body, Intent | Refusal | Unchanged) and body.authority.outside_commit:
        yield "outside-commit", f"its authority file came from outside the commit: sha256:{body.authority.sha256}"
    if isinstance(body, Intent | Unchanged):
        yield from (
            ("bypass", f"{merged.commit[:12]} {_BYPASSES.get(merged.bypass, merged.bypass)}")
            for merged in body.merged
            if merged.bypass
        )
    if isinstance(body, Intent) and body.restore is not None:
        where = "a primary without it" if body.restore.created else "a primary that had gone back"
        brought = f"{len(body.restore.differences)} RRsets brought back"
        yield "restore", f"the zone of entry {body.restore.from_seq} was restored to {where}: {brought}"
    match body:
        case Intent():
            yield from _about_intent(body)
        case Refusal(refusals=refusals):
            yield "refusal", "; ".join(f"{refusal.guard}: {refusal.message}" for refusal in refusals)
        case Result():
            yield from _about_result(body)
        case ZoneDrift():
            yield from _about_drift(body)
        case _:
            yield from _about_admin(body)


def _about_drift(body: ZoneDrift) -> Iterator[tuple[str, str]]:
    moved = body.before.whole != body.after.whole
    yield from _about_damage(body.damage)
    if body.differences or body.restored or moved or not (body.secondaries or body.damage):
        restored = "; the zone was restored" if body.restored else ""
        yield "drift", f"changed outside the log: {_names(body.differences) or 'names unknown'}{restored}"
    for secondary in body.secondaries:
        names = _names(secondary.differences)
        yield "drift", f"secondary {secondary.name} ({secondary.address}) was {secondary.kind}: {names}"


def _about_damage(damage: Iterable[Damage]) -> Iterator[tuple[str, str]]:
    yield from (("damaged", f"{contradiction.message} ({CAUSE})") for contradiction in damage)


def _names(differences: Iterable[Drift]) -> str:
    return ", ".join(sorted({difference.name for difference in differences}))


def _about_intent(intent: Intent) -> Iterator[tuple[str, str]]:
    yield from (("held", f"{held.name}: {held.reason}") for held in intent.held)
    for drift in intent.drift:
        yield "drift", f"{drift.name} {drift.type} was changed outside the log and left alone"
    yield from (("repair", f"rewritten: {damage.message}") for damage in intent.repair)
    if intent.sites_lost:
        yield "site-lost", f"declared lost, so that its servers were not waited for: {', '.join(intent.sites_lost)}"
    if intent.rollback_of is not None:
        names = ", ".join(sorted({change.name for change in intent.changes}))
        yield "roll-back", f"takes back intent {intent.rollback_of}: {names}"


def _about_admin(body: Body) -> Iterator[tuple[str, str]]:
    match body:
        case Gap(acknowledges=None, missing=missing, reason=reason):
            yield "gap", f"entries {missing[0] if missing else '?'} to {missing[1] if missing else '?'}: {reason}"
        case Gap(acknowledges=seq, reason=reason):
            yield "acknowledged", f"entry {seq}: {reason}"
        case TrustChange(reason=reason):
            yield "keys", reason
        case Reconcile():
            yield from _about_segment(body)
        case AuthorityChange(commit=commit):
            yield "authority", f"authority/ changed by {commit[:12]}"
        case Genesis(continues=continues) if continues is not None:
            yield "continues", f"continues log {continues.log}, entry {continues.seq}:{continues.sha256}"


def _about_segment(body: Reconcile) -> Iterator[tuple[str, str]]:
    imported = body.imported
    if imported is not None:
        witnessed = f", witnessed by {', '.join(imported.witnesses)}" if imported.witnesses else ""
        segment = f"segment {body.segment} by {', '.join(imported.operators)}{witnessed}"
        yield "breakglass", f"{segment}: {summarise(imported.changes) or 'nothing applied'}"
        for used in imported.overrides:
            yield "override", f"{used.target}: {used.reason} (by {used.source})"
    if body.review:
        yield "reviewed", f"segment {body.segment} by {body.review}: {body.reason}"


def _about_result(result: Result) -> Iterator[tuple[str, str]]:
    yield from _about_damage(result.damage)
    if result.recovered:
        yield "recovered", f"the writer of intent {result.intent_seq} had ended; another run settled it"
    if result.outcome != "applied":
        yield result.outcome, f"intent {result.intent_seq} was not applied: {result.reason}"
    elif not result.converged:
        yield "not-converged", f"intent {result.intent_seq} was applied, but servers did not show it"
