"""Audit: everything that verifying the log does, and that the log, the contracts and the zone say the same.

Gathers; the checks are in `core.audit_checks`. What could not be looked at is kept apart from what is wrong, and
neither ever passes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hyops_gitops.core.audit import Audit, Notice
from hyops_gitops.core.audit_checks import (
    CommitFacts,
    check_caught_up,
    check_gaps,
    check_observations,
    check_plan,
    check_reference,
    check_signers,
    check_subjects,
)
from hyops_gitops.core.audit_lists import change_rows, exceptions, population_rows
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.continuity import after_changes
from hyops_gitops.core.custody_entries import Reconcile
from hyops_gitops.core.entries import AuthorityChange, Intent, Refusal, Result, Unchanged
from hyops_gitops.core.envelope import Entry, entry_path
from hyops_gitops.core.errors import InvalidData, OutsideFailure, Refused
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.log import Log
from hyops_gitops.core.log_problems import Problem
from hyops_gitops.core.log_reading import Reading
from hyops_gitops.core.seen import check_seen
from hyops_gitops.core.segment_review import pending_reviews
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.usecases.audit_contracts import Contracts
from hyops_gitops.usecases.audit_live import Said, look_by_api, look_by_dns
from hyops_gitops.usecases.audit_people import Line, check_people, check_population
from hyops_gitops.usecases.audit_ports import AuditPorts, AuditRequest
from hyops_gitops.usecases.evidence_log import SIGNERS_PATH, Signers, read_evidence, read_signers
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.ports import EvidenceSnapshot
from hyops_gitops.usecases.proposal import manifest_sha256
from hyops_gitops.usecases.validate import Validation


def audit(request: AuditRequest, ports: AuditPorts) -> Audit:
    """The whole audit. Writes nothing.

    Raises:
        FindingsError: the authority file is invalid.
        Refused: guard `evidence-missing`: there is no branch to audit, or nothing pins its genesis.
        UsageError: no repository, no such branch, an unreadable file of signers.
    """
    try:
        return _Audit.begin(request, ports).run().listed(request.period)
    except OutsideFailure as failure:  # git, or a program that is not here: nothing is known, nothing is fine
        return Audit("", "", 0, None, (), (Problem("tool", request.branch, failure.message),))


@dataclass
class _Audit:
    """One run."""

    request: AuditRequest
    ports: AuditPorts
    commit: str
    contracts: Contracts
    validation: Validation
    authority: Authority
    problems: list[Problem] = field(default_factory=list)
    inconclusive: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, request: AuditRequest, ports: AuditPorts) -> "_Audit":
        commit = ports.history.resolve(request.branch)
        contracts = Contracts(ports.history, ports.read, ports.check, commit, request.authority_override)
        validation = contracts.validation(ports.history.tree(commit), request.authority_override)
        if validation.authority is None:
            raise FindingsError(validation.findings)
        return cls(request, ports, commit, contracts, validation, validation.authority)

    def run(self) -> Audit:
        """All of it; later parts only where there is a log to look at."""
        snapshot = self._snapshot()
        reading = self._read(snapshot)
        self.problems += reading.problems
        log = reading.log
        head = (log.head.seq, log.head.sha256) if log else None
        rows: tuple[CommitInfo, ...] = ()
        if log is not None:
            self._about_log(log, snapshot)
            with self._unless_unknown():
                self._about_branch(snapshot)
            with self._unless_unknown():
                rows = self._about_history(log, snapshot)
            with self._unless_unknown():
                self._about_zone(log)
        return Audit(
            self.authority.zone,
            self.commit,
            reading.entries,
            head,
            tuple(self.problems),
            tuple(self.inconclusive),
            tuple(self.notices),
            population_rows(rows, log, self.ports.clock.now(), settled=self._settled(log)) if log else (),
            tuple(change_rows(log)) if log else (),
            tuple(self.checked),
        )

    @contextmanager
    def _unless_unknown(self) -> Iterator[None]:
        """What cannot be looked at is kept apart, and keeps nothing else from being looked at."""
        try:
            yield
        except OutsideFailure as failure:
            self.inconclusive.append(Problem("tool", self.authority.path, failure.message))

    # --- the log

    def _snapshot(self) -> EvidenceSnapshot:
        settings = self.authority.evidence
        snapshot = self.ports.open_store(settings).recorded()
        if snapshot is None:
            hint = f"git fetch {settings.remote} {settings.branch}" if settings.remote else "hyops-gitops evidence init"
            raise Refused(f"there is no branch {settings.branch!r} in this clone", guard="evidence-missing", hint=hint)
        if settings.genesis is None:
            raise Refused(
                f"{self.authority.path} pins no evidence.genesis, so any log would do",
                guard="evidence-missing",
                hint="commit the line that `hyops-gitops evidence init` added",
            )
        return snapshot

    def _read(self, snapshot: EvidenceSnapshot) -> Reading:
        try:
            reading = read_evidence(snapshot, self.authority, self._signers(), self.ports.verifier)
        except InvalidData as error:
            return Reading(None, 0, (Problem("path", self.authority.evidence.branch, error.message),))
        except OutsideFailure as failure:
            self.inconclusive.append(Problem("tool", self.authority.evidence.branch, failure.message))
            return Reading(None, 0, ())
        self.checked.append(f"{reading.entries} entries: form, chain, time, signatures, trust, pairs, continuity")
        return reading

    def _signers(self) -> Signers:
        pinned = self.request.allowed_signers
        if pinned is None:
            return read_signers(self.validation.files)
        if pinned.content is None:
            message = f"{pinned.path} {pinned.problem or 'cannot be read'}"
            raise OutsideFailure(message, code="unreadable")
        return read_signers({SIGNERS_PATH: pinned.content})

    def _about_log(self, log: Log, snapshot: EvidenceSnapshot) -> None:
        paths = list(snapshot.paths())
        self.problems += check_seen(log.zone, log.entries, self.request.seen)
        self.problems += check_gaps(log.zone, log.gaps, log.acknowledged)
        self.notices += exceptions(log, paths)
        for pending in pending_reviews(log, self.authority.policy.breakglass.review_h):
            if pending.overdue(self.ports.clock.now()):
                self.problems.append(Problem("review", entry_path(log.zone, pending.seq), pending.message))
            else:
                self.notices.append(Notice("review", pending.seq, pending.due, pending.message))

    def _about_branch(self, snapshot: EvidenceSnapshot) -> None:
        grown = self.ports.custody.branch_problems(snapshot.commit)
        self.problems += [Problem("history", self.authority.evidence.branch, one) for one in grown]
        self.checked.append("the evidence branch: one root, no merges, only additions")

    # --- the contracts

    def _about_history(self, log: Log, snapshot: EvidenceSnapshot) -> tuple[CommitInfo, ...]:
        """The population; nothing where the history is cut off."""
        if self.ports.history.is_shallow():
            self.inconclusive.append(Problem("shallow", self.authority.path, self.ports.custody.why_cut_off()))
            self._about_commits_at_hand(log)
            return ()
        self.problems += check_subjects(log.zone, log.entries, self.ports.custody.messages(snapshot.commit))
        self.problems += check_signers(log.zone, log.entries, self.ports.custody.versions(SIGNERS_PATH, self.commit))
        line = Line.of(self.ports.history, log, self.commit)
        self.problems += check_population(log, line)
        state = ManagedSet.of(log.zone, ())
        for entry in log.entries:
            facts = self._facts(log, entry)
            if facts is not None:
                self._about_plan(log, entry, facts, state)
                self._people(log, entry, facts, line)
            state = self._after(log, entry, state)
        self.checked.append(f"{len(line.population)} merged commits, both ways; every plan against its contracts")
        return line.population

    def _about_commits_at_hand(self, log: Log) -> None:
        """Without history: the entries that name a commit whose files are here, held against those."""
        state, checked, others = ManagedSet.of(log.zone, ()), 0, 0
        for entry in log.entries:
            body = entry.body
            if isinstance(body, Intent | Unchanged | Refusal):
                facts = self.contracts.facts(log.zone, body.contracts.commit, body.authority)
                if facts is not None:
                    self.problems += check_reference(log.zone, entry, replace(facts, on_branch=True))
                    self._about_plan(log, entry, facts, state)
                checked, others = (checked + 1, others) if facts else (checked, others + 1)
            state = self._after(log, entry, state)
        self.checked.append(f"{checked} entries against contracts that are here; {others} name commits that are not")

    def _about_plan(self, log: Log, entry: Entry, facts: CommitFacts, before: ManagedSet) -> None:
        if isinstance(entry.body, Intent):
            after, earlier = after_changes(before, entry.body.changes), _taken_back(log, entry)
            verdict = check_plan(log.zone, entry, entry.body, after, facts, earlier)
            self.problems += verdict.problems
            self.inconclusive += verdict.inconclusive
        elif isinstance(entry.body, Unchanged) and entry.body.caught_up:
            self.problems += check_caught_up(log.zone, entry, entry.body, _last_applied(log, entry))

    def _facts(self, log: Log, entry: Entry) -> CommitFacts | None:
        body, path = entry.body, entry_path(log.zone, entry.seq)
        if isinstance(body, AuthorityChange):
            self._about_authority(body, path)
        if not isinstance(body, Intent | Unchanged | Refusal):
            return None
        facts = self.contracts.facts(log.zone, body.contracts.commit, body.authority)
        if facts is None:
            message = f"commit {body.contracts.commit[:12]} is not in this clone"
            self.problems.append(Problem("not-on-main", path, message))
            return None
        self.problems += check_reference(log.zone, entry, facts)
        return facts

    def _about_authority(self, body: AuthorityChange, path: str) -> None:
        if not self.ports.history.is_ancestor(body.commit, self.commit):
            self.problems.append(Problem("not-on-main", path, f"commit {body.commit[:12]} is not on the branch"))
            return
        files = self.ports.history.tree(body.commit).files()
        now = {one.path: sha256_hex(one.content) for one in files if one.content is not None}
        if {name: digest for name, digest in now.items() if name.startswith("authority/")} != dict(body.after):
            self.problems.append(Problem("manifest", path, f"authority/ at {body.commit[:12]} is not what it says"))

    def _people(self, log: Log, entry: Entry, facts: CommitFacts, line: Line) -> None:
        for said, unknown in check_people(log.zone, entry, facts.separation, line, self.ports.custody):
            self._take((said, unknown))

    def _after(self, log: Log, entry: Entry, state: ManagedSet) -> ManagedSet:
        """The managed set after an entry."""
        if isinstance(entry.body, Reconcile) and entry.body.adopted is not None:
            return after_changes(state, entry.body.adopted.changes)
        return self._after_result(log, entry, entry.body, state) if isinstance(entry.body, Result) else state

    def _after_result(self, log: Log, entry: Entry, result: Result, state: ManagedSet) -> ManagedSet:
        intended = log.entries[result.intent_seq - 1]
        intent = intended.body
        if not isinstance(intent, Intent):
            return state
        facts = self.contracts.facts(log.zone, intent.contracts.commit, intent.authority)
        if facts is not None:
            verdict = check_observations(log.zone, entry, result, intended, facts)
            self.problems += verdict.problems
            self.inconclusive += verdict.inconclusive
        return after_changes(state, intent.changes) if result.outcome == "applied" else state

    def _settled(self, log: Log | None) -> bool:
        recorded = log.recorded if log else None
        return recorded is not None and recorded.contracts.manifest == manifest_sha256(self.validation.files)

    # --- the zone

    def _about_zone(self, log: Log) -> None:
        match self.request.look:
            case "offline":
                return
            case "dns":
                said = look_by_dns(log, self.authority, self.ports.dns)
                self.checked.append("the zone as its servers answer by DNS")
            case _:
                said = look_by_api(log, self.authority, self.ports.open_reader(self.authority))
                self.checked.append("the whole zone as the primary's API shows it")
        for one in said:
            self._take(one)

    def _take(self, said: Said) -> None:
        what, unknown = said
        if isinstance(what, Notice):
            self.notices.append(what)
        elif unknown:
            self.inconclusive.append(what)
        else:
            self.problems.append(what)


def _last_applied(log: Log, entry: Entry) -> Entry | None:
    """The newest intent before an entry that was applied."""
    before = (log.entries[index].body for index in range(entry.seq - 2, -1, -1))
    result = next((one for one in before if isinstance(one, Result) and one.outcome == "applied"), None)
    return log.entries[result.intent_seq - 1] if result else None


def _taken_back(log: Log, entry: Entry) -> Intent | None:
    """The earlier intent that an intent takes back."""
    seq = entry.body.rollback_of if isinstance(entry.body, Intent) else None
    body = log.entries[seq - 1].body if seq is not None and 0 < seq < entry.seq else None
    return body if isinstance(body, Intent) else None
