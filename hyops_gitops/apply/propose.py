"""The plan of a commit's contracts, for `plan` and `apply` alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import (
    COMMIT_TRAILER,
    TrailerProblem,
    UntakenTrailer,
    read_trailers,
    without_repeated,
)
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import OutsideFailure, Refused, UsageError
from hyops_gitops.core.events import OnEvent, Warned
from hyops_gitops.core.exchange import CommitInfo, SourceFile
from hyops_gitops.core.findings import Finding, Severity, finding
from hyops_gitops.core.guards import Override, find_override, may_lift, override_line
from hyops_gitops.core.layout import START, mixed
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.names import zone_of_name
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.ports import History
from hyops_gitops.core.tree import Contents, SourceTree
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.log import Log
from hyops_gitops.log.retirement import ttl_notes
from hyops_gitops.plan.assertions import Moves
from hyops_gitops.plan.desired import Unread
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Plan
from hyops_gitops.plan.planning import Inputs, make_plan
from hyops_gitops.validate.name_rules import ALIAS_TAKEN
from hyops_gitops.validate.reference_rules import TARGET_DANGLING, TARGET_DELETED, TARGET_LOOP
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree

# Findings in a contract that another file's change brought about.
_ABOUT_OTHER_FILES = frozenset(rule.id for rule in (TARGET_DANGLING, TARGET_DELETED, TARGET_LOOP, ALIAS_TAKEN))


@dataclass(frozen=True, slots=True)
class LastRecordedTree:
    """The contracts' tree as it was applied last."""

    files: Contents
    limits: Limits | None  # of the authority file then; None when it had none that is valid
    changed: frozenset[str]  # the paths that are not what they were
    stable: frozenset[str]  # those of them that were contracts with endpoint_cutover_required: false

    def promised(self, contract: Contract) -> bool:
        """Whether a contract promised a stable target then and now."""
        was_stable = contract.path not in self.changed or contract.path in self.stable
        return was_stable and not contract.cutover_required


@dataclass(frozen=True, slots=True)
class FindingsByEffect:
    """A commit's findings, by what they mean for an apply."""

    blocking: tuple[Finding, ...]
    held: Mapping[str, str]  # contract path -> its first finding


def sort_findings(validation: Validation, past: LastRecordedTree | None) -> FindingsByEffect:
    """Which findings stop an apply, and which only hold their own contract.

    A finding holds its contract when that file is what it was when it was last applied; anything else stops: a changed
    contract, one whose target another file removed, any other file, the authority, and everything before
    the first apply.
    """
    blocking: list[Finding] = []
    held: dict[str, str] = {}
    for problem in validation.findings:
        if problem.severity is not Severity.ERROR:
            continue
        now = validation.files.get(problem.path)
        unchanged = past is not None and now is not None and past.files.get(problem.path) == now
        if unchanged and problem.path.startswith("endpoints/") and problem.rule not in _ABOUT_OTHER_FILES:
            held.setdefault(problem.path, f"{problem.rule}: {problem.message}")
        else:
            blocking.append(problem)
    return FindingsByEffect(tuple(blocking), held)


@dataclass(frozen=True, slots=True)
class PlanBase:
    recorded: ManagedSet
    observed: Zone
    went_back: bool = False  # the zone is older than the log, and is the base all the same
    came_back: tuple[ManagedRRset, ...] = ()  # ours in that zone, and removed since


def propose(
    validation: Validation,
    limits: Limits,
    ground: PlanBase,
    *,
    held: Mapping[str, str],
    past: LastRecordedTree | None,
    overrides: tuple[Override, ...] = (),
    moves: Moves | None = None,
) -> Plan:
    """The plan for a validated tree."""
    # Where the zone went back, contracts that did not change ask for something else than it has.
    contracts = validation.contracts if ground.went_back else validation.looked_at
    plan = make_plan(
        Inputs(
            recorded=_rebased(ground) if ground.went_back else ground.recorded,
            applied=ground.recorded if ground.went_back else None,
            contracts=contracts,
            held=held,
            observed=ground.observed,
            limits=limits_since(past, limits),
            overrides=overrides,
            moves=moves,
            promised_stable=frozenset(contract.path for contract in contracts if past and past.promised(contract)),
            unread=None if ground.went_back else _unread(validation),
            other_zones=validation.files.tree.other_zones,
        )
    )
    longest = validation.authority.policy.cutover_ttl_max if validation.authority else 0
    return replace(plan, notes=(*plan.notes, *ttl_notes(plan.changes, longest)))


def _unread(validation: Validation) -> Unread | None:
    if validation.others is None or validation.about is None:
        return None
    return Unread(validation.contract, validation.about, validation.others.there)


def limits_since(past: LastRecordedTree | None, limits: Limits) -> Limits:
    """The limits that count: loosening them counts from the next apply."""
    return limits if past is None or past.limits is None else limits.stricter(past.limits)


def about_zone(overrides: Iterable[Override], zone: str, others: Iterable[str]) -> tuple[Override, ...]:
    """The overrides without those for a name of another zone.

    Args:
        overrides: Those of a run over several zones, or of a commit that changes several.
        zone: The zone that they are recorded in.
        others: The other zones of the repository.
    """
    zones = (zone, *others)
    return tuple(each for each in overrides if each.name is None or zone_of_name(each.name, zones) in (zone, None))


def effective(
    overrides: Iterable[Override], limits: Limits, past: LastRecordedTree | None, on_event: OnEvent
) -> tuple[Override, ...]:
    """The overrides that the policies allow; warns of the others."""
    before = past.limits.overridable if past is not None and past.limits is not None else None
    given = tuple(overrides)
    kept = tuple(override for override in given if may_lift(override, limits.overridable, before))
    for override in given:
        if override not in kept:
            on_event(Warned(f"{override.target} lifts nothing: policy.overridable does not list {override.guard}"))
    return kept


def read_past(tree: SourceTree, now: Validation, read: DocumentReader, check: SchemaChecker) -> LastRecordedTree:
    """Read an earlier tree, as far as it differs from `now`."""
    files, changed = Contents(tree), now.files.tree.changed(tree)
    read_again = sorted({*tree.below("authority"), *changed})
    sources = files.sources(read_again).items()
    contents = {path: source.content for path, source in sources if source.content is not None}
    then = validate_tree(MemoryTree(contents), read, check)
    stable = frozenset(contract.path for contract in then.contracts if not contract.cutover_required)
    return LastRecordedTree(files, Limits.of(then.authority.policy) if then.authority else None, changed, stable)


def _rebased(ground: PlanBase) -> ManagedSet:
    """The managed set as the zone has it now, after a restore."""
    recorded, there = ground.recorded, ground.observed.rrsets
    kept = [replace(entry, rrset=there[key]) for key, entry in recorded.entries.items() if key in there]
    again = [entry for entry in ground.came_back if entry.rrset.key not in recorded.entries]
    return ManagedSet.of(recorded.apex, [*kept, *again])


def commits_after(log: Log, commit: str, history: History) -> tuple[CommitInfo, ...]:
    """The commits of main since the one recorded last, or since genesis."""
    try:
        base = history.resolve(log.recorded_commit or log.genesis.commit)
    except UsageError:  # a commit of another history: everything is new, but nothing lifts a guard now that did then
        return tuple(replace(info, trailers=(), untaken=()) for info in history.first_parent_commits(None, commit))
    return history.first_parent_commits(base, commit)


GUARD = "trailers"
_MIXED = "mixed-commit"


def sites_lost(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """The sites declared lost: their servers are watched, not required."""
    return tuple(dict.fromkeys(site for commit in merged for site in commit.declared.sites_lost))


def known_sites(validation: Validation) -> frozenset[str]:
    """Every site of a server or an endpoint."""
    authority = validation.authority
    sites = {site for contract in validation.contracts for site in contract.sites}
    if authority is not None:
        sites.add(authority.primary.site)
        sites.update(server.site for server in authority.secondaries)
        sites.update(server.site for server in authority.resolvers)
    return frozenset(sites)


def trailer_overrides(commits: Iterable[CommitInfo]) -> tuple[Override, ...]:
    """The guards that these commits lift."""
    return tuple(dict.fromkeys(override for commit in commits for override in read_trailers(commit.trailers).overrides))


def with_trailers(given: Iterable[Override], commits: Iterable[CommitInfo]) -> tuple[Override, ...]:
    """The overrides of a run: of its command line and its commits."""
    return (*(override for override in given if override.source != "trailer"), *trailer_overrides(commits))


def check_trailers(
    commits: Sequence[CommitInfo],
    limits: Limits,
    overrides: Sequence[Override],
    validation: Validation,
    on_event: OnEvent,
) -> None:
    """Check that every trailer is understood, or is to be left out.

    An unknown lost site is only warned of: it changes nothing, and everything is still required.

    Raises:
        Refused: guard `trailers`.
    """
    if (refusal := trailer_refusal(commits, limits, overrides)) is not None:
        raise refusal
    for problem in _problems(commits):
        on_event(Warned(f"left out: {_in_words(problem)}"))
    for line in quoted_lines(commits):
        on_event(Warned(line))
    declared = {site for commit in commits for site in read_trailers(commit.trailers).declaration.sites_lost}
    for site in sorted(declared - known_sites(validation)) if declared else ():
        on_event(Warned(f"site {site!r} is declared lost, but no server or endpoint has a site of that name"))


def trailer_refusal(commits: Sequence[CommitInfo], limits: Limits, overrides: Sequence[Override]) -> Refused | None:
    """Guard `trailers`: one that is not understood lifts nothing.

    A reviewed commit may always vouch that such a trailer is to be left out, so that no policy can block for ever.
    """
    problems = _problems(commits)
    lifted = find_override(overrides, GUARD)
    if not problems or (lifted is not None and (lifted.source == "trailer" or GUARD in limits.overridable)):
        return None
    option = f"{override_line(GUARD)}, or " if GUARD in limits.overridable else ""
    return Refused(
        _in_words(problems[0]),
        guard=GUARD,
        hint=f"to leave it out: {option}merge a commit with the trailer `Hyops-Override: {GUARD}=REASON`, "
        "which may repeat the other one as it was meant",
    )


def mixed_commits(commits: Sequence[CommitInfo], pulls: Mapping[str, str] | None = None) -> str | None:
    """The first change of main that changes authority and contracts together.

    What a later commit took back, before any of it was applied, does not count: so a further commit repairs main.

    Args:
        commits: The commits to be applied.
        pulls: The number of the pull request that brought a commit, by the commit's id.
    """
    changed: dict[str, set[str]] = {}
    for commit in commits:
        pull = (pulls or {}).get(commit.id)
        # GitLab and Gitea fast-forward main to a branch that main was merged into: all of that branch came at once.
        name = f"pull request {pull}" if pull else f"commit {(commit.arrived_with or commit.id)[:12]}"
        changed.setdefault(name, set()).update(set(commit.changed) - set(commit.taken_back))
    return next((change for change, paths in changed.items() if mixed(paths)), None)


def mixed_refusal(change: str | None, limits: Limits, overrides: Sequence[Override]) -> Refused | None:
    """Guard `mixed-commit`, where authority and contracts change together."""
    if change is None or limits.lifted(_MIXED, None, overrides):
        return None
    option = f"; if this is right: {override_line(_MIXED)}" if _MIXED in limits.overridable else ""
    return Refused(
        f"{change} changes authority/ and endpoints/ together",
        guard=_MIXED,
        hint="take back one of both on main, apply, and bring it again in a pull request of its own; where a merge "
        f"brought several pull requests, the commits of each may be applied before it: --commit COMMIT{option}",
    )


def trailer_findings(commits: Sequence[CommitInfo], path: str) -> tuple[Finding, ...]:
    """The trailers of these commits that an apply would refuse."""
    if find_override(trailer_overrides(commits), GUARD) is not None:
        return ()
    hint = f"amend the message, or add a commit with the trailer as meant, or with `Hyops-Override: {GUARD}=REASON`"
    return tuple(finding(COMMIT_TRAILER, path, START, _in_words(problem), hint) for problem in _problems(commits))


def quoted_lines(commits: Sequence[CommitInfo]) -> list[str]:
    """Notes on lines that look like trailers and may be text."""
    return [
        f"commit {line.commit[:12]}: {line.message}" for line in _lines_without_repetition(commits) if line.is_quoted
    ]


def _problems(commits: Sequence[CommitInfo]) -> list[TrailerProblem]:
    """Trailers not understood, or that stand where git takes none."""
    lost = (
        TrailerProblem(line.commit, line.message) for line in _lines_without_repetition(commits) if not line.is_quoted
    )
    return [*(problem for commit in commits for problem in read_trailers(commit.trailers).problems), *lost]


def _lines_without_repetition(commits: Sequence[CommitInfo]) -> tuple[UntakenTrailer, ...]:
    taken = [trailer for commit in commits for trailer in commit.trailers]
    return without_repeated((line for commit in commits for line in commit.untaken), taken)


def _in_words(problem: TrailerProblem) -> str:
    return f"commit {problem.commit[:12]}: {problem.message}"


_LATER = "changes below may only undo what was applied since"


@dataclass(frozen=True, slots=True)
class Merge:
    """The tree of a merge, its base, and a note on it."""

    tree: SourceTree | None = None  # None: there is nothing to merge, or what it gives is not known
    into: str | None = None
    note: str = ""


def known_main(named: str | None, remote: str | None, overrides: Iterable[Override], history: History) -> str | None:
    """The branch that a commit goes to, named or the remote's.

    Raises:
        UsageError: there is no branch as named.
    """
    if named is not None:
        return history.resolve(named)
    if remote is None or find_override(overrides, "history") is not None:
        return None
    try:
        return history.resolve(f"refs/remotes/{remote}/HEAD")
    except UsageError:
        return None


def missing_commit(
    head: str, overrides: Iterable[Override], log: Log | None, history: History
) -> tuple[str | None, str]:
    """The commit applied last, where a planned one lacks it.

    With the guard `history` lifted the commit is meant to be applied as it is.
    """
    recorded = log.recorded_commit if log else None
    if recorded is None or find_override(overrides, "history") is not None:
        return None, ""
    try:
        recorded = history.resolve(recorded)
    except UsageError:
        why = f"commit {recorded[:12]}, which was applied last, is not in this clone"
        return None, f"{why}: {_LATER}. git fetch it, with its history, or name the branch: --into origin/main"
    return (None if history.is_ancestor(recorded, head) else recorded), ""


def merge(into: str, head: str, work: SourceTree | None, history: History) -> Merge:
    """Merge a commit and the work tree into what they lack.

    Raises:
        InvalidData: code `merge-conflict`.
    """
    if history.is_ancestor(into, head):
        return Merge()
    try:
        changed = {} if work is None else _uncommitted(work.files(), history.dirty_paths())
        return Merge(history.merged(into, head, changed), into, f"planned as merged into {into[:12]}")
    except OutsideFailure as failure:
        if failure.code not in ("no-merge", "no-history"):
            raise
        hint = f". {failure.hint}" if failure.hint else ""
        return Merge(note=f"this does not hold {into[:12]}: {_LATER}. {failure.message}{hint}")


def _uncommitted(files: Iterable[SourceFile], paths: Iterable[str]) -> dict[str, bytes | None]:
    contents = {file.path: file.content for file in files}
    return {path: contents.get(path) for path in paths}
