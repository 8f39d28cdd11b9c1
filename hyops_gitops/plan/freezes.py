"""Freeze windows: what they stop of a plan, now and soon.

A frozen record stays as it was applied last. So what writes no DNS passes, and what brings that very record back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hyops_gitops.core.authority import Freeze
from hyops_gitops.core.declaration import read_trailers
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.guards import Override, override_line
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import same_served
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Change, GuardRefusal, Note, Plan

_GUARD = "freeze"
_AHEAD = timedelta(days=7)  # a pull request may wait for its review over a weekend

KindOf = Callable[[str], str | None]  # the declared kind of a contract's change, by its path


def kinds_of(commits: Iterable[CommitInfo], authority: str) -> KindOf:
    """The declared kind of each contract's newest change.

    Where none changed it, its records follow from the authority file. What came to main at once has one kind.

    Args:
        commits: Those to be carried out, oldest first.
        authority: The path of the authority file.
    """
    arrivals: dict[str, list[CommitInfo]] = {}
    newest: dict[str, str] = {}
    for commit in commits:
        arrival = commit.arrived_with or commit.id
        arrivals.setdefault(arrival, []).append(commit)
        newest.update(dict.fromkeys(commit.changed, arrival))
    kinds = {
        arrival: read_trailers(trailer for commit in came for trailer in commit.trailers).declaration.kind
        for arrival, came in arrivals.items()
    }
    return lambda path: kinds.get(newest.get(path, newest.get(authority, "")))


def frozen(
    plan: Plan, applied: ManagedSet, limits: Limits, overrides: Sequence[Override], kind_of: KindOf, now: datetime
) -> Plan:
    """The plan with refusals of what a window stops now.

    Args:
        plan: The plan.
        applied: What was applied last.
        limits: The limits, with the windows.
        overrides: Those given.
        kind_of: The kinds of its changes.
        now: The time of this run.
    """
    refusals: dict[str, GuardRefusal] = {}
    for change, stopping in _stopped(plan, applied, limits, kind_of):
        until = _end_of(stopping, now)
        if until > now and change.name not in refusals and not limits.lifted(_GUARD, change.name, overrides):
            refusals[change.name] = limits.without_forbidden_hint(_refusal(change.name, stopping, now, until))
    return replace(plan, refusals=(*plan.refusals, *refusals.values())) if refusals else plan


def coming_freezes(plan: Plan, applied: ManagedSet, limits: Limits, kind_of: KindOf, now: datetime) -> tuple[Note, ...]:
    """Notes on windows that begin soon and would stop changes."""
    names: dict[Freeze, set[str]] = {}
    for change, stopping in _stopped(plan, applied, limits, kind_of):
        for freeze in stopping:
            if now < freeze.start <= now + _AHEAD:
                names.setdefault(freeze, set()).add(change.name)
    return tuple(
        Note(
            plan.zone,
            f"will be refused from {time_text(freeze.start)} until {time_text(freeze.end)}, by a freeze "
            f"({freeze.reason}): changes of {counted(len(stopped), 'name')}",
        )
        for freeze, stopped in sorted(names.items(), key=lambda pair: pair[0].start)
    )


def _stopped(
    plan: Plan, applied: ManagedSet, limits: Limits, kind_of: KindOf
) -> Iterator[tuple[Change, tuple[Freeze, ...]]]:
    """The changes that windows stop, whenever those are open."""
    for change in plan.changes if limits.freezes else ():
        if not change.writes or same_served(change.after, applied.rrset(change.key)):
            continue
        endpoint, kind = endpoint_name_of_path(change.contract, plan.zone), kind_of(change.contract)
        environment = endpoint.environment if endpoint else ""
        if stopping := tuple(freeze for freeze in limits.freezes if freeze.stops(environment, kind)):
            yield change, stopping


def _end_of(freezes: Iterable[Freeze], now: datetime) -> datetime:
    """The end of the windows that are open; now without any."""
    end = now
    for freeze in sorted(freezes, key=lambda each: each.start):
        if freeze.start <= end < freeze.end:
            end = freeze.end
    return end


def _refusal(name: str, stopping: Iterable[Freeze], now: datetime, until: datetime) -> GuardRefusal:
    open_now = [freeze for freeze in stopping if freeze.start <= now < freeze.end]
    reasons = "; ".join(dict.fromkeys(freeze.reason for freeze in open_now))
    passing = set.intersection(*(set(freeze.passes) for freeze in open_now))
    kinds = f" (kinds that pass: {', '.join(sorted(passing))})" if passing else ""
    hint = f"apply again after that{kinds}; if this is right: {override_line(_GUARD, name)}"
    return GuardRefusal(_GUARD, name, f"{name} will be refused until {time_text(until)}, by a freeze: {reasons}", hint)
