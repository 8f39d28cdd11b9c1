"""What the commits of an apply declare by their trailers, and what must not come together in one of them."""

from collections.abc import Iterable, Mapping, Sequence

from hyops_gitops.core.apply.events import OnEvent, Warned
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.entry_parts import MergedCommit
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.guards import Override, find_override, override_line
from hyops_gitops.core.plan.limits import Limits
from hyops_gitops.core.rules.catalog import finding
from hyops_gitops.core.rules.tree import START, mixed
from hyops_gitops.core.trailers import TrailerProblem, Untaken, left_unsaid, read_trailers
from hyops_gitops.usecases.validation.validate import Validation

GUARD = "trailers"
_MIXED = "mixed-commit"


def sites_lost(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """The sites that the commits of an apply declare lost: their servers are watched, not required."""
    return tuple(dict.fromkeys(site for one in merged for site in one.declared.sites_lost))


def known_sites(validation: Validation) -> frozenset[str]:
    """Every site that a server or an endpoint is said to be at."""
    authority = validation.authority
    sites = {site for contract in validation.contracts for site in contract.sites}
    if authority is not None:
        sites.add(authority.primary.site)
        sites.update(one.site for one in authority.secondaries)
        sites.update(one.site for one in authority.resolvers)
    return frozenset(sites)


def trailer_overrides(commits: Iterable[CommitInfo]) -> tuple[Override, ...]:
    """The guards that these commits lift."""
    return tuple(dict.fromkeys(one for commit in commits for one in read_trailers(commit.trailers).overrides))


def with_trailers(given: Iterable[Override], commits: Iterable[CommitInfo]) -> tuple[Override, ...]:
    """What a run lifts: what whoever started it said, and what its commits say."""
    return (*(one for one in given if one.source != "trailer"), *trailer_overrides(commits))


def check_trailers(
    commits: Sequence[CommitInfo],
    limits: Limits,
    overrides: Sequence[Override],
    validation: Validation,
    on_event: OnEvent,
) -> None:
    """Whether every trailer could be understood, or is to be left out.

    A lost site that nobody knows is only told: it changes nothing, and everything is still required.

    Raises:
        Refused: guard `trailers`.
    """
    if (refusal := trailer_refusal(commits, limits, overrides)) is not None:
        raise refusal
    for problem in _problems(commits):
        on_event(Warned(f"left out: {_told(problem)}"))
    for line in quoted_lines(commits):
        on_event(Warned(line))
    declared = {site for commit in commits for site in read_trailers(commit.trailers).declaration.sites_lost}
    for site in sorted(declared - known_sites(validation)):
        on_event(Warned(f"site {site!r} is declared lost, and no server or endpoint is at a site of that name"))


def trailer_refusal(commits: Sequence[CommitInfo], limits: Limits, overrides: Sequence[Override]) -> Refused | None:
    """Guard `trailers`: one that could not be understood lifts nothing, and its author thinks it does.

    A reviewed commit may always vouch that such a trailer is to be left out, so that no policy can block for ever.
    """
    problems = _problems(commits)
    lifted = find_override(overrides, GUARD)
    if not problems or (lifted is not None and (lifted.source == "trailer" or GUARD in limits.overridable)):
        return None
    option = f"{override_line(GUARD)}, or " if GUARD in limits.overridable else ""
    return Refused(
        _told(problems[0]),
        guard=GUARD,
        hint=f"to go on without it: {option}merge a commit with the trailer `Hyops-Override: {GUARD}=REASON`, "
        "which may repeat the other one as it was meant",
    )


def mixed_commits(commits: Sequence[CommitInfo], pulls: Mapping[str, str] | None = None) -> str | None:
    """A commit, or several that came together, by which authority and contracts are changed together.

    What a later commit took back, before any of it was applied, does not count: so main can be mended by going on.

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
    """Guard `mixed-commit`, where something changes authority and contracts together and nothing lifts the guard."""
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
    """What an apply of these commits would refuse of their trailers, as long as none of them says to leave that out."""
    if find_override(trailer_overrides(commits), GUARD) is not None:
        return ()
    hint = f"write the message anew, or add a commit that says it as a trailer or says `Hyops-Override: {GUARD}=REASON`"
    return tuple(finding("commit-trailer", path, START, _told(problem), hint) for problem in _problems(commits))


def quoted_lines(commits: Sequence[CommitInfo]) -> list[str]:
    """What is to be said of lines that look like trailers, are none, and may be meant as text."""
    return [f"commit {one.commit[:12]}: {one.message}" for one in _left_unsaid(commits) if one.is_quoted]


def _problems(commits: Sequence[CommitInfo]) -> list[TrailerProblem]:
    """What was not understood, and what stands where git takes no trailer, and is said by none of these commits."""
    lost = (TrailerProblem(one.commit, one.message) for one in _left_unsaid(commits) if not one.is_quoted)
    return [*(problem for commit in commits for problem in read_trailers(commit.trailers).problems), *lost]


def _left_unsaid(commits: Sequence[CommitInfo]) -> tuple[Untaken, ...]:
    taken = [trailer for commit in commits for trailer in commit.trailers]
    return left_unsaid((line for commit in commits for line in commit.untaken), taken)


def _told(problem: TrailerProblem) -> str:
    return f"commit {problem.commit[:12]}: {problem.message}"
