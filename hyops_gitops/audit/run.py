"""Audit: compare log, contracts, approvals and the served zone.

This module reads, and compares the served zone with the end of the log; the other checks are beside it. A check that
cannot be made is kept apart from a problem, and neither ever passes.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import cache

from hyops_gitops.audit.approvals import FirstParentLine, check_population
from hyops_gitops.audit.checks import (
    check_gaps,
    check_signers,
    check_subjects,
)
from hyops_gitops.audit.commits import AuditGit, AuditRequest, CommitReader, checked_once
from hyops_gitops.audit.entry_checks import AuditFindings, audit_entries, audit_entries_at_hand, exceptions
from hyops_gitops.audit.owner_approvals import Teams
from hyops_gitops.audit.report import Audit, Notice, Remark, Unknown, change_rows, population_rows
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.damage import CAUSE, REPAIR, find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure
from hyops_gitops.core.exchange import Answer, CommitInfo, Question, why_inconclusive
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.network import DnsClient, ZoneReader
from hyops_gitops.core.ports import EvidenceSnapshot
from hyops_gitops.core.servers import Answers, DnsServer, Expectation, ask_all, servers_of
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.branch import SIGNERS_PATH, Signers, read_evidence, read_signers
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.envelope import EntryRef, entry_path
from hyops_gitops.log.log import Log
from hyops_gitops.log.pinned_heads import check_seen
from hyops_gitops.log.reconciling import pending_reviews
from hyops_gitops.log.verify import Reading
from hyops_gitops.log.workspace import ManagedZone, Workspace

_CUT_OFF = "the history is shallow, grafted or replaced: git fetch --unshallow, then audit again"
_NOT_A_CLONE = (
    "this folder is not a clone: merged commits, their authors and approvals, and who was ever listed as a signer "
    "cannot be seen; audit a clone"
)


def audit(request: AuditRequest, workspace: Workspace, git: AuditGit | None) -> Audit:
    """Make the whole audit. Writes nothing.

    Raises:
        FindingsError: the authority file is invalid.
        Refused: guard `evidence-missing`: no branch to audit, or no pinned genesis.
        UsageError: no repository, no such branch, an unreadable file of signers.
    """
    try:
        return _Audit.begin(request, workspace, git).run().listed(request.period)
    except OutsideFailure as failure:  # of git or a missing program: nothing can be concluded
        return Audit("", "", 0, None, (), (Problem("tool", request.branch, failure.message),))


@dataclass
class _Audit:
    """One run of an audit."""

    request: AuditRequest
    workspace: Workspace
    git: AuditGit | None  # None: not a clone
    zone: ManagedZone
    contracts: CommitReader
    found: AuditFindings = field(default_factory=AuditFindings)
    checked: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, request: AuditRequest, workspace: Workspace, git: AuditGit | None) -> "_Audit":
        workspace = workspace.replaced(read=cache(workspace.read), check=checked_once(workspace.check))
        zone = workspace.at(request.branch).zone()
        return cls(request, workspace, git, zone, CommitReader(workspace, zone.commit))

    def run(self) -> Audit:
        """Make every check; the later ones need a verified log."""
        snapshot = self.zone.recorded()
        reading = self._read(snapshot)
        self.found.problems += reading.problems
        log = reading.log
        head = EntryRef(log.head.seq, log.head.sha256) if log else None
        rows: tuple[CommitInfo, ...] = ()
        if log is not None:
            self._check_log(log, snapshot)
            with self._unless_unknown():
                self._check_branch(snapshot)
            with self._unless_unknown():
                rows = self._check_history(log, snapshot)
            with self._unless_unknown():
                self._check_zone(log)
        return Audit(
            self.zone.authority.zone,
            self.zone.commit,
            reading.entries,
            head,
            tuple(self.found.problems),
            tuple(self.found.inconclusive),
            tuple(self.found.notices),
            population_rows(rows, log, self.workspace.clock.now(), settled=self._settled(log)) if log else (),
            tuple(change_rows(log)) if log else (),
            tuple(self.checked),
        )

    @contextmanager
    def _unless_unknown(self) -> Iterator[None]:
        """Record a check that cannot be made, and continue with the next."""
        try:
            yield
        except OutsideFailure as failure:
            self.found.inconclusive.append(Problem("tool", self.zone.authority.path, failure.message))

    # --- the log

    def _read(self, snapshot: EvidenceSnapshot) -> Reading:
        try:
            reading = read_evidence(snapshot, self.zone.authority, self._signers(), self.workspace.verifier)
        except InvalidData as error:
            return Reading(None, 0, (Problem("path", self.zone.authority.evidence.branch, error.message),))
        except OutsideFailure as failure:
            self.found.inconclusive.append(Problem("tool", self.zone.authority.evidence.branch, failure.message))
            return Reading(None, 0, ())
        self.checked.append(f"{reading.entries} entries: form, chain, time, signatures, trust, pairs, continuity")
        return reading

    def _signers(self) -> Signers:
        pinned = self.request.allowed_signers
        if pinned is None:
            return self.zone.signers
        if pinned.content is None:
            message = f"{pinned.path} {pinned.problem or 'cannot be read'}"
            raise OutsideFailure(message, code="unreadable")
        return read_signers({SIGNERS_PATH: pinned.content})

    def _check_log(self, log: Log, snapshot: EvidenceSnapshot) -> None:
        paths = list(snapshot.paths())
        self.found.problems += check_seen(log.zone, log.entries, self.request.seen)
        self.found.problems += check_gaps(log.zone, log.gaps, log.acknowledged)
        self.found.notices += exceptions(log, paths)
        for pending in pending_reviews(log, self.zone.authority.policy.breakglass.review_h):
            if pending.overdue(self.workspace.clock.now()):
                self.found.problems.append(Problem("review", entry_path(log.zone, pending.seq), pending.message))
            else:
                self.found.notices.append(Notice("review", pending.seq, pending.due, pending.message))

    def _check_branch(self, snapshot: EvidenceSnapshot) -> None:
        if self.git is None:
            message = "this folder is not a clone: whether the evidence branch only ever grew is not known here"
            raise OutsideFailure(message, code="no-history")
        problems = self.git.branch_problems(snapshot.commit)
        self.found.problems += [
            Problem("history", self.zone.authority.evidence.branch, problem) for problem in problems
        ]
        self.checked.append("the evidence branch: one root, no merges, only additions")

    # --- the contracts

    def _check_history(self, log: Log, snapshot: EvidenceSnapshot) -> tuple[CommitInfo, ...]:
        """Check entries and commits; return the population, if it is whole."""
        if self.git is None or self.workspace.history.is_shallow():
            why = _NOT_A_CLONE if self.git is None else _CUT_OFF
            self.found.inconclusive.append(Problem("shallow", self.zone.authority.path, why))
            checked, others = audit_entries_at_hand(log, self.contracts, self.found)
            self.checked.append(
                f"{checked} entries against contracts that are here; {others} name commits that are not"
            )
            return ()
        self.found.problems += check_subjects(log.zone, log.entries, self.git.messages(snapshot.commit))
        self.found.problems += check_signers(log.zone, log.entries, self.git.versions(SIGNERS_PATH, self.zone.commit))
        line = FirstParentLine.of(self.workspace.history, log, self.zone.commit)
        self.found.problems += check_population(log, line)
        offline = self.request.look == "offline"
        teams = Teams(lambda: None if offline else self.workspace.forge)
        audit_entries(log, self.contracts, line, self.git, teams, self.found)
        self.checked.append(f"{len(line.population)} merged commits, both ways; every plan against its contracts")
        return line.population

    def _settled(self, log: Log | None) -> bool:
        recorded = log.recorded if log else None
        if recorded is None:
            return False
        return recorded.contracts.manifest == self.contracts.manifest_sha256(self.zone.revision.files)

    # --- the zone

    def _check_zone(self, log: Log) -> None:
        match self.request.look:
            case "offline":
                return
            case "dns":
                self.found.add(look_by_dns(log, self.zone.authority, self.workspace.dns))
                self.checked.append("the zone as its servers answer by DNS")
            case _:
                self.found.add(look_by_api(log, self.zone.authority, self.workspace.open_reader(self.zone.authority)))
                self.checked.append("the whole zone as the primary's API shows it")


# --- the served zone


def look_by_dns(log: Log, authority: Authority, dns: DnsClient) -> Iterator[Remark]:
    """Ask every authoritative server for the anchor and the managed set."""
    servers = [server for server in servers_of(authority) if server.authoritative]
    if authority.primary.dns is None:
        yield Notice("not-seen", None, None, "the primary was not asked: primary.dns is not given")
    if not servers:
        yield Unknown(Problem("live", "dns", "no server to ask"))
        return
    open_keys = _open_keys(log)
    keys = sorted(key for key in log.state.entries if key not in open_keys)
    marker = Question(anchor_name(log.zone), "TXT")
    questions = [marker, *(Question(*key) for key in keys)]
    for server, answers in ask_all(dns, dict.fromkeys(servers, questions)).items():
        yield from _judge(log, server, answers, marker)


def _judge(log: Log, server: DnsServer, answers: Answers, marker: Question) -> Iterator[Remark]:
    where = str(server)
    given = {question: answer for question, answer in answers.items() if answer.conclusive}
    if len(given) < len(answers):
        # Neither a failure nor silence is a sign that the zone was changed.
        some = "" if not given else f", of {len(answers) - len(given)} questions of {len(answers)}"
        yield Unknown(Problem("live", where, f"it {why_inconclusive(answers.values())}{some}"))
    if marker in given and not given[marker].authoritative:
        yield Unknown(Problem("live", where, "it answered without authority for the zone"))
        return
    found = given[marker].rrset(marker) if marker in given else None
    if marker in given and (why := _anchor_problem(log, Anchor.parse(found) if found else None, bool(found))):
        yield Problem("anchor", where, why)
    wrong = [
        f"{question.name} {question.type}"
        for question, answer in given.items()
        if question != marker and not _as_left(log, question, answer)
    ]
    if wrong:
        message = f"{len(wrong)} RRsets are not served as the log left them: {first_few(wrong)}"
        yield Problem("live", where, message)


def _as_left(log: Log, question: Question, answer: Answer) -> bool:
    left = log.observed.rrsets.get((question.name, question.type))
    if left is None:
        return answer.authoritative and answer.rrset(question) is None
    return Expectation(question, left).met_by(answer, authoritative=True)


def look_by_api(log: Log, authority: Authority, reader: ZoneReader) -> Iterator[Remark]:
    """Read the whole zone from the primary."""
    where = authority.primary.api.url
    try:
        seen = reader.rrsets()
    except HyopsError as error:
        yield Unknown(Problem("live", where, error.message))
        return
    for damage in find_damage(seen):
        yield Problem("damaged", where, f"{damage.message} ({CAUSE}); repair it: `{REPAIR}`")
    found = next((rrset for rrset in seen if rrset.key == (anchor_name(log.zone), "TXT")), None)
    if (why := _anchor_problem(log, Anchor.parse(found) if found else None, found is not None)) is not None:
        yield Problem("anchor", where, why)
    left, now, open_keys = log.observed, Zone.of(log.zone, seen), _open_keys(log)
    different = left.served_otherwise(now)
    managed = [key for key in different if key in log.state.entries and key not in open_keys]
    foreign = [key for key in different if key not in log.state.entries and key not in open_keys]
    if managed:
        yield Problem("live", where, f"not as the log left it: {_names(managed)}")
    if foreign and authority.policy.zone_ownership == "exclusive":
        yield Problem("live", where, f"records that no contract owns have changed: {_names(foreign)}")
    elif foreign:
        yield Notice("foreign", None, None, f"records that no contract owns have changed: {_names(foreign)}")


def _open_keys(log: Log) -> Collection[Key]:
    """The RRsets that an intent without a result may have changed."""
    entry = log.open_intent
    return {change.key for change in entry.body.changes} if entry and isinstance(entry.body, Intent) else set()


def _anchor_problem(log: Log, anchor: Anchor | None, present: bool) -> str | None:
    expected, opened = log.anchor, log.open_intent
    if anchor is None:
        if present:
            return "the anchor is not one that this program writes"
        return f"there is no anchor; the log says {expected} was applied last" if expected else None
    if anchor == expected or (opened is not None and anchor == Anchor(opened.seq, opened.sha256)):
        return None
    if _gap_names(log, anchor):
        return None  # the gap itself is a problem until acknowledged
    if anchor.segment is not None:
        return f"the anchor names {anchor}, not the end of the log: it is not reconciled, or was continued since"
    if anchor.seq > log.head.seq:
        return f"the anchor names entry {anchor.seq}, but the log ends at {log.head.seq}: it was cut"
    if log.entries[anchor.seq - 1].sha256 != anchor.sha256:
        return f"the anchor names another entry {anchor.seq} than the log has: it was rewritten, or is another log's"
    denied = log.denied(anchor)
    why = (
        f"entry {denied.seq} records as not applied: it landed afterwards" if denied else "is not the one applied last"
    )
    return f"the anchor names entry {anchor.seq}, which {why}"


def _gap_names(log: Log, anchor: Anchor) -> bool:
    """Whether the anchor is that of acknowledged missing entries."""
    last = log.last_applied.result_entry.seq if log.last_applied else 0
    return any(
        isinstance(gap.body, Gap)
        and gap.body.missing is not None
        and gap.seq > last
        and (gap.body.missing[1], gap.body.anchor_sha256) == (anchor.seq, anchor.sha256)
        for gap in log.gaps
    )


def _names(keys: list[Key]) -> str:
    return first_few([" ".join(key) for key in keys])
