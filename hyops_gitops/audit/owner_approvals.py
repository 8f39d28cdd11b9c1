"""Whether each change was approved by its owner, as policy.owners names them.

The owner is the one before the change, as a forge asks by CODEOWNERS of the branch that is merged into; of a new
contract, the one that it names. The table is that of the entry's commit. Only a forge knows which account approved and
who is in a team, and knows that as of now. What it does not tell is not known: that is never an approval.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from hyops_gitops.audit.commits import CommitFacts
from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import Approval, MergedCommit, Person, good_approvals, same_person
from hyops_gitops.core.ports import Forge
from hyops_gitops.core.text import first_few
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path

CODE = "owner-approval"


@dataclass(frozen=True, slots=True)
class _Missing:
    """An approval that is missing, or not known, and why."""

    why: str
    is_unknown: bool = False


class Teams:
    """The members of teams, asked for once; after a failure, no more."""

    def __init__(self, open_forge: Callable[[], Forge | None]) -> None:
        self._open = open_forge
        self._known: dict[str, Collection[Person] | str] = {}
        self._failure = ""

    def members(self, team: str) -> Collection[Person] | str:
        """The members of `organisation/team`, or the reason why they are not known."""
        if team not in self._known:
            self._known[team] = self._failure or self._ask(team)
        return self._known[team]

    def _ask(self, team: str) -> Collection[Person] | str:
        try:
            forge = self._open()
            members = forge.members(team) if forge else None
        except HyopsError as error:
            self._failure = f"the forge does not tell who is in a team: {error.message}"
            return self._failure
        if forge is None:
            self._failure = "no forge is asked who is in a team"
            return self._failure
        return f"the forge shows no team @{team} to this token" if members is None else members


def owners_table(facts: CommitFacts) -> Mapping[str, Collection[str]]:
    """policy.owners at a commit, empty where it has none."""
    return facts.authority.policy.owners if facts.authority is not None else {}


def check_owners_approved(
    zone: str,
    entry: Entry,
    facts: CommitFacts,
    before: CommitFacts | None,
    changed: Collection[CommitInfo],
    teams: Teams,
) -> Iterator[Remark]:
    """Check that owners approved the commits of an entry.

    Args:
        zone: Of the log.
        entry: An intent, or an entry that nothing had to change.
        facts: Of its commit.
        before: Of the commit that was recorded last before it; None: there is none.
        changed: The commits that it carried out and that touch contracts.
        teams: Who is in which team.
    """
    body = entry.body
    table = owners_table(facts)
    if not table or not isinstance(body, Intent | Unchanged):
        return
    overrides = body.overrides if isinstance(body, Intent) else ()
    enforced = facts.separation == "enforce" and not any(each.guard == "separation-of-duties" for each in overrides)
    paths = {commit.id: commit.changed for commit in changed}
    for merged in body.merged:
        for owner, owned in _owned(paths.get(merged.commit, ()), facts, before).items():
            missing = _missing(merged, owner, table.get(owner), teams)
            if missing is None:
                continue
            message = f"commit {merged.commit[:12]} on {first_few(owned)}: {missing.why}"
            problem = Problem(CODE, entry_path(zone, entry.seq), message)
            if not enforced:
                yield Notice(CODE, entry.seq, entry.envelope.time, message)
            else:
                yield Unknown(problem) if missing.is_unknown else problem


def _owned(paths: Collection[str], facts: CommitFacts, before: CommitFacts | None) -> Mapping[str, list[str]]:
    """The contracts of these paths by owner, without those of no owner."""
    found: dict[str, list[str]] = {}
    for path in paths:
        contract = (before.contracts.get(path) if before else None) or facts.contracts.get(path)
        if contract is not None and contract.owner is not None:
            found.setdefault(contract.owner, []).append(path)
    return found


def _missing(merged: MergedCommit, owner: str, names: Collection[str] | None, teams: Teams) -> _Missing | None:
    """What is missing for an approval by this owner."""
    if names is None:
        return _Missing(f"whether {owner!r} approved is not known: policy.owners lacks it", is_unknown=True)
    approvals = good_approvals(merged)
    by = ", ".join(approval.by.name for approval in approvals) or "none"
    whom = f"{owner!r} ({', '.join(names)})"
    if not approvals:
        return _Missing(f"no approval by its owner {whom}")
    if merged.source == "commit":
        why = f"{by} approved by a trailer, which names no account"
        return _Missing(f"whether its owner {whom} approved is not known: {why}", is_unknown=True)
    unknown: list[str] = []
    for name in names:
        fits = _fits(name, approvals, teams)
        if fits is True:
            return None
        if isinstance(fits, str):
            unknown.append(fits)
    if unknown:
        why = "; ".join(dict.fromkeys(unknown))
        return _Missing(f"whether its owner {whom} approved is not known (by {by}): {why}", is_unknown=True)
    return _Missing(f"no approval by its owner {whom}, only by {by}")


def _fits(name: str, approvals: Collection[Approval], teams: Teams) -> bool | str:
    """Whether approvals fit a name, or why that is not known."""
    if not name.startswith("@"):
        return f"whose account has the address {name} is not known"
    if "/" not in name:
        return any(approval.by.name.casefold() == name[1:].casefold() for approval in approvals)
    members = teams.members(name[1:])
    if isinstance(members, str):
        return members
    return any(same_person(approval.by, member) for approval in approvals for member in members)
