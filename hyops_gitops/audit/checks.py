"""What an audit checks beyond the log itself: that what was applied is what the contracts at that commit ask for.

Pure functions on values; `audit.run` brings the values.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hyops_gitops.audit.commits import CheckResult, CommitFacts
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.server_report import Server, ServerReport
from hyops_gitops.core.zone import Key, RRset, in_words, served
from hyops_gitops.log.admin_entries import Adopted
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Refusal, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.holds import GUARD, hold_of, holds_due, holds_in_effect
from hyops_gitops.log.pages import subject
from hyops_gitops.log.retirement import meets, observed
from hyops_gitops.plan.plan import Action, Change, plan_digest
from hyops_gitops.plan.state import after_changes, taken_back


def check_reference(zone: str, entry: Entry, facts: CommitFacts) -> Iterator[Problem]:
    """Whether the commit an entry names is the contracts' and holds what the entry says."""
    body, path = entry.body, entry_path(zone, entry.seq)
    if not isinstance(body, Intent | Unchanged | Refusal):
        return
    short = facts.commit[:12]
    if not facts.on_branch:
        yield Problem("not-on-main", path, f"commit {short} is not on the contracts' branch")
    if facts.manifest != body.contracts.manifest:
        yield Problem("manifest", path, f"the contracts at {short} do not hash to what the entry says")
    if not body.authority.outside_commit and facts.authority_sha256 != body.authority.sha256:
        yield Problem("manifest", path, f"the authority file at {short} does not hash to what the entry says")


def check_observations(zone: str, entry: Entry, result: Result, intent_entry: Entry, facts: CommitFacts) -> CheckResult:
    """Whether every server that a result calls converged, and every one the policy requires, answered as planned."""
    path, intent = entry_path(zone, entry.seq), intent_entry.body
    if not isinstance(intent, Intent):
        return CheckResult()
    anchor = intent_entry.anchor.rrset(zone)
    problems = []
    for server in result.servers:
        if server.verdict == "converged" and (what := _unmet(server, intent.changes, anchor)):
            message = f"{server.role} {server.name} is called converged, but answered otherwise: {what}"
            problems.append(Problem("not-converged", path, message))
    if not result.converged:
        return CheckResult(tuple(problems))
    listed = {(server.role, server.name): server for server in result.servers}
    if facts.own_authority:
        lost = {*intent.sites_lost, *(site for one in intent.merged for site in one.declared.sites_lost)}
        required: Collection[Server] = [server for server, site in facts.required.items() if site not in lost]
    else:
        exempt = {name for name, server in listed.items() if server.lost and intent.sites_lost}
        required = [server for server in listed if server[0] in facts.required_roles and server not in exempt]
        if not required and facts.required_roles:
            message = "the authority file is not at hand, and the result lists no server of a required role"
            return CheckResult(tuple(problems), (Problem("not-converged", path, message),))
    for one in sorted(required):
        if one not in listed or listed[one].verdict != "converged":
            message = f"the result says converged, but required {' '.join(one)} is not shown to be"
            problems.append(Problem("not-converged", path, message))
    return CheckResult(tuple(problems))


def check_caught_up(
    zone: str, entry: Entry, caught_up: Collection[ServerReport], last: Entry | None
) -> Iterator[Problem]:
    """Whether every server that is said to have caught up answered as the last applied intent left the zone."""
    path = entry_path(zone, entry.seq)
    intent = last.body if last else None
    for server in caught_up:
        if last is None or not isinstance(intent, Intent) or server.verdict != "converged":
            what: str | None = "nothing was applied that it could have missed"
        else:
            what = _unmet(server, intent.changes, last.anchor.rrset(zone))
        if what:
            message = f"{server.role} {server.name} is said to have caught up, but did not show it: {what}"
            yield Problem("not-converged", path, message)


def check_gaps(zone: str, gaps: Collection[Entry], acknowledged: Collection[int]) -> Iterator[Problem]:
    """Missing entries that nobody has looked into."""
    for entry in gaps:
        if entry.seq not in acknowledged:
            message = "entries are missing; look into it, then `evidence acknowledge` it"
            yield Problem("gap", entry_path(zone, entry.seq), message)


def check_signers(zone: str, entries: Collection[Entry], versions: Collection[str]) -> Iterator[Problem]:
    """Entries signed under a file of signers that the contracts' branch never had."""
    for entry in entries:
        if entry.envelope.signers_sha256 not in versions:
            message = "signed under an authority/allowed_signers that the contracts' branch never had"
            yield Problem("signers", entry_path(zone, entry.seq), message)


def check_subjects(zone: str, entries: Sequence[Entry], messages: Mapping[str, str]) -> Iterator[Problem]:
    """Commits of the log that tell a reader of `git log` something else than their entry.

    `messages`: of the commit that added each file, by path. A commit that adds no entry says nothing about the log.
    """
    for entry in entries:
        path = entry_path(zone, entry.seq)
        if messages.get(path) != subject(entry, entries):
            yield Problem("subject", path, "the message of its commit is not the line that follows from the entry")


def _unmet(server: ServerReport, changes: Collection[Change], anchor: RRset) -> str | None:
    """The first question that a server did not answer as planned; what is adopted has not always been asked for."""
    answers = observed(server)
    authoritative = server.role != "resolver"
    if authoritative and answers.get(anchor.key, ("", None, ()))[2] != anchor.rdata:
        return f"{anchor.name} TXT"
    for change in changes:
        expected = change.writes or (change.action is Action.ADOPT and change.key in answers)
        if expected and not meets(change, answers.get(change.key), authoritative=authoritative):
            return f"{change.name} {change.type}"
    return None


Holder = Callable[[int], Entry | None]


@dataclass(frozen=True, slots=True)
class StateBefore:
    """How things stood before an entry: what was managed, what its commit asked for, which names had to stay."""

    before: ManagedSet
    facts: CommitFacts
    kept: Mapping[str, str]  # by name: why it had to stay

    @classmethod
    def of(cls, before: ManagedSet, facts: CommitFacts, holder: Holder, lifted: Collection[str] = ()) -> "StateBefore":
        """Derived anew.

        Args:
            before: The managed set, with the marks of holds, as the entries before left it.
            facts: The commit that the entry names.
            holder: The entry that a mark names.
            lifted: Names whose hold somebody lifted.
        """
        names = {one.path: str(one.name) for one in facts.contracts}
        why = dict.fromkeys(facts.invalid, "its contract is invalid")
        for path, number in holds_in_effect(before, holder, facts.contracts).items():
            if names[path] not in lifted:
                why[path] = f"held by entry {number}"
        own = {names[path]: reason for path, reason in why.items() if path in names}
        asked = {key[0]: why[one.contract] for key, one in before.entries.items() if one.contract in why}
        return cls(before, facts, {**asked, **own})

    def asked(self, key: Key) -> RRset | None:
        """What had to be there afterwards."""
        return self.before.rrset(key) if key[0] in self.kept else self.facts.desired.rrsets.get(key)


def check_plan(entry: Entry, intent: Intent, stood: StateBefore, taken_back: Intent | None) -> CheckResult:
    """Whether an intent does what the contracts at its commit ask for.

    Args:
        entry: The intent's entry.
        intent: Its body.
        stood: How things stood before it.
        taken_back: The earlier intent that it says it takes back, where there is such an intent.
    """
    if intent.restore is not None:
        return CheckResult()  # it carries out no contract; that it brings back what the log had is checked with the log
    path, zone = entry_path(stood.before.apex, entry.seq), stood.before.apex
    # What a roll-back changes is held against what it takes back; everything else against the contracts as ever.
    back = {change.name for change in intent.changes} if intent.rollback_of is not None else set()
    restored = any(override.guard == "restored" for override in intent.overrides)
    left = after_changes(stood.before, intent.changes)
    told = _differences(stood, left, {change.key for change in intent.changes}, restored=restored)
    listed = {held.name for held in intent.held}
    verdict = _judged(stood, path, (one for one in told if one.key[0] not in back), listed)
    wrong = tuple(Problem("held", path, message) for message in _wrong_holds(intent, stood, back))
    problems = [Problem("rollback", path, message) for message in _wrong_rollback(intent, taken_back)]
    if intent.plan_sha256 != plan_digest(zone, intent.before.whole, intent.changes):
        problems.append(Problem("plan-digest", path, "the plan's digest is not that of its changes"))
    known = stood.facts.own_authority
    return CheckResult(
        (*problems, *verdict.problems, *(wrong if known else ())),
        (*verdict.inconclusive, *(() if known else wrong)),
    )


def lifted_holds(intent: Intent) -> set[str]:
    """The names whose hold an intent lifted: by an override that did something."""
    return {one.name for one in intent.overrides if one.guard == GUARD and one.name} - {one.name for one in intent.held}


def check_unchanged(entry: Entry, stood: StateBefore, *, restored: bool) -> CheckResult:
    """Whether contracts that are said to ask for nothing new do so.

    `restored`: zone or log went back since the last apply, and somebody vouched for going on from what is there.
    """
    told = () if restored else _differences(stood, stood.before, (), restored=False)
    return _judged(stood, entry_path(stood.before.apex, entry.seq), told)


def check_adopted_holds(
    entry: Entry, adopted: Adopted, intents: Iterable[Intent], before: ManagedSet, facts: CommitFacts
) -> Iterator[Problem]:
    """Whether a reconcile entry has those names held that its segment left elsewhere than their contracts said.

    Args:
        entry: The entry.
        adopted: What it says of the segment.
        intents: What the segment applied.
        before: The managed set before it.
        facts: The commit that the entry names.
    """
    due = set(holds_due(list(intents), facts.contracts, after_changes(before, adopted.changes)))
    for name in sorted({hold.name for hold in due ^ set(adopted.holds)}):
        message = f"{name}: its hold is not what follows from the segment and the contracts at {facts.commit[:12]}"
        yield Problem("held", entry_path(before.apex, entry.seq), message)


# --- parts


@dataclass(frozen=True, slots=True)
class _Difference:
    """One RRset that is left otherwise than it had to be."""

    key: Key
    left: RRset | None
    asked: RRset | None
    kept: str  # why it had to stay as it was, or ""

    @property
    def code(self) -> str:
        return "held" if self.kept else "plan-not-contract"

    @property
    def only_ttl(self) -> bool:
        return self.left is not None and self.asked is not None and self.left.rdata == self.asked.rdata

    @property
    def message(self) -> str:
        whose = f"it had to stay ({self.kept}) at" if self.kept else "the contracts ask for"
        return f"{' '.join(self.key)}: the entry leaves {in_words(self.left)}, {whose} {in_words(self.asked)}"


def _differences(
    stood: StateBefore, after: ManagedSet, changed: Collection[Key], *, restored: bool
) -> Iterator[_Difference]:
    for key in sorted(after.entries.keys() | stood.facts.desired.rrsets.keys() | set(changed)):
        left, asked = after.rrset(key), stood.asked(key)
        if restored and asked is None and key not in changed:
            continue  # our record of an RRset that a restored zone lost goes with the next apply
        if served(left) != served(asked):
            yield _Difference(key, left, asked, stood.kept.get(key[0], ""))


def _judged(
    stood: StateBefore, path: str, told: Iterable[_Difference], listed: Collection[str] = frozenset()
) -> CheckResult:
    """Differences are problems, but for those that an authority file which is not at hand may explain."""
    problems: list[Problem] = []
    open_questions: list[Problem] = []
    for one in told:
        sure = stood.facts.own_authority or not (one.only_ttl or one.key[0] in stood.facts.undecided.union(listed))
        (problems if sure else open_questions).append(Problem(one.code, path, one.message))
    return CheckResult(tuple(problems), tuple(open_questions))


def _wrong_rollback(intent: Intent, taken_back: Intent | None) -> Iterator[str]:
    if intent.rollback_of is None:
        return
    if taken_back is None:
        yield f"entry {intent.rollback_of}, which it says it takes back, is no earlier intent"
    else:
        yield from _wrongly_taken_back(intent, taken_back)


def _wrong_holds(intent: Intent, stood: StateBefore, back: Collection[str]) -> Iterator[str]:
    """Names that an intent says are held, or has held from now on, and that nothing holds."""
    new = {hold.name for hold in intent.holds}
    for held in intent.held:
        if held.name not in new and held.name not in stood.kept:
            yield f"{held.name} is listed as held, and nothing holds it"
    due = {hold_of(one) for one in stood.facts.contracts if str(one.name) in new}
    for hold in intent.holds:
        if hold.name not in back:
            yield f"{hold.name} is held from here on without having been moved back"
        elif hold not in due:
            yield f"{hold.name} is held by another contract than the one at {stood.facts.commit[:12]}"


def _wrongly_taken_back(intent: Intent, earlier: Intent) -> Iterator[str]:
    """What an intent that calls itself a roll-back of an earlier one does beyond that, a line each."""
    names = {change.name for change in intent.changes}
    due = {_facts(change) for change in taken_back(earlier.changes, names)}
    done = {_facts(change) for change in intent.changes}
    for key in sorted({fact[0] for fact in due ^ done}):
        yield f"{' '.join(key)} is not what it was before"
    held = {hold.name for hold in intent.holds}
    for name in sorted(names - held):
        yield f"{name} is moved back, but not held"


_Side = tuple[int, tuple[str, ...]] | None
_Facts = tuple[tuple[str, str], _Side, _Side]


def _facts(change: Change) -> _Facts:
    return change.key, served(change.before), served(change.after)
