"""The part of an audit that walks the log: each entry against the contracts at its commit, and the state before it."""

from dataclasses import dataclass, field, replace

from hyops_gitops.audit.audit import Notice
from hyops_gitops.audit.checks import check_caught_up, check_observations, check_reference
from hyops_gitops.audit.contracts import Contracts
from hyops_gitops.audit.people import Doubt, Line, check_people
from hyops_gitops.audit.plans import Standing, check_adopted_holds, check_plan, check_unchanged, lifted_holds
from hyops_gitops.audit.ports import AuditPorts, CommitFacts, Verdict
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.admin_entries import Adopted, Gap, Reconcile
from hyops_gitops.log.continuity import Problem, after_changes, placed
from hyops_gitops.log.entries import AuthorityChange, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.log import Log, applied_intents
from hyops_gitops.log.parts import AuthorityRef


@dataclass
class Found:
    """What was found so far; kept, should something that is needed next not be there."""

    problems: list[Problem] = field(default_factory=list)
    inconclusive: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Take over what one check came to."""
        self.problems += verdict.problems
        self.inconclusive += verdict.inconclusive

    def take(self, what: Doubt, *, unknown: bool) -> None:
        """Take over one thing that was found, or that nobody can tell."""
        if isinstance(what, Notice):
            self.notices.append(what)
        else:
            (self.inconclusive if unknown else self.problems).append(what)


def audit_entries(log: Log, contracts: Contracts, line: Line, ports: AuditPorts, found: Found) -> None:
    """Every entry, with the whole history of the contracts at hand."""
    walk = _Walk(log, contracts, found)
    for entry in log.entries:
        facts = walk.facts(entry)
        if facts is not None:
            walk.check(entry, facts)
            for said, unknown in check_people(log.zone, entry, facts.separation, line, ports.custody):
                found.take(said, unknown=unknown)
        walk.go_on(entry)


def audit_entries_at_hand(log: Log, contracts: Contracts, found: Found) -> tuple[int, int]:
    """Without history: the entries that name a commit whose files are here, and how many there are, and are not."""
    walk, checked, others = _Walk(log, contracts, found), 0, 0
    for entry in log.entries:
        if isinstance(entry.body, Intent | Unchanged | Refusal):
            facts = contracts.facts(log.zone, entry.body.contracts.commit, entry.body.authority)
            if facts is not None:
                found.problems += check_reference(log.zone, entry, replace(facts, on_branch=True))
                walk.check(entry, facts)
            checked, others = (checked + 1, others) if facts else (checked, others + 1)
        walk.go_on(entry, history=False)
    return checked, others


@dataclass
class _Walk:
    """Where the walk is: the log, and the managed set before the next entry."""

    log: Log
    contracts: Contracts
    found: Found
    state: ManagedSet = field(init=False)
    restored: bool = False  # whether the zone, or the log, went back, and nothing was applied since

    def __post_init__(self) -> None:
        self.state = ManagedSet.of(self.log.zone, ())

    def facts(self, entry: Entry) -> CommitFacts | None:
        """What is known of the commit that an entry carries out; what it names is checked with it."""
        body, path = entry.body, entry_path(self.log.zone, entry.seq)
        if isinstance(body, AuthorityChange):
            self._about_authority(body, path)
        if not isinstance(body, Intent | Unchanged | Refusal):
            return None
        facts = self._known(body.contracts.commit, body.authority, path)
        if facts is not None:
            self.found.problems += check_reference(self.log.zone, entry, facts)
        return facts

    def check(self, entry: Entry, facts: CommitFacts) -> None:
        """An entry against the contracts at its commit."""
        match entry.body:
            case Intent():
                stood = Standing.of(self.state, facts, self.log.holder, lifted_holds(entry.body))
                self.found.add(check_plan(entry, entry.body, stood, self._taken_back(entry.body, entry.seq)))
            case Unchanged():
                stood = Standing.of(self.state, facts, self.log.holder)
                self.found.add(check_unchanged(entry, stood, restored=self.restored))
                if entry.body.caught_up:
                    last = self._last_applied(entry.seq)
                    self.found.problems += check_caught_up(self.log.zone, entry, entry.body.caught_up, last)
                if entry.body.segment_caught_up:
                    ended = self._last_of_segment(entry.seq)
                    self.found.problems += check_caught_up(self.log.zone, entry, entry.body.segment_caught_up, ended)
            case _:
                pass

    def go_on(self, entry: Entry, *, history: bool = True) -> None:
        """Past an entry: what it did to the managed set, and whether that was seen or follows from a segment."""
        match entry.body:
            case Result():
                self._past_result(entry, entry.body)
            case Reconcile(adopted=Adopted() as adopted):
                if history:
                    self._about_holds(entry, entry.body, adopted)
                self.state = after_changes(self.state, adopted.changes, placed(adopted.holds, entry.seq))
                self.restored = False
            case ZoneDrift(restored=True) | Gap(acknowledges=None):
                self.restored = True
            case _:
                pass

    def _past_result(self, entry: Entry, result: Result) -> None:
        intended = self.log.entries[result.intent_seq - 1]
        intent = intended.body
        if not isinstance(intent, Intent):
            return
        facts = self.contracts.facts(self.log.zone, intent.contracts.commit, intent.authority)
        if facts is not None:
            self.found.add(check_observations(self.log.zone, entry, result, intended, facts))
        if result.outcome == "applied":
            self.state = after_changes(self.state, intent.changes, placed(intent.holds, intended.seq))
            self.restored = False

    def _about_holds(self, entry: Entry, body: Reconcile, adopted: Adopted) -> None:
        """The names that a segment has held, derived anew where the entry names the contracts that they are of."""
        path = entry_path(self.log.zone, entry.seq)
        if adopted.commit is None:
            return
        facts = self._known(adopted.commit, AuthorityRef("", outside_commit=False), path)
        if facts is None:
            return
        if not facts.on_branch:
            message = f"commit {facts.commit[:12]} is not on the contracts' branch"
            self.found.problems.append(Problem("not-on-main", path, message))
        intents = [intent for _, intent in applied_intents(self.log.segments[body.segment])]
        self.found.problems += check_adopted_holds(entry, adopted, intents, self.state, facts)

    def _known(self, commit: str, authority: AuthorityRef, path: str) -> CommitFacts | None:
        facts = self.contracts.facts(self.log.zone, commit, authority)
        if facts is None:
            self.found.problems.append(Problem("not-on-main", path, f"commit {commit[:12]} is not in this clone"))
        return facts

    def _about_authority(self, body: AuthorityChange, path: str) -> None:
        now = self.contracts.authority_digests(body.commit)
        if now is None:
            message = f"commit {body.commit[:12]} is not on the branch"
            self.found.problems.append(Problem("not-on-main", path, message))
        elif now != dict(body.after):
            message = f"authority/ at {body.commit[:12]} is not what it says"
            self.found.problems.append(Problem("manifest", path, message))

    def _last_applied(self, seq: int) -> Entry | None:
        """The newest intent before an entry that was applied."""
        before = (self.log.entries[index].body for index in range(seq - 2, -1, -1))
        result = next((one for one in before if isinstance(one, Result) and one.outcome == "applied"), None)
        return self.log.entries[result.intent_seq - 1] if result else None

    def _last_of_segment(self, seq: int) -> Entry | None:
        """The last applied intent of the newest segment that was brought in before an entry, nothing applied since."""
        for index in range(seq - 2, -1, -1):
            match self.log.entries[index].body:
                case Result(outcome="applied"):
                    return None
                case Reconcile(adopted=Adopted(anchor=Anchor() as anchor), segment=segment):
                    return self.log.segments[segment][anchor.seq - 1]
                case _:
                    pass
        return None

    def _taken_back(self, intent: Intent, seq: int) -> Intent | None:
        """The earlier intent that an intent takes back."""
        earlier = intent.rollback_of
        body = self.log.entries[earlier - 1].body if earlier is not None and 0 < earlier < seq else None
        return body if isinstance(body, Intent) else None
