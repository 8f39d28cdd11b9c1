"""What a restore is asked to do, what it needs from the outside, and what it knows before it writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.custody_entries import Gap
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.guards import Override
from hyops_gitops.core.restoration import RestorePlan
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply_opening import Opened
from hyops_gitops.usecases.apply_ports import ApplyPorts
from hyops_gitops.usecases.ports import ZoneRestorer
from hyops_gitops.usecases.restore_look import Found, Served


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """One call of restore."""

    overrides: tuple[Override, ...] = ()
    authority_override: SourceFile | None = None
    transfer_keys: tuple[str, ...] = ()  # names of TSIG keys, for a zone that has to be made
    tool: str = "hyops-gitops"
    run: Mapping[str, str] = field(default_factory=dict)
    boot_id: str | None = None
    pid: int = 0
    recover: int | None = None  # the open intent whose writer the operator knows to be gone


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """The outside."""

    apply: ApplyPorts
    open_primary: Callable[[Authority], ZoneRestorer]


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
