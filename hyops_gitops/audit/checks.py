"""The checks of entries against contracts, authority and answers.

Pure functions on values; `audit.run` brings the values.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from hyops_gitops.audit.commits import CommitFacts
from hyops_gitops.audit.report import Remark, Unknown
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.guards import Override, may_lift
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.servers import servers_of
from hyops_gitops.core.zone import Key, RRset, in_words, served
from hyops_gitops.log.admin_entries import ImportedSegment
from hyops_gitops.log.caches import NOTHING_REMEMBERED, stopped_serving
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Refusal, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.holds import GUARD, hold_of, holds_due, holds_in_effect
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.pages import subject
from hyops_gitops.log.retirement import meets, observed
from hyops_gitops.plan.plan import Action, Change, plan_digest
from hyops_gitops.plan.state import after_changes, taken_back

_ROLES = {"primary": "primary", "secondaries": "secondary", "resolvers": "resolver"}


def check_reference(zone: str, entry: Entry, facts: CommitFacts) -> Iterator[Problem]:
    """Check that the commit is on the branch, with the recorded contents."""
    body, path = entry.body, entry_path(zone, entry.seq)
    if not isinstance(body, Intent | Unchanged | Refusal):
        return
    short = facts.commit[:12]
    if not facts.on_branch:
        yield Problem("not-on-main", path, f"commit {short} is not on the contracts' branch")
    if facts.manifest != body.contracts.manifest:
        yield Problem("manifest", path, f"the contracts at {short} do not have the manifest of the entry")
    if not body.authority.outside_commit and facts.authority_sha256 != body.authority.sha256:
        yield Problem("manifest", path, f"the authority file at {short} does not have the SHA-256 of the entry")
    if facts.invalid and body.contracts.rules is not None and body.contracts.rules == facts.rules:
        message = f"the contracts at {short} are recorded as valid, but {min(facts.invalid)} is not"
        yield Problem("rules", path, message)


def check_observations(
    zone: str, entry: Entry, result: Result, intent_entry: Entry, facts: CommitFacts
) -> Iterator[Remark]:
    """Check that every converged and every required server answered as planned."""
    path, intent = entry_path(zone, entry.seq), intent_entry.body
    if not isinstance(intent, Intent):
        return
    anchor = intent_entry.anchor.rrset(zone)
    for server in result.servers:
        if server.verdict == "converged" and (question := _unmet(server, intent.changes, anchor)):
            message = f"{server.role} {server.name} is recorded as converged, but answered otherwise: {question}"
            yield Problem("not-converged", path, message)
    if not result.converged:
        return
    listed = {(server.role, server.name): server for server in result.servers}
    if facts.own_authority and facts.authority:
        lost = {*intent.sites_lost, *(site for merged in intent.merged for site in merged.declared.sites_lost)}
        required = [server.key for server in servers_of(facts.authority, lost) if server.required]
    else:
        exempt = {name for name, server in listed.items() if server.lost and intent.sites_lost}
        roles = {_ROLES[group] for group in facts.authority.policy.convergence.require} if facts.authority else set()
        required = [server for server in listed if server[0] in roles and server not in exempt]
        if not required and roles:
            message = "the authority file is not at hand, and the result lists no server of a required role"
            yield Unknown(Problem("not-converged", path, message))
            return
    for role_and_name in sorted(required):
        if role_and_name not in listed or listed[role_and_name].verdict != "converged":
            message = f"the result says converged, but required {' '.join(role_and_name)} is not shown to be"
            yield Problem("not-converged", path, message)


def check_retirements(zone: str, entry: Entry, result: Result, intent: Intent, ledger: Ledger) -> Iterator[Problem]:
    """Check that no target is free while caches may name it.

    Args:
        zone: Whose log it is.
        entry: The entry of the result.
        result: The result.
        intent: Its intent.
        ledger: That of all entries before.
    """
    stopped = stopped_serving(result.accepted, result.servers)
    if stopped is None:
        return
    for due in result.retire:
        ttls = [change.before.ttl for change in intent.changes if change.name == due.name and change.before]
        earlier = ledger.remembered.get(due.name, NOTHING_REMEMBERED)
        end = max(earlier.end(stopped), *(stopped + timedelta(seconds=ttl) for ttl in (0, *ttls)))
        if due.after is not None and due.after < end:
            message = f"caches may name the old target of {due.name} until {time_text(end)}"
            yield Problem("retirement", entry_path(zone, entry.seq), f"{message}, not {time_text(due.after)}")


def check_overrides(
    path: str, overrides: Collection[Override], facts: CommitFacts, before: CommitFacts | None, where: str = ""
) -> Iterator[Remark]:
    """Check that the policy let each recorded override lift its guard.

    Args:
        path: The entry's.
        overrides: Those that it records.
        facts: The commit that it carries out.
        before: The commit recorded last, whose policy counts as well.
        where: The place of the overrides, for the message.
    """
    for override in overrides:
        if not may_lift(override, facts.overridable or (), before.overridable if before else None):
            message = f"{where}{override.target} is recorded as lifted, which policy.overridable did not allow"
            problem = Problem("override", path, message)
            yield problem if facts.own_authority else Unknown(problem)


def check_caught_up(
    zone: str, entry: Entry, caught_up: Collection[ServerReport], last: Entry | None
) -> Iterator[Problem]:
    """Check that servers listed as caught up answered as last applied."""
    path = entry_path(zone, entry.seq)
    intent = last.body if last else None
    for server in caught_up:
        if last is None or not isinstance(intent, Intent) or server.verdict != "converged":
            question: str | None = "nothing was applied that it could have missed"
        else:
            question = _unmet(server, intent.changes, last.anchor.rrset(zone))
        if question:
            message = f"{server.role} {server.name} is listed as caught up, but did not show it: {question}"
            yield Problem("not-converged", path, message)


def check_gaps(zone: str, gaps: Collection[Entry], acknowledged: Collection[int]) -> Iterator[Problem]:
    """Check that every gap of missing entries is acknowledged."""
    for entry in gaps:
        if entry.seq not in acknowledged:
            message = "entries are missing; investigate, then run `hyops-gitops evidence acknowledge`"
            yield Problem("gap", entry_path(zone, entry.seq), message)


def check_signers(zone: str, entries: Collection[Entry], versions: Collection[str]) -> Iterator[Problem]:
    """Check that each entry's signers file was on the contracts' branch."""
    for entry in entries:
        if entry.envelope.signers_sha256 not in versions:
            message = "signed under an authority/allowed_signers that the contracts' branch never had"
            yield Problem("signers", entry_path(zone, entry.seq), message)


def check_subjects(zone: str, entries: Sequence[Entry], messages: Mapping[str, str]) -> Iterator[Problem]:
    """Check that each entry's commit has the subject of the entry.

    `messages`: of the commit that added each file, by path. Commits that add no entry are not checked.
    """
    for entry in entries:
        path = entry_path(zone, entry.seq)
        if messages.get(path) != subject(entry, entries):
            yield Problem("subject", path, "the message of its commit is not the line that follows from the entry")


def _unmet(server: ServerReport, changes: Collection[Change], anchor: RRset) -> str | None:
    """The first question not answered as planned; adopted RRsets may lack one."""
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
    """Managed set and commit facts before an entry, and kept names."""

    before: ManagedSet
    facts: CommitFacts
    kept: Mapping[str, str]  # reason by name

    @classmethod
    def of(cls, before: ManagedSet, facts: CommitFacts, holder: Holder, lifted: Collection[str] = ()) -> "StateBefore":
        """Derive it from the log and the contracts.

        Args:
            before: The managed set, with the marks of holds, as the entries before left it.
            facts: The commit that the entry names.
            holder: The entry that a mark names.
            lifted: Names whose hold was lifted.
        """
        why = dict.fromkeys(facts.invalid, "its contract is invalid")
        held = holds_in_effect(before, holder, facts.contracts.values())
        names = {contract.path: str(contract.name) for contract in facts.contracts.values() if contract.path in held}
        for path, number in held.items():
            if names[path] not in lifted:
                why[path] = f"held by entry {number}"
        own = {names[path]: reason for path, reason in why.items() if path in names}
        asked = {managed.rrset.name: reason for path, reason in why.items() for managed in before.of_contract(path)}
        return cls(before, facts, {**asked, **own})

    def asked(self, key: Key) -> RRset | None:
        """The RRset required afterwards."""
        return self.before.rrset(key) if key[0] in self.kept else self.facts.desired.rrsets.get(key)


def check_plan(entry: Entry, intent: Intent, stood: StateBefore, taken_back: Intent | None) -> Iterator[Remark]:
    """Check that an intent does exactly what its contracts ask for.

    Args:
        entry: The intent's entry.
        intent: Its body.
        stood: The state before it.
        taken_back: The earlier intent that it names as taken back, where there is such an intent.
    """
    if intent.restore is not None:
        return  # it carries out no contract; verification of the log checks what it brings back
    zone = stood.before.apex
    path = entry_path(zone, entry.seq)
    for message in _wrong_rollback(intent, taken_back):
        yield Problem("rollback", path, message)
    if intent.plan_sha256 != plan_digest(zone, intent.before.whole, intent.changes):
        yield Problem("plan-digest", path, "the plan's digest is not that of its changes")
    # The names of a roll-back are compared with the intent that it takes back; all others with the contracts.
    back = {change.name for change in intent.changes} if intent.rollback_of is not None else set()
    restored = any(override.guard == "restored" for override in intent.overrides)
    left = after_changes(stood.before, intent.changes)
    differences = _differences(stood, left, {change.key for change in intent.changes}, restored=restored)
    forward = (difference for difference in differences if difference.key[0] not in back)
    yield from _judged(stood, path, forward, {held.name for held in intent.held})
    for message in _wrong_holds(intent, stood, back):
        problem = Problem("held", path, message)
        yield problem if stood.facts.own_authority else Unknown(problem)


def lifted_holds(intent: Intent) -> set[str]:
    """The names whose hold an override of the intent lifted."""
    named = {override.name for override in intent.overrides if override.guard == GUARD and override.name}
    return named - {held.name for held in intent.held}


def check_unchanged(entry: Entry, stood: StateBefore, *, restored: bool) -> Iterator[Remark]:
    """Check that the contracts of an `unchanged` entry ask for nothing new.

    `restored`: zone or log went back since the last apply, and an override accepted what is there.
    """
    differences = () if restored else _differences(stood, stood.before, (), restored=False)
    return _judged(stood, entry_path(stood.before.apex, entry.seq), differences)


def check_imported_holds(
    entry: Entry, imported: ImportedSegment, intents: Iterable[Intent], before: ManagedSet, facts: CommitFacts
) -> Iterator[Problem]:
    """Check that a reconcile entry holds the names it has to.

    Args:
        entry: The entry.
        imported: Its summary of the segment.
        intents: The applied intents of the segment.
        before: The managed set before it.
        facts: The commit that the entry names.
    """
    due = set(holds_due(list(intents), facts.contracts.values(), after_changes(before, imported.changes)))
    for name in sorted({hold.name for hold in due ^ set(imported.holds)}):
        message = f"{name}: its hold is not what follows from the segment and the contracts at {facts.commit[:12]}"
        yield Problem("held", entry_path(before.apex, entry.seq), message)


# --- parts


@dataclass(frozen=True, slots=True)
class _Difference:
    """An RRset that an entry leaves otherwise than required."""

    key: Key
    left: RRset | None
    asked: RRset | None
    kept: str  # the reason that it had to stay, or ""

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
    for key in sorted({*after.zone.differing(stood.facts.desired), *changed}):  # what is kept differs where it changed
        left, asked = after.rrset(key), stood.asked(key)
        if restored and asked is None and key not in changed:
            continue  # our record of an RRset that a restored zone lost goes with the next apply
        if served(left) != served(asked):
            yield _Difference(key, left, asked, stood.kept.get(key[0], ""))


def _judged(
    stood: StateBefore, path: str, differences: Iterable[_Difference], listed: Collection[str] = frozenset()
) -> Iterator[Remark]:
    """Differences as problems, except those that a missing authority file may explain."""
    undecided = stood.facts.undecided.union(listed)
    for difference in differences:
        problem = Problem(difference.code, path, difference.message)
        explained = difference.only_ttl or difference.key[0] in undecided
        yield Unknown(problem) if explained and not stood.facts.own_authority else problem


def _wrong_rollback(intent: Intent, taken_back: Intent | None) -> Iterator[str]:
    if intent.rollback_of is None:
        return
    if taken_back is None:
        yield f"entry {intent.rollback_of}, which it names as taken back, is not an earlier intent"
    else:
        yield from _wrongly_taken_back(intent, taken_back)


def _wrong_holds(intent: Intent, stood: StateBefore, back: Collection[str]) -> Iterator[str]:
    """Names that an intent lists as held, or newly holds, without reason."""
    new = {hold.name for hold in intent.holds}
    for held in intent.held:
        if held.name not in new and held.name not in stood.kept:
            yield f"{held.name} is listed as held, and nothing holds it"
    due = {hold_of(contract) for contract in stood.facts.contracts.values() if str(contract.name) in new}
    for hold in intent.holds:
        if hold.name not in back:
            yield f"{hold.name} is held from here on, but was not moved back"
        elif hold not in due:
            yield f"{hold.name} is held by another contract than the one at {stood.facts.commit[:12]}"


def _wrongly_taken_back(intent: Intent, earlier: Intent) -> Iterator[str]:
    """The ways in which a roll-back exceeds or misses its earlier intent."""
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
