"""What an audit checks beyond the log itself: that what was applied is what the contracts at that commit ask for.

Pure functions on values; `audit.run` brings the values.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from hyops_gitops.audit.ports import CommitFacts, Verdict
from hyops_gitops.core.server_report import Server, ServerReport
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.continuity import Problem
from hyops_gitops.log.entries import Intent, Refusal, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.pages import subject
from hyops_gitops.log.retirement import meets, observed
from hyops_gitops.plan.plan import Action, Change


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


def check_observations(zone: str, entry: Entry, result: Result, intent_entry: Entry, facts: CommitFacts) -> Verdict:
    """Whether every server that a result calls converged, and every one the policy requires, answered as planned."""
    path, intent = entry_path(zone, entry.seq), intent_entry.body
    if not isinstance(intent, Intent):
        return Verdict()
    anchor = intent_entry.anchor.rrset(zone)
    problems = []
    for server in result.servers:
        if server.verdict == "converged" and (what := _unmet(server, intent.changes, anchor)):
            message = f"{server.role} {server.name} is called converged, but answered otherwise: {what}"
            problems.append(Problem("not-converged", path, message))
    if not result.converged:
        return Verdict(tuple(problems))
    listed = {(server.role, server.name): server for server in result.servers}
    if facts.own_authority:
        lost = {*intent.sites_lost, *(site for one in intent.merged for site in one.declared.sites_lost)}
        required: Collection[Server] = [server for server, site in facts.required.items() if site not in lost]
    else:
        exempt = {name for name, server in listed.items() if server.lost and intent.sites_lost}
        required = [server for server in listed if server[0] in facts.required_roles and server not in exempt]
        if not required and facts.required_roles:
            message = "the authority file is not at hand, and the result lists no server of a required role"
            return Verdict(tuple(problems), (Problem("not-converged", path, message),))
    for one in sorted(required):
        if one not in listed or listed[one].verdict != "converged":
            message = f"the result says converged, but required {' '.join(one)} is not shown to be"
            problems.append(Problem("not-converged", path, message))
    return Verdict(tuple(problems))


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
