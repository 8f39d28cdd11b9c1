"""What an apply is asked to do, and what it needs from the outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hyops_gitops.core.authority import Authority, EvidenceSettings, Secondary
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.events import OnEvent
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.guards import Override
from hyops_gitops.core.network import DnsClient, Prober, Refresher, ZoneWriter
from hyops_gitops.core.ports import Clock, EvidenceStore, Forge, History, Signer, VerifiedMark, Verifier


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """One call of apply."""

    revision: str  # what to apply
    work_tree_matters: bool  # whether uncommitted contracts refuse: nobody named a commit
    overrides: tuple[Override, ...] = ()
    authority_override: SourceFile | None = None
    run: Mapping[str, str] = field(default_factory=dict)  # what is known about the run, for the log
    tool: str = "hyops-gitops"
    boot_id: str | None = None  # of this machine since it started, and of its process namespace
    pid: int = 0
    wait: bool = True  # for another writer's open intent
    recover: int | None = None  # the open intent whose writer the operator knows to be gone
    sites_lost: tuple[str, ...] = ()  # whose servers cannot answer
    watch: bool = True  # after a cutover, resolvers and other servers that the policy does not require


@dataclass(frozen=True, slots=True)
class ApplyPorts:
    """The outside. Functions open what only a validated authority file can name."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    open_primary: Callable[[Authority], ZoneWriter]
    open_refresher: Callable[[Authority, Secondary], Refresher | None]  # None: no API, or no key
    open_signer: Callable[[], Signer]
    verifier: Verifier
    dns: DnsClient
    prober: Prober
    clock: Clock
    process_is_gone: Callable[[int], bool]
    jitter: Callable[[], float]  # between 0 and 1
    on_event: OnEvent
    mark: VerifiedMark | None = None
    forge: Forge | None = None
