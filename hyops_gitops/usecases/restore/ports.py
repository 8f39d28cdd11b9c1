"""What a restore is asked to do, what it needs from the outside, and what it knows before it writes."""

from collections.abc import Callable
from dataclasses import dataclass

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.evidence.custody_entries import Gap
from hyops_gitops.core.restore.restoration import RestorePlan
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply.opening import Opened
from hyops_gitops.usecases.apply.ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.ports import ZoneRestorer
from hyops_gitops.usecases.restore.look import Found, Served


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """One call of restore."""

    apply: ApplyRequest  # as of an apply
    transfer_keys: tuple[str, ...] = ()  # names of TSIG keys, for a zone that has to be made


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """The outside."""

    apply: ApplyPorts
    open_primary: Callable[[Authority], ZoneRestorer]
    segments: tuple[str, ...] = ()  # break-glass segments in this folder


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is written; `plan` is None when there is nothing to bring back."""

    request: RestoreRequest
    opened: Opened
    primary: ZoneRestorer
    found: Found
    served: tuple[Served, ...]
    wanted: Zone
    gap: Gap | None
    plan: RestorePlan | None
